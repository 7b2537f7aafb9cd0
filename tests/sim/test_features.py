"""Storm and calm with the strategy's features on: the same claims, and theirs; and the mistakes
that theirs are there to see."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from mm_bot.core.exact import Price
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Kept, Quotes, View
from mm_bot.strategies import founding
from mm_bot.strategies.draft import Step
from mm_bot.strategies.pipeline import Pipeline
from mm_bot.strategies.shock import Sample, ShockPull
from tests.sim.claims import Claim
from tests.sim.many import results
from tests.sim.mutation import Mutation
from tests.sim.run import simulate

SEEDS = 150
TRIED = 500


def test_every_claim_holds_with_features_on() -> None:
    """The same claims, and that of the features; `python -m tests.sim SEED+` replays one."""
    for seed, result in results(range(SEEDS), features=True):
        assert not result.violations, f"seed {seed}+: {result.violations[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OldBase(ShockPull):
    """Compares with the oldest price it still knows, not with each."""

    def _shocked_by(self, window: tuple[Sample, ...], now: Sample) -> Price | None:
        return (
            ShockPull._shocked_by(self, window[:1], replace(now, price=window[0].price))
            if (window)
            else None
        )


class _Forgets(Pipeline):
    """Saves nothing of what must survive."""

    def quote(self, view: View, kept: Kept) -> Quotes:
        forgotten = kept if kept.value is not None else Kept()
        return Pipeline.quote(self, view, forgotten)


class _Silent(Pipeline):
    """Says nothing of its halts."""

    def quote(self, view: View, kept: Kept) -> Quotes:
        return replace(Pipeline.quote(self, view, kept), halts=())


def _old_base(policy: Policy) -> Pipeline:
    def changed(step: Step) -> Step:
        if not isinstance(step, ShockPull):
            return step
        return _OldBase(
            shock_bps=step.shock_bps,
            calm_bps=step.calm_bps,
            window_ms=step.window_ms,
            pause_ms=step.pause_ms,
        )

    made = founding(policy)
    return Pipeline(policy=made.policy, steps=tuple(changed(step) for step in made.steps))


def _forgets(policy: Policy) -> Pipeline:
    made = founding(policy)
    return _Forgets(policy=made.policy, steps=made.steps)


def _silent(policy: Policy) -> Pipeline:
    made = founding(policy)
    return _Silent(policy=made.policy, steps=made.steps)


@pytest.mark.parametrize(
    ("name", "strategy"),
    [("shock_of_old_base", _old_base), ("not_persisted", _forgets), ("no_halt", _silent)],
)
def test_the_checker_sees_what_features_get_wrong(name: str, strategy: object) -> None:
    """A shock measured from the wrong price, a pause that a restart ends, a halt not told."""
    assert callable(strategy)
    mutation = Mutation(name=name, claim=Claim.PULLED, strategy=strategy)
    for seed in range(TRIED):
        found = simulate(seed, mutation, features=True).violations
        if any(claim is Claim.PULLED for claim, _ in found):
            return
    pytest.fail(f"{TRIED} seeds of {name}, and {Claim.PULLED.value} never broke")

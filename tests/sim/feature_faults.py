"""Known ways to get the strategy's features wrong, a line each, and the claim that they break."""

from __future__ import annotations

from dataclasses import replace

from tests.sim.claims import Claim
from tests.sim.faults import fault
from tests.sim.mutation import Mutation


def _fault(name: str, claim: Claim, module: str, right: str, wrong: str, seed: int = 0) -> Mutation:
    return replace(fault(name, claim, module, right, wrong, seed), features=True)


FEATURE_FAULTS: tuple[Mutation, ...] = (
    _fault(
        "shock_compared_to_wrong_base",
        Claim.PULLED,
        "strategies.shock",
        "moved = multiply(distance(now.price.value, base), BPS)\n            if moved",
        "moved = multiply(distance(recent[0], base), BPS)\n            if moved",
    ),
    _fault(
        "breaker_not_persisted",
        Claim.PULLED,
        "strategies.pipeline",
        "state = step.begin(saved.get(step.name), view.now_ms)",
        "state = step.begin(None, view.now_ms)",
        237,
    ),
    _fault(
        "breaker_renewed_by_restart",
        Claim.PULLED,
        "strategies.breaker",
        "        return _loaded(saved, now_ms, self.cooldown_ms)",
        "        return changed(_loaded(saved, now_ms, self.cooldown_ms), base=None)",
        272,
    ),
    _fault(
        "feature_halts_not_told",
        Claim.PULLED,
        "strategies.pipeline",
        "halts = [h for step in self.halting for h in step.halts(view, states.get(step.name))]",
        "halts = []",
    ),
    _fault(
        "guard_without_time_limit",
        Claim.CONVERGES,
        "strategies.adverse",
        "until_ms = max(tapes[side].until_ms, view.now_ms + self.pause_ms)",
        "until_ms = view.now_ms * 2",
        22,
    ),
    _fault(
        "annualised_sigma",
        Claim.WIDTH,
        "strategies.volatility",
        "return ceil4(S.sqrt(S.divide(found.a, found.b)))",
        "return ceil4(S.sqrt(S.multiply(S.divide(found.a, found.b), Decimal(31_536_000))))",
    ),
    _fault(
        "hanging_at_any_distance",
        Claim.HANGS,
        "strategies.hanging",
        "if apart > multiply(draft.reference.value, self.cancel_bps):",
        "if apart < 0:",
        34,
    ),
    _fault(
        "degrades_the_wrong_side",
        Claim.DEGRADES,
        "core.degrade",
        "mine = [cause for cause in found if cause.side is side]",
        "mine = [cause for cause in found if cause.side is not side]",
    ),
    _fault(
        "degrades_and_never_halts",
        Claim.DEGRADES,
        "core.degrade",
        "if not names & {BASE_LOW, QUOTE_LOW} or {BASE_LOW, QUOTE_LOW} <= names:",
        "if not names & {BASE_LOW, QUOTE_LOW}:",
        16,
    ),
)

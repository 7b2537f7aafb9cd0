"""Known ways to get the strategy's features wrong, a line each, and the claim that they break."""

from __future__ import annotations

from dataclasses import replace

from tests.sim.broken import Break
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
        5,
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
        321,
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
        11,
    ),
    _fault(
        "annualised_sigma",
        Claim.WIDTH,
        "strategies.volatility",
        "return ceil4(S.sqrt(S.divide(found.a, found.b)))",
        "return ceil4(S.sqrt(S.multiply(S.divide(found.a, found.b), Decimal(31_536_000))))",
        5,
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
        2,
    ),
    _fault(
        "degrades_and_never_halts",
        Claim.DEGRADES,
        "core.degrade",
        "if not names & {BASE_LOW, QUOTE_LOW} or {BASE_LOW, QUOTE_LOW} <= names:",
        "if not names & {BASE_LOW, QUOTE_LOW}:",
        16,
    ),
    _fault(
        "halts_before_it_degrades",
        Claim.DEGRADES,
        "core.degrade",
        "if not names & {BASE_LOW, QUOTE_LOW} or {BASE_LOW, QUOTE_LOW} <= names:",
        "if names:",
        2,
    ),
    _fault(
        "hanging_never_renewed",
        Claim.LIFE,
        "core.hanging",
        "if not due_for_renewal(given, order):",
        "if given:",
        36,
    ),
    _fault(
        "hanging_for_ever",
        Claim.HANGS,
        "strategies.hanging",
        "if view.now_ms - since_ms > self.max_age_ms:",
        "if view.now_ms < since_ms:",
        14,
    ),
    _fault(
        "hanging_not_persisted",
        Claim.HANGS,
        "strategies.hanging",
        "return dict(state.since_ms) or None",
        "return None",
        121,
    ),
    Mutation(
        name="hanging_takes_no_room",
        seed=36,
        claim=Claim.LIMITS,
        features=True,
        breaks=(
            Break(
                "mm_bot.core.exposure",
                "orders.extend(c for c in mine if c.order_id in given.hanging)",
                "orders.extend(c for c in mine if c is side)",
            ),
            Break(
                "mm_bot.core.exposure",
                "if c.order_id not in gone]",
                "if c.order_id not in gone\n             and c.order_id not in given.hanging]",
            ),
        ),
    ),
    _fault(
        "reduced_to_nothing",
        Claim.REDUCES,
        "strategies.forced",
        "excess = held.base_lowest - soft if side is Side.SELL else soft - held.base_highest",
        "excess = held.base_lowest.times(Decimal(side.sign * -1))",
        26,
    ),
    _fault(
        "reduced_at_any_price",
        Claim.REDUCES,
        "strategies.forced",
        "worst = multiply(view.reference.value, away(BPS, self.slippage_bps))",
        "worst = multiply(view.reference.value, away(BPS, multiply(self.slippage_bps, BPS / 100)))",
        17,
    ),
    Mutation(
        name="reduced_without_budget",
        seed=17,
        claim=Claim.REDUCES,
        features=True,
        breaks=(
            Break(
                "mm_bot.strategies.regime",
                "if len(state.sent_ms) < self.forcing.per_hour:",
                "if self.forcing:",
            ),
            Break(
                "mm_bot.strategies.regime",
                "if rested and reread and len(state.sent_ms) < self.forcing.per_hour:",
                "if rested and reread:",
            ),
        ),
    ),
    _fault(
        "over_reduction_by_an_unknown_order",
        Claim.REDUCES,
        "core.reduction",
        "open_orders = [c for c in given.open_orders if not c.cancel_acked]",
        "open_orders = [c for c in given.open_orders if not c.cancel_acked and c.signed is None]",
        65,
    ),
)

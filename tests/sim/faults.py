"""Known ways to get the bot itself wrong, a line each, and the claim that they break."""

from __future__ import annotations

from tests.sim.broken import Break
from tests.sim.claims import Claim
from tests.sim.mutation import Mutation


def fault(name: str, claim: Claim, module: str, right: str, wrong: str, seed: int = 0) -> Mutation:
    return Mutation(
        name=name, claim=claim, breaks=(Break(f"mm_bot.{module}", right, wrong),), seed=seed
    )


FAULTS: tuple[Mutation, ...] = (
    fault(
        "stale_trades",
        Claim.FRESH,
        "core.reference",
        "now_ms - t.at_ms <= policy.trade_max_age_ms",
        "now_ms > 0",
        8,
    ),
    fault(
        "half_of_a_replace",
        Claim.ONE_PER_SLOT,
        "core.slots",
        "if can.atomic_replace and open_order.replaces is not None:",
        "if can.atomic_replace and not open_order.order_id:",
        146,
    ),
    fault(
        "stale_external",
        Claim.FRESH,
        "core.reference",
        "if age_ms > policy.external_max_age_ms:",
        "if age_ms < 0:",
        113,
    ),
    fault(
        "stale_anchor",
        Claim.FRESH,
        "core.risk",
        "_over(age_ms, policy.anchor_max_age_ms)",
        "False",
        6,
    ),
    fault(
        "stale_market_data",
        Claim.FRESH,
        "core.risk",
        "if _over(given.market_data_age_ms, limit):",
        "if False:",
    ),
    fault(
        "late_renewal",
        Claim.LIFE,
        "core.plan",
        "order.expiry_ms - life_ms // 3",
        "order.expiry_ms - life_ms // 100",
        1,
    ),
    fault(
        "repeats_without_budget",
        Claim.BUDGET,
        "acting",
        "not result.outcome.held or (cancel.counted and not self._has_spare(decision))",
        "not result.outcome.held",
        5,
    ),
    fault(
        "outlives_its_market",
        Claim.LIFE,
        "acting",
        "expiry_ms = min(expiry_ms, market.expiry_ms)",
        "expiry_ms += 0",
    ),
    fault(
        "no_grace",
        Claim.ONE_PER_SLOT,
        "core.ledger",
        "now_ms > known.next_send_ms + within_ms",
        "now_ms > known.next_send_ms",
        1,
    ),
    fault(
        "reserves_elsewhere_ignored",
        Claim.LIMITS,
        "core.balances",
        "fixed = _plus(fixed, elsewhere)",
        "fixed = _plus(fixed, Reserved())",
        2,
    ),
    fault(
        "wrong_sign_through_zero",
        Claim.FILLS_ONCE,
        "core.fills",
        "return cost - cost_closed + worth - worth_closed,",
        "return cost - cost_closed + worth_closed - worth,",
        5,
    ),
    fault(
        "fills_cursor_does_not_trail",
        Claim.FILLS_ONCE,
        "core.fills",
        "if now_ms - since_ms < SETTLING_MS:",
        "if since_ms < 0:",
        72,
    ),
    fault(
        "kill_ignored_while_placing",
        Claim.KILL_SWITCH,
        "acting",
        "elif edges.kill_switch.active():",
        "elif False:",
        38,
    ),
    fault(
        "kill_only_between_cycles",
        Claim.KILL_SWITCH,
        "bot",
        "if active and not silent:",
        "if False:",
        0,
    ),
    Mutation(
        name="kill_not_asked_before_a_post",
        seed=59,
        claim=Claim.KILL_SWITCH,
        breaks=(
            Break(
                "mm_bot.acting",
                "if not await self._still_writer() or edges.kill_switch.active():",
                "if not await self._still_writer():",
            ),
            Break(
                "mm_bot.acting",
                "return fenced and not self._edges.kill_switch.active()",
                "return fenced",
            ),
        ),
    ),
    fault(
        "halts_cancel_nothing",
        Claim.KILL_SWITCH,
        "core.decide",
        "cancels = _halted_plan(given, found)",
        "cancels = Plan()",
        7,
    ),
    fault(
        "liability_forgets_cancelled",
        Claim.LIABILITY,
        "core.liability",
        "row.side, row.size, row.notional, row.expiry_ms) for row in rows",
        "row.side, row.size if row.live else NO_SIZE, row.notional, row.expiry_ms) for row in rows",
    ),
    fault(
        "liability_forgets_refused",
        Claim.LIABILITY,
        "acting",
        "return outcome, sent_ms\n",
        "if outcome.verdict is Verdict.REFUSED:\n"
        "            self.signed.pop(signed.order.order_id, None)\n            return None\n"
        "        return outcome, sent_ms\n",
        1,
    ),
    fault(
        "liability_ends_early",
        Claim.LIABILITY,
        "core.liability",
        "expiry_ms + GRACE_MS <= chain_ms",
        "expiry_ms - 5_000 <= chain_ms",
        2,
    ),
    fault(
        "cancel_pending_negated",
        Claim.CONVERGES,
        "core.slots",
        "if guard is None and not cancellable(given, order, counted=counted):",
        "if guard is None and cancellable(given, order, counted=counted):",
        14,
    ),
    fault(
        "never_content",
        Claim.CONVERGES,
        "core.slots",
        "apart = distance(open_order.size.value, level.size.value)",
        "apart = open_order.size.value + level.size.value",
        1,
    ),
    fault(
        "cancel_proven_inverted",
        Claim.TOLD,
        "core.ledger",
        "cancel_proven=not known.cancel_acked",
        "cancel_proven=known.cancel_acked",
    ),
    fault(
        "gaps_not_told",
        Claim.TOLD,
        "core.decide",
        "return ladder.missing + tuple(_by_clock(gap, off) for gap in wanted.missing)",
        "return ladder.missing",
    ),
    fault(
        "unsettled_fills_ignored",
        Claim.LIMITS,
        "core.situation",
        "waiting = pending(settlements, market)",
        "waiting = pending({}, market)",
        96,
    ),
    fault(
        "reverted_matches_kept",
        Claim.FILLS_ONCE,
        "core.settlement",
        "late = entry.asked and passed_ms > REVERTED_AFTER_MS",
        "late = passed_ms < 0",
        35,
    ),
    fault(
        "settled_taken_for_reverted",
        Claim.FILLS_ONCE,
        "core.settlement",
        "late = entry.asked and passed_ms > REVERTED_AFTER_MS",
        "late = passed_ms > 1_000",
        105,
    ),
    fault(
        "matcher_that_died_not_recovered",
        Claim.CONVERGES,
        "core.ledger",
        "expiry_clock_ms > row.expiry_ms + DEAD_AFTER_MS and",
        "expiry_clock_ms < 0 and",
        49,
    ),
    Mutation(
        name="lock_without_fence",
        seed=296,
        claim=Claim.ONE_WRITER,
        breaks=(
            Break(
                "mm_bot.acting",
                "if asked_ms - self._proven_ms <= ASK_AFTER_MS:",
                "if asked_ms >= 0:",
            ),
            Break(
                "mm_bot.acting",
                "fenced = self._edges.clock.monotonic_ms() - self._proven_ms <= FENCE_MS",
                "fenced = True",
            ),
        ),
    ),
    fault(
        "deviation_guard_only_up",
        Claim.FRESH,
        "core.reference",
        "multiply(abs(local - outside).value, BPS)",
        "multiply((local - outside).value, BPS)",
        7,
    ),
    fault(
        "deviation_guard_only_down",
        Claim.FRESH,
        "core.reference",
        "multiply(abs(local - outside).value, BPS)",
        "multiply((outside - local).value, BPS)",
        8,
    ),
    fault(
        "stale_balances",
        Claim.FRESH,
        "core.risk",
        "if _over(given.balances_age_ms, policy.balances_max_age_ms):",
        "if False:",
        4,
    ),
    fault(
        "short_limit_off",
        Claim.LIMITS,
        "strategies.fitting",
        "head = holdings.base_lowest - policy.max_short",
        "head = holdings.base_lowest - policy.max_short.times(10**6)",
        84,
    ),
)

"""`MM_MAX_CANCELS_PER_MINUTE` where the exchange answers no cancel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from mm_bot.core import budget
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.plan import Cancel, CancelCategory, Plan
from mm_bot.core.policy import OperatorMode
from mm_bot.core.remember import CancelResult, Report
from tests.core.builders import NOW_MS, POLICY, open_order, own_orders, row, running, snapshot
from tests.core.decisions import UNKNOWN, after, decided

_MINUTE_MS = 60_000
_BEGIN_MS, _END_MS, _LATER_MS = 5_000, 95_000, 1_000
_ORDERS = [(Side.BUY, "1580", 1), (Side.SELL, "1590", 2)]
"""The bid that is wanted, 1596, would meet the ask until that is gone."""


def _times_ms() -> Iterator[int]:
    """Cycles follow fast at first."""
    yield from range(NOW_MS, NOW_MS + _BEGIN_MS, 100)
    yield from range(NOW_MS + _BEGIN_MS, NOW_MS + _END_MS, _LATER_MS)


def _sent(limit: int, mode: OperatorMode) -> dict[str, list[int]]:
    """When each of two orders that do not fit was sent a cancel, with no answer to any."""
    policy = replace(POLICY, mode=mode, risk=replace(POLICY.risk, max_cancels_per_minute=limit))
    terms = [(side, price, nonce) for side, price, nonce in _ORDERS]
    memory = running(
        *(open_order(s, p, nonce=n, created_ms=NOW_MS, life_ms=10**7) for s, p, n in terms)
    )
    rows = [row(s, p, nonce=n, created_ms=NOW_MS, life_ms=10**7) for s, p, n in terms]
    found: dict[str, list[int]] = {each.order_id: [] for each in rows}
    for now_ms in _times_ms():
        decision = decided(snapshot(own_orders(*rows), now_ms=now_ms), memory, policy)
        assert not decision.halts, (now_ms - NOW_MS, decision.halts)
        results = tuple(
            CancelResult(cancel=cancel, outcome=UNKNOWN, sent_ms=now_ms, done_ms=now_ms)
            for cancel in decision.plan.cancels
        )
        for result in results:
            found[result.cancel.order_id].append(now_ms)
        memory = after(decision, Report(cancels=results), memory)
    return found


@pytest.mark.parametrize(
    ("limit", "mode"),
    [(30, OperatorMode.NORMAL), (30, OperatorMode.BID_ONLY), (4, OperatorMode.NORMAL)],
)
def test_an_exchange_that_answers_no_cancel_uses_up_no_budget(
    limit: int, mode: OperatorMode
) -> None:
    """Repeats halt nothing and pass no limit in any 60 s; half of it goes at once, the rest at an
    even pace, every order has its turn, and there is always room to replace both sides once."""
    sent = _sent(limit, mode)
    every = sorted(at for times in sent.values() for at in times)
    most = max(sum(at - _MINUTE_MS < other <= at for other in every) for at in every)
    assert most <= max(limit - 2, limit // 2), every
    assert abs(len(sent.popitem()[1]) - len(sent.popitem()[1])) <= 1
    half, pace_ms = limit // 2, 2 * _MINUTE_MS // (limit // 2)
    assert every[half - 2] - every[0] <= _BEGIN_MS, "half of it at once"
    pauses = [after - before for before, after in pairwise(every)]
    if limit > 4:
        assert max(pauses) <= pace_ms + 2 * _LATER_MS, pauses
    assert max(pauses) <= _MINUTE_MS, pauses


COUNTED = Cancel(
    order_id="x", nonce=1, category=CancelCategory.REPLACE_DRIVEN, reason="x", counted=True
)


def _having_cancelled(ages_ms: list[int]) -> Memory:
    sent_ms = sorted(NOW_MS - age for age in ages_ms)
    return replace(running(), replace_cancels_ms=tuple(sent_ms))


@pytest.mark.parametrize(
    ("ages_ms", "counted", "limit", "passes"),
    [
        ([1, 59_999], 1, 3, False),
        ([1, 59_999], 2, 3, True),
        ([1, 60_000], 2, 3, False),
        ([1, 2, 3, 4], 0, 3, False),
        ([], 4, 3, True),
        ([1, 2, 3], 9, None, False),
    ],
)
def test_a_plan_passes_the_budget_with_one_too_many_in_any_minute(
    ages_ms: list[int], counted: int, limit: int | None, passes: bool
) -> None:
    """What was sent a whole minute ago counts no more; cancels of a halt never do."""
    memory = _having_cancelled(ages_ms)
    plan = Plan(cancels=(COUNTED,) * counted + (replace(COUNTED, counted=False),) * 9)
    assert budget.over(memory, NOW_MS, limit, plan) is passes


@pytest.mark.parametrize(
    ("ages_ms", "repeats", "limit", "levels", "go"),
    [
        ([], 5, 10, 1, True),
        ([], 10, 10, 1, True),
        ([], 11, 10, 1, False),
        ([1, 1], 3, 10, 1, True),
        ([1, 1], 4, 10, 1, False),
        ([24_000, 23_999], 2, 10, 1, True),
        ([40_000, 23_999], 4, 10, 1, False),
        ([48_000, 50_000], 4, 10, 1, True),
        ([47_999, 50_000], 4, 10, 1, False),
        ([50_000] * 4, 4, 10, 1, True),
        ([50_000] * 5, 4, 10, 1, False),
        ([50_000] * 4, 2, 10, 2, True),
        ([50_000] * 5, 2, 10, 2, False),
        ([50_000] * 10, 2, 20, 4, True),
        ([50_000] * 10, 2, 20, 5, False),
        ([12_000] * 5, 1, 11, 1, True),
        ([11_999] * 5, 1, 11, 1, False),
        ([59_999], 1, 1, 1, False),
        ([59_999] * 9, 9, None, 1, True),
        ([60_000] * 9, 10, 10, 1, True),
    ],
)
def test_repeats_go_together_within_half_of_the_minute_then_at_its_pace(
    ages_ms: list[int], repeats: int, limit: int | None, levels: int, go: bool
) -> None:
    """Half of the limit goes at once, or all of it where nothing was sent; beyond it so many wait
    for their part of a minute since the last, and for room to replace every level once. Orders
    whose cancel is not due, is acknowledged or was never sent wait for nothing."""
    memory = _having_cancelled(ages_ms)
    order = replace(open_order(Side.BUY, "1600"), cancels=1, next_cancel_ms=NOW_MS)
    due = [replace(order, order_id=str(number)) for number in range(repeats)]
    others = (
        replace(order, next_cancel_ms=NOW_MS + 1),
        replace(order, cancel_acked_ms=NOW_MS - 1),
        replace(order, cancels=0),
    )
    found = budget.waiting(memory, NOW_MS, limit, levels, (*others, *due))
    assert found == (frozenset() if go else frozenset(each.order_id for each in due))

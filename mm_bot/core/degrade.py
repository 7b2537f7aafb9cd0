"""Degrading before halting: a side at a time, with hysteresis; the halts stay the last step.

Entry points: `causes` and `withdrawn`. Only where `RiskPolicy.degrade` is on:
1. An available balance below its least takes away the side that spends it; the other side, which
   brings it back, stays. Where both are below, both halts hold as ever.
2. Balances, or an anchor, older than half of what halts leave the side that reduces the inventory.
3. A cause ends well inside: a tenth above the least balance, a quarter of the age that halts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from mm_bot.core.balances import Holdings
from mm_bot.core.exact import NO_SIZE, multiply
from mm_bot.core.freshness import Freshness
from mm_bot.core.instrument import Level, Side
from mm_bot.core.policy import RiskPolicy
from mm_bot.core.quoting import Missing, MissingReason, Quotes

BASE_LOW, QUOTE_LOW = "base balance low", "quote balance low"
BALANCES_OLD, ANCHOR_OLD = "balances growing old", "anchor growing old"
HALF, QUARTER = 2, 4
_TEN, _ELEVEN = Decimal(10), Decimal(11)
NONE: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why one side is not quoted though nothing halts."""

    name: str
    side: Side
    numbers: tuple[tuple[str, str], ...]


def causes(
    before: Iterable[str], fresh: Freshness, holdings: Holdings | None, policy: RiskPolicy
) -> tuple[Cause, ...]:
    """Those that hold now; `before` names those that held in the last cycle."""
    if not policy.degrade or holdings is None:
        return ()
    held = frozenset(before)
    return (*_low(held, holdings, policy), *_old(held, fresh, holdings, policy))


def withdrawn(quotes: Quotes, found: tuple[Cause, ...]) -> Quotes:
    """The quotes without the sides that have a cause."""
    if not found:
        return quotes
    ladder = quotes.ladder
    for side in Side:
        mine = [cause for cause in found if cause.side is side]
        if not mine or not ladder.side(side):
            continue
        numbers = tuple(number for cause in mine for number in cause.numbers)
        why = ("cause", ", ".join(cause.name for cause in mine))
        gap = Missing(side=side, index=None, reason=MissingReason.DEGRADED, numbers=(why, *numbers))
        others = tuple(each for each in ladder.missing if each.side is not side)
        ladder = replace(ladder, missing=(*others, gap))
        ladder = replace(ladder, bids=NONE) if side is Side.BUY else replace(ladder, asks=NONE)
    return replace(quotes, ladder=ladder)


def last_step(policy: RiskPolicy, found: tuple[Cause, ...]) -> RiskPolicy:
    """The limits that halt: a least balance does not while its side alone is away for it."""
    names = {cause.name for cause in found}
    if not names & {BASE_LOW, QUOTE_LOW} or {BASE_LOW, QUOTE_LOW} <= names:
        return policy
    return replace(policy, min_base=None) if BASE_LOW in names else replace(policy, min_quote=None)


def _low(held: frozenset[str], holdings: Holdings, policy: RiskPolicy) -> Iterator[Cause]:
    balances = (
        (BASE_LOW, Side.SELL, holdings.base_available.value, policy.min_base),
        (QUOTE_LOW, Side.BUY, holdings.quote_available.value, policy.min_quote),
    )
    for name, side, left, least in balances:
        if least is None:
            continue
        # ten times what is there against eleven times the least: no division
        inside = multiply(left, _TEN) >= multiply(least.value, _ELEVEN)
        if left < least.value or (name in held and not inside):
            numbers = (("available", str(type(least)(left))), ("limit", str(least)))
            yield Cause(name=name, side=side, numbers=numbers)


def _old(
    held: frozenset[str], fresh: Freshness, holdings: Holdings, policy: RiskPolicy
) -> Iterator[Cause]:
    growing = Side.BUY if holdings.base_total >= NO_SIZE else Side.SELL
    ages = (
        (BALANCES_OLD, fresh.balances_ms, policy.balances_max_age_ms),
        (ANCHOR_OLD, fresh.anchor_ms, policy.anchor_max_age_ms),
    )
    for name, age_ms, limit_ms in ages:
        if age_ms is None or limit_ms is None:
            continue
        share = QUARTER if name in held else HALF
        if share * age_ms > limit_ms:
            numbers = (("age_ms", str(age_ms)), ("limit_ms", str(limit_ms)))
            yield Cause(name=name, side=growing, numbers=numbers)

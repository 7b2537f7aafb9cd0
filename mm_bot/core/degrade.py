"""Degrading before halting: a side at a time, with hysteresis; the halts stay the last step.

Entry points: `half_known`, `causes` and `withdrawn`. Only where `RiskPolicy.degrade` is on:
1. An available balance below its least takes away the side that spends it; the other side, which
   brings it back, stays. Where both are below, both halts hold as ever.
2. Balances, or an anchor, older than half of what halts leave the side that leads the inventory
   back to its target. Where the quote's balance alone is old, the side that spends it goes, for as
   long as that is so: the base says the inventory. Of margined orders those spend it that open a
   position; what closes one stays, and no more of it than the position.
3. Where others' bids alone tell a price, it is at least theirs: only bids are quoted, around theirs
   or the last whole reference, whichever is lower; asks alike, around the higher of the two.
   Without a whole reference that is young enough for a last trade it halts as ever.
4. A local price is anybody's: where the operator set but one of its bounds, the side that this one
   guards stays. Without a highest price the bids go, without a lowest the asks.
5. A cause ends well inside: a tenth above the least balance or the least size, a quarter of the age
   that halts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.balances import Holdings
from mm_bot.core.changed import changed
from mm_bot.core.exact import NO_SIZE, Price, Size, multiply
from mm_bot.core.explained import Explained, Explanation
from mm_bot.core.freshness import Freshness
from mm_bot.core.instrument import Instrument, Level, Margin, Side
from mm_bot.core.memory import Memory
from mm_bot.core.policy import Policy, ReferencePolicy, RiskPolicy
from mm_bot.core.quoting import Ladder, Missing, MissingReason, Quotes
from mm_bot.core.reference import Reference, ReferenceSource, price_with_size
from mm_bot.core.snapshot import BookOrder, Snapshot

BASE_LOW, QUOTE_LOW = "base balance low", "quote balance low"
BALANCES_OLD, ANCHOR_OLD = "balances growing old", "anchor growing old"
QUOTE_OLD = "quote balance growing old"
ONE_SIDED = {Side.BUY: "no bids of others", Side.SELL: "no asks of others"}
"""By the side that is missing."""
UNBOUNDED = {Side.BUY: "no highest price set", Side.SELL: "no lowest price set"}
"""By the side which that bound would guard."""
Strangers = Mapping[Side, Sequence[BookOrder]]
_LOCAL = (ReferenceSource.BOOK, ReferenceSource.TRADE, ReferenceSource.OWN_TRADE)
HALF, QUARTER = 2, 4
_TENTH_MORE = Decimal("1.1")
NONE: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why one side is not quoted though nothing halts."""

    name: str
    side: Side
    numbers: tuple[tuple[str, str], ...]
    closes: Size | None = None
    """The most that the other side may quote; None is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfKnown:
    """What one side of others' orders tells where no reference is known."""

    side: Side
    """Whose orders are there: the side that can still be right."""
    best: Price
    """Theirs, with size."""
    last: Price
    """The last whole reference."""

    @property
    def price(self) -> Price:
        """What to quote that side around: never better for a taker than either of the two."""
        return max(self.best, self.last, key=self.side.best_first)


def half_known(
    chosen: Reference, snapshot: Snapshot, strangers: Strangers, memory: Memory, policy: Policy
) -> HalfKnown | None:
    """None where a reference is known, and where too little is."""
    last, venue = memory.last_reference, snapshot.venue
    if not policy.risk.degrade or chosen.price is not None or last is None:
        return None
    if venue.orders.value is None or venue.book.value is None:
        return None
    if not 0 <= snapshot.now_ms - last.at_ms <= policy.reference.trade_max_age_ms:
        return None
    best = {side: price_with_size(strangers[side], policy.reference) for side in Side}
    there = [(side, price) for side, price in best.items() if price is not None]
    if len(there) != 1:
        return None
    ((side, price),) = there
    return HalfKnown(side=side, best=price, last=last.price)


def causes(
    memory: Memory,
    strangers: Strangers,
    chosen: Reference,
    half: HalfKnown | None,
    fresh: Freshness,
    holdings: Holdings | None,
    market: Instrument,
    policy: Policy,
) -> tuple[Cause, ...]:
    """Those that hold now; the memory names those that held in the last cycle."""
    if not policy.risk.degrade or holdings is None:
        return ()
    held = frozenset(memory.degraded)
    return (
        *_low(held, holdings, policy.risk),
        *_old(held, fresh, holdings, policy.risk),
        *_quote_old(held, fresh, holdings, market, policy.risk),
        *_one_sided(held, strangers, chosen, half, policy.reference),
        *_unbounded(chosen, policy.reference),
    )


def withdrawn(quotes: Quotes, found: tuple[Cause, ...], market: Instrument) -> Quotes:
    """The quotes without the sides that have a cause, and with each of them explained."""
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
        ladder = changed(ladder, missing=(*others, gap))
        ladder = _with(ladder, side, NONE)
    for cause in found:
        if cause.closes is not None:
            ladder = _reduced(ladder, cause, cause.closes, market)
    told = tuple(_told(cause) for cause in found)
    explained = Explained((lambda: quotes.explanations, *told))
    lasting = (*quotes.lasting, *told)
    return changed(quotes, ladder=ladder, explanations=explained, lasting=lasting)


def _with(ladder: Ladder, side: Side, levels: tuple[Level, ...]) -> Ladder:
    return changed(ladder, bids=levels) if side is Side.BUY else changed(ladder, asks=levels)


def _reduced(ladder: Ladder, cause: Cause, left: Size, market: Instrument) -> Ladder:
    """With no more on the other side than that, from the best level on."""
    other, found = cause.side.opposite, list[Level]()
    wanted, at_most = ladder.side(other), str(left)
    for level in wanted:
        size = market.floor_size(min(level.size, left))
        if not market.tradable(level.price, size):
            break
        found.append(changed(level, size=size, notional=market.notional(level.price, size)))
        left -= size
    if wanted and not found:
        numbers = (("cause", cause.name), ("closes_at_most", at_most))
        gap = Missing(side=other, index=None, reason=MissingReason.DEGRADED, numbers=numbers)
        ladder = changed(ladder, missing=(*ladder.missing, gap))
    return _with(ladder, other, tuple(found))


def _told(cause: Cause) -> Explanation:
    numbers = ", ".join(f"{name} {{{name}}}" for name, _ in cause.numbers)
    side = "bids" if cause.side is Side.BUY else "asks"
    says = f"{cause.name}, so no {side}: {numbers}"
    return Explanation(step="degraded", says=says, numbers=cause.numbers)


def last_step(policy: RiskPolicy, found: tuple[Cause, ...]) -> RiskPolicy:
    """The limits that halt: a least balance does not while its side alone is away for it."""
    names = {cause.name for cause in found}
    if not names & {BASE_LOW, QUOTE_LOW} or {BASE_LOW, QUOTE_LOW} <= names:
        return policy
    return changed(policy, min_base=None) if BASE_LOW in names else changed(policy, min_quote=None)


def _low(held: frozenset[str], holdings: Holdings, policy: RiskPolicy) -> Iterator[Cause]:
    balances = (
        (BASE_LOW, Side.SELL, holdings.base_available.value, policy.min_base),
        (QUOTE_LOW, Side.BUY, holdings.quote_available.value, policy.min_quote),
    )
    for name, side, left, least in balances:
        if least is None:
            continue
        inside = left >= multiply(least.value, _TENTH_MORE)
        if left < least.value or (name in held and not inside):
            numbers = (("available", str(type(least)(left))), ("limit", str(least)))
            yield Cause(name=name, side=side, numbers=numbers)


def _old(
    held: frozenset[str], fresh: Freshness, holdings: Holdings, policy: RiskPolicy
) -> Iterator[Cause]:
    growing = Side.BUY if holdings.base_total >= policy.target else Side.SELL
    ages = (
        (BALANCES_OLD, fresh.base_ms, policy.balances_max_age_ms),
        (ANCHOR_OLD, fresh.anchor_ms, policy.anchor_max_age_ms),
    )
    for name, age_ms, limit_ms in ages:
        numbers = _grown_old(name, held, age_ms, limit_ms)
        if numbers:
            yield Cause(name=name, side=growing, numbers=numbers)


def _quote_old(
    held: frozenset[str],
    fresh: Freshness,
    holdings: Holdings,
    market: Instrument,
    policy: RiskPolicy,
) -> Iterator[Cause]:
    """Where it is no older than the base both grow old together."""
    numbers = _grown_old(QUOTE_OLD, held, fresh.quote_ms, policy.balances_max_age_ms)
    if not numbers or fresh.quote_ms == fresh.base_ms:
        return
    if market.margin is Margin.FUNDED:
        yield Cause(name=QUOTE_OLD, side=Side.BUY, numbers=numbers)
        return
    least, most = holdings.base_lowest, holdings.base_highest
    for side, closes in ((Side.BUY, least), (Side.SELL, -most)):
        # a position that may be on either side of zero, or none, leaves nothing to close
        if closes > NO_SIZE:
            yield Cause(name=QUOTE_OLD, side=side, numbers=numbers, closes=closes)
            return
    for side in Side:
        yield Cause(name=QUOTE_OLD, side=side, numbers=numbers)


def _grown_old(
    name: str, held: frozenset[str], age_ms: int | None, limit_ms: int | None
) -> tuple[tuple[str, str], ...]:
    """Its numbers; none where it is young enough."""
    if age_ms is None or limit_ms is None:
        return ()
    share = QUARTER if name in held else HALF
    if share * age_ms <= limit_ms:
        return ()
    return ("age_ms", str(age_ms)), ("limit_ms", str(limit_ms))


def _one_sided(
    held: frozenset[str],
    strangers: Strangers,
    chosen: Reference,
    half: HalfKnown | None,
    policy: ReferencePolicy,
) -> Iterator[Cause]:
    """Also where a mid is back that one side has hardly the size for."""
    if half is not None:
        best = ("best_bid" if half.side is Side.BUY else "best_ask", str(half.best))
        numbers = (best, ("last_reference", str(half.last)), ("quoted_around", str(half.price)))
        missing = half.side.opposite
        yield Cause(name=ONE_SIDED[missing], side=missing, numbers=numbers)
        return
    well_inside = changed(policy, min_size=policy.min_size.times(_TENTH_MORE))
    for side, name in ONE_SIDED.items():
        if name not in held or chosen.source is not ReferenceSource.BOOK:
            continue
        if price_with_size(strangers[side], well_inside) is None:
            yield Cause(name=name, side=side, numbers=(("size_needed", str(well_inside.min_size)),))


def _unbounded(chosen: Reference, policy: ReferencePolicy) -> Iterator[Cause]:
    """Anybody can move a local price; where both bounds are missing neither side is the safer."""
    if chosen.source not in _LOCAL or (policy.low is None) == (policy.high is None):
        return
    side = Side.BUY if policy.high is None else Side.SELL
    remedy = "MM_ANCHOR_MAX_PRICE" if side is Side.BUY else "MM_ANCHOR_MIN_PRICE"
    numbers = (("reference", str(chosen.price)), ("set", remedy))
    yield Cause(name=UNBOUNDED[side], side=side, numbers=numbers)

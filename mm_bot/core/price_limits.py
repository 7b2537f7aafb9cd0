"""The exchange's own limits on prices: what is wanted beyond them is moved to them, or left out.

A bid above the highest price and an ask below the lowest are moved to the limit, which is better
for us than what was wanted. A bid below the lowest and an ask above the highest are not: moved they
would be worse. Such a level is missing, with the limit as its number.
"""

from __future__ import annotations

from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.explained import Explained, Explanation
from mm_bot.core.instrument import Instrument, Level, Side
from mm_bot.core.quoting import Missing, MissingReason, Quotes
from mm_bot.core.snapshot import PriceLimits

_ONE = Decimal(1)


def within(quotes: Quotes, limits: PriceLimits | None, market: Instrument) -> Quotes:
    """What a strategy wants, as far as the exchange takes such prices."""
    if limits is None:
        return quotes
    ladder = quotes.ladder
    said: list[Explanation] = []
    missing = list(ladder.missing)
    kept: dict[Side, list[Level]] = {Side.BUY: [], Side.SELL: []}
    for side in Side:
        for level in ladder.side(side):
            held = _held(level, limits, market)
            if held is None:
                missing.append(_missing(level, limits))
                continue
            if held.price != level.price:
                said.append(_moved(level, held))
            kept[side].append(held)
    ladder = changed(
        ladder,
        bids=tuple(kept[Side.BUY]),
        asks=tuple(kept[Side.SELL]),
        missing=tuple(missing),
    )
    forced = quotes.reduction
    if forced is not None and forced.level is not None:
        forced = changed(forced, level=_held(forced.level, limits, market))
    explained = Explained((lambda: quotes.explanations, *said))
    return changed(quotes, ladder=ladder, explanations=explained, reduction=forced)


def _held(level: Level, limits: PriceLimits, market: Instrument) -> Level | None:
    """The level at a price that is taken; None where that would be worse for us."""
    low, high, price = limits.low, limits.high, level.price
    if level.side is Side.BUY and high is not None:
        price = min(price, market.floor_price(high.value, _ONE))
    if level.side is Side.SELL and low is not None:
        price = max(price, market.ceil_price(low.value, _ONE))
    if (low is not None and price < low) or (high is not None and price > high):
        return None
    if price == level.price:
        return level
    return changed(level, price=price, notional=market.notional(price, level.size))


def _missing(level: Level, limits: PriceLimits) -> Missing:
    name, limit = ("lowest", limits.low) if level.side is Side.BUY else ("highest", limits.high)
    numbers = (("wanted", str(level.price)), (name, str(limit)))
    return Missing(
        side=level.side,
        index=level.index,
        reason=MissingReason.OUTSIDE_PRICE_LIMITS,
        numbers=numbers,
    )


def _moved(wanted: Level, held: Level) -> Explanation:
    return Explanation(
        step="exchange's price limits",
        says="{wanted} is beyond what the exchange takes: {price}",
        numbers=(("wanted", wanted.price), ("price", held.price)),
        side=wanted.side,
    )

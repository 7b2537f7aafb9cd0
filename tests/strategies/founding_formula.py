"""The founding ladder as one formula, as it stood before it was taken into steps: an oracle."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mm_bot.core.exact import (
    BPS,
    NO_AMOUNT,
    NO_SIZE,
    Price,
    Size,
    add,
    clamp,
    multiply,
    round_half_even,
    subtract,
)
from mm_bot.core.instrument import Level, Margin, Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Bound, Ladder, Missing, MissingReason, View, fit
from mm_bot.core.reference import ReferenceSource


def founding_formula(given: View, policy: QuotePolicy) -> Ladder:
    """The wanted ladder around the reference price."""
    sides: dict[Side, tuple[Level, ...]] = {}
    missing: list[Missing] = []
    bounds = {side: _bounds(given, policy, side) for side in Side}
    for side in Side:
        why = _side_off(given, side)
        if why is not None:
            sides[side] = ()
            missing.append(Missing(side=side, index=None, reason=why))
            continue
        sides[side], gaps = _side_levels(given, policy, side, bounds[side])
        missing.extend(gaps)
    shift, cap = _skew(given, policy)
    return Ladder(
        bids=sides[Side.BUY],
        asks=sides[Side.SELL],
        missing=tuple(missing),
        skew_bps=round_half_even(shift, cap, 4),
        bounds=bounds,
    )


def _side_off(given: View, side: Side) -> MissingReason | None:
    if not given.mode.wants(side):
        return MissingReason.OPERATOR_MODE
    if not given.market.is_open(given.now_ms):
        return MissingReason.MARKET_CLOSED
    return None


def _side_levels(
    given: View, policy: QuotePolicy, side: Side, bounds: tuple[Bound, ...]
) -> tuple[tuple[Level, ...], list[Missing]]:
    market = given.market
    levels: list[Level] = []
    gaps: list[Missing] = []
    wanted = policy.order_size
    cut: Bound | None = None
    if given.source is ReferenceSource.EXTERNAL:
        wanted = wanted.times(policy.external_size_mult)
    for index in range(policy.levels):
        price = _level_price(given, policy, side, index)
        if price.value <= 0:
            gaps.append(Missing(side=side, index=index, reason=MissingReason.PRICE_TOO_LOW))
            break
        size, binding = fit(market, bounds, price, wanted)
        if cut is not None or not market.tradable(price, size):
            binding = binding or cut
            reason = binding.reason if binding else MissingReason.PRICE_TOO_LOW
            gaps.append(
                Missing(
                    side=side,
                    index=index,
                    reason=reason,
                    numbers=_numbers(binding, wanted, size, price),
                )
            )
            break  # what does not fit here fits no outer level either (invariant 5)
        notional = market.notional(price, size)
        levels.append(Level(side=side, index=index, price=price, size=size, notional=notional))
        bounds = tuple(
            replace(b, left=subtract(b.left, b.takes(size.value, (price * size).value)))
            for b in bounds
        )
        cut = binding
        wanted = wanted.times(policy.level_size_mult)
    return tuple(levels), gaps


def _level_price(given: View, policy: QuotePolicy, side: Side, index: int) -> Price:
    half = policy.half_spread_bps
    if given.source is ReferenceSource.EXTERNAL:
        half = multiply(half, policy.external_spread_mult)
    half = add(half, given.widening_bps)
    away = add(half, multiply(policy.level_step_bps, Decimal(index)))
    shift, cap = _skew(given, policy)
    outward = subtract(BPS, away) if side is Side.BUY else add(BPS, away)
    factor = subtract(multiply(outward, cap), shift)
    assert given.reference is not None
    numerator = multiply(given.reference.value, factor)
    denominator = multiply(BPS, cap)
    market = given.market
    floored = side is Side.BUY
    price = (market.floor_price if floored else market.ceil_price)(numerator, denominator)
    best = given.touch.get(side.opposite)
    if best is None or not side.reaches(price, best):
        return price
    tick = market.price_tick
    if floored:
        return market.floor_price((best - tick).value, Decimal(1))
    return market.ceil_price((best + tick).value, Decimal(1))


def _skew(given: View, policy: QuotePolicy) -> tuple[Decimal, Decimal]:
    """The skew as an exact fraction: (skew bps x cap, cap); cap 1 where there is no cap."""
    cap = max(abs(policy.max_long), abs(policy.max_short)).value
    if not cap:
        return Decimal(0), Decimal(1)
    assert given.holdings is not None
    inventory = clamp(given.holdings.base_total.value, -cap, cap)
    return multiply(inventory, policy.skew_bps), cap


def _bounds(given: View, policy: QuotePolicy, side: Side) -> tuple[Bound, ...]:
    market, holdings = given.market, given.holdings
    assert holdings is not None
    resting_size, resting_notional = given.resting.get(side, (NO_SIZE, NO_AMOUNT))
    bounds = []
    if market.margin is not Margin.FUNDED:
        per = multiply(market.multiplier, market.margin_rate)
        if per:
            cash, priced = holdings.quote_available.value, market.margin is Margin.QUOTE
            bounds.append(
                Bound(reason=MissingReason.QUOTE_BALANCE, left=cash, per=per, priced=priced)
            )
    elif side is Side.BUY:
        left = holdings.quote_available.value
        bounds.append(Bound(reason=MissingReason.QUOTE_BALANCE, left=left, priced=True))
    else:
        left = holdings.base_available.value
        bounds.append(Bound(reason=MissingReason.BASE_BALANCE, left=left))
    if policy.max_notional_per_side is not None:
        room = policy.max_notional_per_side - resting_notional
        bounds.append(
            Bound(
                reason=MissingReason.NOTIONAL_LIMIT,
                left=room.value,
                per=market.multiplier,
                priced=True,
            )
        )
    inventory = holdings.base_total
    head = policy.max_long - inventory if side is Side.BUY else inventory - policy.max_short
    headroom = (head - resting_size).value
    bounds.append(Bound(reason=MissingReason.INVENTORY_LIMIT, left=headroom))
    return tuple(bounds)


def _numbers(
    binding: Bound | None, wanted: Size, size: Size, price: Price
) -> tuple[tuple[str, str], ...]:
    numbers = [("wanted_size", str(wanted)), ("allowed_size", str(size)), ("price", str(price))]
    if binding is not None:
        numbers.append(("left", str(Size(binding.left))))
    return tuple(numbers)

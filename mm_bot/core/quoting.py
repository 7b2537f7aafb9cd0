"""Reference, inventory and capacity in; the wanted `Ladder` out, with a reason per missing side.

Entry point: `quote`. Formula and bounds: behaviour.md section 4.

Invariants (property tests cite the numbers):
1. Bids are floored and asks are ceiled to the tick: rounding is never worse for us.
2. Own bid < own ask.
3. No level crosses or touches the best opposite order that is not managed by us.
4. Per side the levels stay within capacity, notional limit and inventory headroom together.
5. Bounds are used up from the best level outwards: a level is cut only where all outer ones are
   gone or cut.
6. A side is quoted, or it has a reason from `MissingReason` with the numbers that bound it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from mm_bot.core.balances import Funds
from mm_bot.core.exact import (
    BPS,
    NO_SIZE,
    Amount,
    Price,
    Size,
    add,
    clamp,
    floor_to_step,
    multiply,
    round_half_even,
    subtract,
)
from mm_bot.core.instrument import Instrument, Level, Margin, Side
from mm_bot.core.policy import OperatorMode, QuotePolicy


class MissingReason(Enum):
    """Why a wanted level is not resting."""

    OPERATOR_MODE = "operator_mode"
    HALTED = "halted"
    MARKET_CLOSED = "market_closed"
    BASE_BALANCE = "available_base_balance"
    QUOTE_BALANCE = "available_quote_balance"
    NOTIONAL_LIMIT = "notional_limit"
    INVENTORY_LIMIT = "inventory_limit"
    PRICE_TOO_LOW = "price_below_one_tick"
    AWAITING_EVIDENCE = "awaiting_evidence"
    OWN_ORDER_IN_THE_WAY = "own_order_in_the_way"
    REFUSED_RECENTLY = "refused_recently"
    BALANCES_BEHIND_FILLS = "balances_behind_fills"
    ORDERS_UNREAD = "orders_unread"
    CANCEL_PENDING = "cancel_pending"
    CROSSED_BY_OTHERS = "crossed_by_others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A level (or with `index` None a whole side) that is not quoted, and why."""

    side: Side
    index: int | None
    reason: MissingReason
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteInput:
    """Everything `quote` looks at beside the policy."""

    market: Instrument
    now_ms: int
    mode: OperatorMode
    reference: Price
    widened: bool
    """The reference is the external bootstrap anchor: wider and smaller."""
    widening_bps: Decimal = Decimal(0)
    """Added to the half-spread: how much the sources of the reference disagree."""
    funds: Funds
    walls: Mapping[Side, Price]
    """Best resting price a side of everything that is not managed by us, but for takers who are
    about to trade with a quote of ours."""
    resting: Mapping[Side, tuple[Size, Amount]]
    """Size and cNGN a side of own orders here that are not managed by us: they count in limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """What we want to rest, best first a side."""

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    missing: tuple[Missing, ...] = ()
    skew_bps: Decimal = Decimal(0)
    """Shift of both sides; positive moves quotes down. Rounded to 0.0001 for display."""
    bounds: Mapping[Side, tuple[Bound, ...]] | None = None
    """What limited each side at its start, for the status and `why` output."""

    def side(self, side: Side) -> tuple[Level, ...]:
        return self.bids if side is Side.BUY else self.asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit on the sum of one side: `left` of something of which one unit of size takes `per`
    (times the price where `priced`)."""

    reason: MissingReason
    left: Decimal
    per: Decimal = Decimal(1)
    priced: bool = False

    def largest(self, price: Price, step: Decimal) -> Decimal:
        """The largest size on `step` that still fits."""
        if self.left <= 0:
            return Decimal(0)
        return floor_to_step(self.left, self._unit(price), step)

    def used(self, price: Price, size: Size) -> Bound:
        return replace(self, left=subtract(self.left, self.takes(price, size)))

    def takes(self, price: Price, size: Size) -> Decimal:
        """How much of `left` an order of that price and size uses."""
        return multiply(self._unit(price), size.value)

    def _unit(self, price: Price) -> Decimal:
        return multiply(self.per, price.value) if self.priced else self.per


def quote(given: QuoteInput, policy: QuotePolicy) -> Ladder:
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


def _side_off(given: QuoteInput, side: Side) -> MissingReason | None:
    if not given.mode.wants(side):
        return MissingReason.OPERATOR_MODE
    if not given.market.is_open(given.now_ms):
        return MissingReason.MARKET_CLOSED
    return None


def _side_levels(
    given: QuoteInput, policy: QuotePolicy, side: Side, bounds: tuple[Bound, ...]
) -> tuple[tuple[Level, ...], list[Missing]]:
    market = given.market
    levels: list[Level] = []
    gaps: list[Missing] = []
    wanted = policy.order_size
    if given.widened:
        wanted = wanted.times(policy.external_size_mult)
    for index in range(policy.levels):
        price = _level_price(given, policy, side, index)
        if price.value <= 0:
            gaps.append(Missing(side=side, index=index, reason=MissingReason.PRICE_TOO_LOW))
            break
        size, binding = fit(market, bounds, price, wanted)
        if not market.tradable(price, size):
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
        bounds = tuple(bound.used(price, size) for bound in bounds)
        wanted = wanted.times(policy.level_size_mult)
    return tuple(levels), gaps


def fit(
    market: Instrument, bounds: tuple[Bound, ...], price: Price, wanted: Size
) -> tuple[Size, Bound | None]:
    """As much of `wanted` as the bounds leave, on the lot, and the bound that cut it, if any."""
    step = market.size_step.value
    size, binding = wanted, None
    for bound in bounds:
        largest = Size(bound.largest(price, step))
        if largest < size:
            size, binding = largest, bound
    return market.floor_size(size), binding


def _level_price(given: QuoteInput, policy: QuotePolicy, side: Side, index: int) -> Price:
    half = policy.half_spread_bps
    if given.widened:
        half = multiply(half, policy.external_spread_mult)
    half = add(half, given.widening_bps)
    away = add(half, multiply(policy.level_step_bps, Decimal(index)))
    shift, cap = _skew(given, policy)
    outward = subtract(BPS, away) if side is Side.BUY else add(BPS, away)
    factor = subtract(multiply(outward, cap), shift)
    numerator = multiply(given.reference.value, factor)
    denominator = multiply(BPS, cap)
    market = given.market
    floored = side is Side.BUY
    price = (market.floor_price if floored else market.ceil_price)(numerator, denominator)
    wall = given.walls.get(side.opposite)
    if wall is None or not side.reaches(price, wall):
        return price
    tick = market.price_tick
    if floored:
        return market.floor_price((wall - tick).value, Decimal(1))
    return market.ceil_price((wall + tick).value, Decimal(1))


def _skew(given: QuoteInput, policy: QuotePolicy) -> tuple[Decimal, Decimal]:
    """The skew as an exact fraction: (skew bps x cap, cap); cap 1 where there is no cap."""
    cap = max(abs(policy.max_long), abs(policy.max_short)).value
    if not cap:
        return Decimal(0), Decimal(1)
    inventory = clamp(given.funds.base_total.value, -cap, cap)
    return multiply(inventory, policy.skew_bps), cap


def _bounds(given: QuoteInput, policy: QuotePolicy, side: Side) -> tuple[Bound, ...]:
    market, funds = given.market, given.funds
    resting_size, resting_notional = given.resting.get(side, (NO_SIZE, Amount(Decimal(0))))
    bounds = []
    if market.margin is not Margin.FUNDED:
        per = multiply(market.multiplier, market.margin_rate)
        if per:
            cash, priced = funds.quote_available.value, market.margin is Margin.QUOTE
            bounds.append(
                Bound(reason=MissingReason.QUOTE_BALANCE, left=cash, per=per, priced=priced)
            )
    elif side is Side.BUY:
        left = funds.quote_available.value
        bounds.append(Bound(reason=MissingReason.QUOTE_BALANCE, left=left, priced=True))
    else:
        left = funds.base_available.value
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
    inventory = funds.base_total
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

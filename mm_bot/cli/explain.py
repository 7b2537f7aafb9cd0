"""Why one side is quoted at its prices and sizes, or not: one decision, told step by step. Pure.

The numbers are recomputed with the core's own arithmetic and must come out as what `decide` chose;
`explain` says so where they do not (a test holds that they always do).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from mm_bot.core.decide import Decision
from mm_bot.core.exact import (
    BPS,
    Price,
    Size,
    add,
    clamp,
    multiply,
    plain,
    round_half_even,
    subtract,
)
from mm_bot.core.instrument import Instrument, Level, Side
from mm_bot.core.quoting import Bound
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.walls import walls
from mm_bot.observe.health_texts import GUARD_MEANS, HALT_ENDS_WHEN, MISSING_MEANS, SOURCE_MEANS


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was looked at, what came of it, and the numbers."""

    step: str
    says: str
    numbers: dict[str, str] = field(default_factory=dict)


def explain(decision: Decision, market: Instrument, side: Side) -> tuple[Step, ...]:
    """Every step from the operator's wish to the verdict."""
    steps = [*_wishes(decision, side), *_reference(decision)]
    if decision.reference.price is not None and decision.funds is not None:
        steps += [_spread(decision), _skew(decision)]
        steps += _Ladder(decision, market, side).steps()
    elif decision.funds is None:
        why = decision.snapshot.venue.balances.error or decision.snapshot.venue.orders.error
        steps.append(Step(step="balances", says=f"not known, so nothing is quoted: {why}"))
    steps += [*_plan(decision, side), *_halts(decision), _verdict(decision, side)]
    return tuple(steps)


def name(side: Side) -> str:
    return "bid" if side is Side.BUY else "ask"


def _wishes(decision: Decision, side: Side) -> Iterator[Step]:
    mode = decision.policy.mode
    wants = "quotes" if mode.wants(side) else "does not quote"
    yield Step(step="mode", says=f"{mode.value} {wants} the {name(side)}")


def _reference(decision: Decision) -> Iterator[Step]:
    found = decision.reference
    for candidate in found.candidates:
        what = SOURCE_MEANS[candidate.source]
        if candidate.price is None:
            yield Step(step=f"candidate {candidate.source.value}", says=f"no: {candidate.why_not}")
            continue
        chosen = candidate.source is found.source
        says = f"chosen: {what}" if chosen else "has a price, but an earlier one won"
        numbers = {"price": str(candidate.price)}
        yield Step(step=f"candidate {candidate.source.value}", says=says, numbers=numbers)
    price = "none" if found.price is None else str(found.price)
    yield Step(step="reference", says=f"{price} from {found.source.value}")
    limit = decision.policy.risk.anchor_deviation_bps
    if found.deviation_bps is None:
        yield Step(step="deviation", says="not compared: only one of local price and anchor exists")
        return
    inside = limit is None or found.deviation_bps <= limit
    yield Step(
        step="deviation",
        says=f"local price and anchor are {'close enough' if inside else 'too far apart'}",
        numbers={
            "local": str(found.local),
            "deviation_bps": plain(found.deviation_bps),
            "limit_bps": "off" if limit is None else plain(limit),
        },
    )


def _half_spread(decision: Decision) -> tuple[Decimal, str]:
    policy = decision.policy.quote
    half = policy.half_spread_bps
    if decision.reference.source is not ReferenceSource.EXTERNAL:
        return half, plain(half)
    wide = multiply(half, policy.external_spread_mult)
    return wide, f"{plain(half)} x {plain(policy.external_spread_mult)} (external) = {plain(wide)}"


def _spread(decision: Decision) -> Step:
    _, told = _half_spread(decision)
    step = plain(decision.policy.quote.level_step_bps)
    return Step(step="spread", says=f"half-spread {told} bps, {step} bps more for each level")


def _skew_fraction(decision: Decision) -> tuple[Decimal, Decimal]:
    """(skew bps x cap, cap), exactly as quoting has it."""
    policy = decision.policy.quote
    cap = max(abs(policy.max_long), abs(policy.max_short)).value
    if not cap:
        return Decimal(0), Decimal(1)
    assert decision.funds is not None
    inventory = clamp(decision.funds.base_total.value, -cap, cap)
    return multiply(inventory, policy.skew_bps), cap


def _skew(decision: Decision) -> Step:
    policy, funds = decision.policy.quote, decision.funds
    assert funds is not None
    shift, cap = _skew_fraction(decision)
    if not max(abs(policy.max_long), abs(policy.max_short)).value:
        return Step(step="skew", says="0: both inventory caps are 0")
    skew = plain(round_half_even(shift, cap, 4))
    way = "down" if shift > 0 else "up" if shift < 0 else "nowhere"
    return Step(
        step="skew",
        says=f"clamp({funds.base_total} / {plain(cap)}, -1, 1) x {plain(policy.skew_bps)} = {skew} "
        f"bps: moves both quotes {way}",
        numbers={"inventory": str(funds.base_total), "cap": plain(cap), "skew_bps": skew},
    )


class _Ladder:
    """Price and size of each level of one side."""

    def __init__(self, decision: Decision, market: Instrument, side: Side) -> None:
        self._decision = decision
        self._market = market
        self._side = side
        self._bounds = (decision.ladder.bounds or {}).get(side, ())

    def steps(self) -> Iterator[Step]:
        yield from (self._bound(bound) for bound in self._bounds)
        policy = self._decision.policy.quote
        wanted = policy.order_size
        if self._decision.reference.source is ReferenceSource.EXTERNAL:
            wanted = wanted.times(policy.external_size_mult)
            yield Step(step="size", says=f"x {plain(policy.external_size_mult)} (external)")
        chosen = {level.index: level for level in self._decision.ladder.side(self._side)}
        for index in range(policy.levels):
            level = chosen.get(index)
            price, step = self._price(index, level)
            yield step
            if price.value <= 0:
                return
            size, step = self._size(index, price, wanted, level)
            yield step
            if level is None:
                return
            self._bounds = tuple(bound.used(price, size) for bound in self._bounds)
            wanted = wanted.times(policy.level_size_mult)

    def _bound(self, bound: Bound) -> Step:
        per = plain(bound.per) + (" x price" if bound.priced else "")
        return Step(
            step=f"bound {bound.reason.value}",
            says=f"{plain(bound.left)} left for the whole side, {per} for each unit of size",
            numbers={"left": plain(bound.left)},
        )

    def _price(self, index: int, level: Level | None) -> tuple[Price, Step]:
        decision, market, side = self._decision, self._market, self._side
        assert decision.reference.price is not None
        ref = decision.reference.price
        half, _ = _half_spread(decision)
        away = add(half, multiply(decision.policy.quote.level_step_bps, Decimal(index)))
        shift, cap = _skew_fraction(decision)
        outward = subtract(BPS, away) if side is Side.BUY else add(BPS, away)
        numerator = multiply(ref.value, subtract(multiply(outward, cap), shift))
        to_tick = market.floor_price if side is Side.BUY else market.ceil_price
        price = to_tick(numerator, multiply(BPS, cap))
        sign, rounding = ("-", "floor") if side is Side.BUY else ("+", "ceil")
        skew = plain(round_half_even(shift, cap, 4))
        says = f"{rounding}({ref} x (1 {sign} {plain(away)} bps - {skew} bps)) = {price}"
        wall = self._wall()
        numbers = {"target": str(price), "tick": str(market.price_tick)}
        if wall is not None:
            numbers["best_opposite"] = str(wall)
            if side.reaches(price, wall):
                behind = wall - market.price_tick if side is Side.BUY else wall + market.price_tick
                price = to_tick(behind.value, Decimal(1))
                says += f"; that would reach {wall}, so one tick behind it: {price}"
            else:
                says += f"; passive, the best opposite order is {wall}"
        if level is not None and level.price != price:
            says += f"; the bot decided {level.price}"
            price = level.price
        numbers["price"] = str(price)
        return price, Step(step=f"price level {index}", says=says, numbers=numbers)

    def _wall(self) -> Price | None:
        """The best opposite order that is not ours to move."""
        decision = self._decision
        min_size = decision.policy.reference.min_size
        found = walls(decision.snapshot, decision.tracked, firm=True, min_size=min_size)
        return found.get(self._side.opposite)

    def _size(
        self, index: int, price: Price, wanted: Size, level: Level | None
    ) -> tuple[Size, Step]:
        market = self._market
        grid = market.size_step.value
        allowed = {bound.reason.value: bound.largest(price, grid) for bound in self._bounds}
        size = Size(min([wanted.value, *allowed.values()]))
        binding = [each for each, most in allowed.items() if most == size.value < wanted.value]
        size = market.floor_size(size)
        says = f"{size} of {wanted} wanted"
        if binding:
            says += f", cut by {', '.join(binding)}"
        if level is None:
            says += ": below the smallest order, so this level and all behind it fall away"
        elif level.size != size:
            says += f"; the bot decided {level.size}"
            size = level.size
        numbers = {"wanted": str(wanted), "size": str(size)}
        numbers |= {f"allowed_by_{each}": plain(most) for each, most in allowed.items()}
        return size, Step(step=f"size level {index}", says=says, numbers=numbers)


def _plan(decision: Decision, side: Side) -> Iterator[Step]:
    """What reconciliation does with what rests."""
    plan, known = decision.plan, {c.order_id: c for c in decision.tracked.commitments}

    def told(order_id: str) -> str:
        c = known.get(order_id)
        return order_id if c is None else f"{order_id} ({c.size} at {c.price})"

    for (kept_side, index), order_id in plan.kept:
        if kept_side is side:
            yield Step(step=f"order level {index}", says=f"{told(order_id)} fits and is kept")
    for held in plan.held:
        if held.slot[0] is side:
            why = GUARD_MEANS.get(held.guard, held.guard)
            says = f"{told(held.order_id)} does not fit ({held.fault}) but is held: {why}"
            yield Step(step=f"order level {held.slot[1]}", says=says)
    for cancel in plan.cancels:
        c = known.get(cancel.order_id)
        if c is None or c.side is side:
            yield Step(step="cancel", says=f"{told(cancel.order_id)} goes: {cancel.reason}")
    for place in plan.places:
        if place.level.side is side:
            says = f"{place.level.size} at {place.level.price}"
            if place.after:
                says += f", once {', '.join(place.after)} is gone"
            yield Step(step=f"place level {place.level.index}", says=says)


def _halts(decision: Decision) -> Iterator[Step]:
    if not decision.halts:
        yield Step(step="halts", says="none")
    for halt in decision.halts:
        yield Step(
            step="halt",
            says=f"{halt.reason.value}; ends when {HALT_ENDS_WHEN[halt.reason]}",
            numbers=dict(halt.numbers),
        )


def _verdict(decision: Decision, side: Side) -> Step:
    if decision.halts:
        return Step(step="verdict", says=f"no {name(side)}: halted")
    levels = decision.ladder.side(side)
    gaps = [gap for gap in decision.missing if gap.side is side]
    quoted = ", ".join(f"{level.size} at {level.price}" for level in levels)
    why = "; ".join(
        f"{gap.reason.value}, {MISSING_MEANS[gap.reason]}"
        + (f" ({', '.join(f'{n} {v}' for n, v in gap.numbers)})" if gap.numbers else "")
        for gap in gaps
    )
    if not levels:
        return Step(step="verdict", says=f"no {name(side)}: {why or 'nothing to quote from'}")
    rest = f"; not all of it: {why}" if why else ""
    return Step(step="verdict", says=f"{name(side)} {quoted}{rest}")

"""The founding ladder: half-spread, skew by inventory, levels, bounds (behaviour.md section 4).

`ref x (1 -/+ (half + k x step) - skew)`, bids floored and asks ceiled to the tick, moved behind
what would be taken, cut to what capacity and limits leave. Its two special cases, the bootstrap
anchor and sources that disagree, are steps like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    subtract,
)
from mm_bot.core.instrument import Level, Margin, Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Bound, Missing, MissingReason, View, fit
from mm_bot.core.reference import ReferenceSource
from mm_bot.strategies.draft import Draft, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap(Step):
    """The external bootstrap anchor as reference: wider and smaller."""

    name = "bootstrap"
    spread_mult: Decimal
    size_mult: Decimal

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        if view.source is not ReferenceSource.EXTERNAL:
            return draft
        half = {side: multiply(bps, self.spread_mult) for side, bps in draft.half_bps.items()}
        sizes = tuple(size.times(self.size_mult) for size in draft.sizes)
        return replace(draft, half_bps=half, sizes=sizes).says(
            self.name,
            "external anchor: half-spread {from_bps} x {spread_mult} = {half_bps} bps, size x "
            "{size_mult} = {size}",
            from_bps=draft.half_bps[Side.BUY],
            spread_mult=self.spread_mult,
            half_bps=half[Side.BUY],
            size_mult=self.size_mult,
            size=sizes[0],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement(Step):
    """As much wider as the sources of the reference disagree."""

    name = "widening"

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        if not view.widening_bps:
            return draft
        half = {side: add(bps, view.widening_bps) for side, bps in draft.half_bps.items()}
        return replace(draft, half_bps=half).says(
            self.name,
            "half-spread {from_bps} + {widening_bps} (sources disagree) = {half_bps} bps",
            from_bps=draft.half_bps[Side.BUY],
            widening_bps=view.widening_bps,
            half_bps=half[Side.BUY],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InventorySkew(Step):
    """Both quotes move down when long, up when short: `inventory / cap` of the full skew."""

    name = "skew"
    skew_bps: Decimal
    max_long: Size
    max_short: Size

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert view.funds is not None, "asked only with balances"
        cap = max(abs(self.max_long), abs(self.max_short)).value
        if not cap:
            return draft.says(self.name, "0: both inventory caps are 0", skew_bps=Decimal(0))
        inventory = clamp(view.funds.base_total.value, -cap, cap)
        draft = replace(draft, shift=multiply(inventory, self.skew_bps), shift_per=cap)
        return draft.says(
            self.name,
            "clamp({inventory} / {cap}, -1, 1) x {full_bps} = {skew_bps} bps: moves both quotes "
            + _way(draft.shift),
            inventory=view.funds.base_total,
            cap=cap,
            full_bps=self.skew_bps,
            skew_bps=draft.shift_bps,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread(Step):
    """Says from what width the prices are made."""

    name = "spread"

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        return draft.says(
            self.name,
            "half-spread {half_bps} bps, {step_bps} bps more for each level",
            half_bps=draft.half_bps[Side.BUY],
            step_bps=draft.step_bps,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices(Step):
    """The price of each level, on the tick (invariant 1)."""

    name = "price"

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        prices = {}
        denominator = multiply(BPS, draft.shift_per)
        for side in Side:
            found = []
            for index in range(draft.levels):
                away = add(draft.half_bps[side], multiply(draft.step_bps, Decimal(index)))
                outward = subtract(BPS, away) if side is Side.BUY else add(BPS, away)
                factor = subtract(multiply(outward, draft.shift_per), draft.shift)
                numerator = multiply(draft.reference.value, factor)
                price = on_tick(view, side, numerator, denominator)
                found.append(price)
                draft = draft.says(
                    f"price level {index}",
                    _FORMULA[side],
                    side,
                    reference=draft.reference,
                    away_bps=away,
                    skew_bps=draft.shift_bps,
                    price=price,
                )
            prices[side] = tuple(found)
        return replace(draft, prices=prices)


_FORMULA = {
    Side.BUY: "floor({reference} x (1 - {away_bps} bps - {skew_bps} bps)) = {price}",
    Side.SELL: "ceil({reference} x (1 + {away_bps} bps - {skew_bps} bps)) = {price}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passive(Step):
    """What would take goes one tick behind what it would take (invariant 3)."""

    name = "passive"

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        tick = view.market.price_tick
        prices = dict(draft.prices)
        for side in Side:
            wall = view.walls.get(side.opposite)
            if wall is None:
                continue
            behind = wall - tick if side is Side.BUY else wall + tick
            moved = on_tick(view, side, behind.value, Decimal(1))
            found = []
            for index, price in enumerate(draft.prices[side]):
                if side.reaches(price, wall):
                    draft = draft.says(
                        f"passive level {index}",
                        "{from_price} would reach {best_opposite}, so one tick behind it: {price}",
                        side,
                        from_price=price,
                        best_opposite=wall,
                        price=moved,
                    )
                    price = moved
                found.append(price)
            prices[side] = tuple(found)
        return replace(draft, prices=prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds(Step):
    """What limits the sum of each side."""

    name = "bound"
    policy: QuotePolicy

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        bounds = {side: self._side(view, side) + draft.bounds.get(side, ()) for side in Side}
        for side, found in bounds.items():
            for bound in found:
                draft = draft.says(
                    f"bound {bound.reason.value}",
                    "{left} left for the whole side, {per} "
                    + ("x price " if bound.priced else "")
                    + "for each unit of size",
                    side,
                    left=bound.left,
                    per=bound.per,
                )
        return replace(draft, bounds=bounds)

    def _side(self, view: View, side: Side) -> tuple[Bound, ...]:
        market, funds, policy = view.market, view.funds, self.policy
        assert funds is not None, "asked only with balances"
        resting_size, resting_notional = view.resting.get(side, (NO_SIZE, NO_AMOUNT))
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
        if side is Side.BUY:
            head = policy.max_long - funds.base_highest
        else:
            head = funds.base_lowest - policy.max_short
        headroom = (head - resting_size).value
        bounds.append(Bound(reason=MissingReason.INVENTORY_LIMIT, left=headroom))
        return tuple(bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes(Step):
    """The levels: each as large as wanted or as the bounds leave, from the best outwards
    (invariants 4, 5 and 6)."""

    name = "size"

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        ladder: dict[Side, tuple[Level, ...]] = {}
        for side in Side:
            reason = _side_off(view, side)
            if reason is not None:
                draft = draft.without(side, Missing(side=side, index=None, reason=reason))
            if side in draft.off:
                ladder[side] = ()
                off = draft.off[side]
                draft = draft.says(self.name, f"side not quoted: {off.reason.value}", side)
            else:
                draft, ladder[side] = self._side(view, draft, side)
        return replace(draft, ladder=ladder)

    def _side(self, view: View, draft: Draft, side: Side) -> tuple[Draft, tuple[Level, ...]]:
        market, bounds = view.market, draft.bounds[side]
        levels: list[Level] = []
        for index, price in enumerate(draft.prices[side]):
            wanted = draft.sizes[index]
            gap = Missing(side=side, index=index, reason=MissingReason.PRICE_TOO_LOW)
            if price.value <= 0:
                draft = draft.says(f"size level {index}", "no price, no order", side, price=price)
                return replace(draft, gaps=(*draft.gaps, gap)), tuple(levels)
            size, binding = fit(market, bounds, price, wanted)
            fits = market.tradable(price, size)
            draft = draft.says(
                f"size level {index}",
                "{size} of {wanted} wanted"
                + (f", cut by {binding.reason.value}" if binding else "")
                + (_TOO_SMALL if not fits else ""),
                side,
                size=size,
                wanted=wanted,
                price=price,
            )
            if not fits:
                # what does not fit here fits no outer level either (invariant 5)
                reason = binding.reason if binding else MissingReason.PRICE_TOO_LOW
                gap = replace(gap, reason=reason, numbers=_numbers(binding, wanted, size, price))
                return replace(draft, gaps=(*draft.gaps, gap)), tuple(levels)
            notional = market.notional(price, size)
            levels.append(Level(side=side, index=index, price=price, size=size, notional=notional))
            bounds = tuple(bound.used(price, size) for bound in bounds)
        return draft, tuple(levels)


_TOO_SMALL = ": below the smallest order, so this level and all behind it fall away"


def on_tick(view: View, side: Side, numerator: Decimal, denominator: Decimal) -> Price:
    """Bids floored and asks ceiled to the tick."""
    to_tick = view.market.floor_price if side is Side.BUY else view.market.ceil_price
    return to_tick(numerator, denominator)


def _way(shift: Decimal) -> str:
    return "down" if shift > 0 else "up" if shift < 0 else "nowhere"


def _side_off(view: View, side: Side) -> MissingReason | None:
    if not view.mode.wants(side):
        return MissingReason.OPERATOR_MODE
    if not view.market.is_open(view.now_ms):
        return MissingReason.MARKET_CLOSED
    return None


def _numbers(
    binding: Bound | None, wanted: Size, size: Size, price: Price
) -> tuple[tuple[str, str], ...]:
    numbers = [("wanted_size", str(wanted)), ("allowed_size", str(size)), ("price", str(price))]
    if binding is not None:
        numbers.append(("left", str(Size(binding.left))))
    return tuple(numbers)

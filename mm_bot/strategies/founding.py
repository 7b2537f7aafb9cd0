"""The founding ladder: half-spread, skew by inventory, levels, bounds (behaviour.md section 4).

`ref x (1 -/+ (half + k x step) - skew)`, bids floored and asks ceiled to the tick, moved behind
what would be taken, cut to what capacity and limits leave. Its two special cases, the bootstrap
anchor and sources that disagree, are steps like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.again import again
from mm_bot.core.changed import changed
from mm_bot.core.exact import (
    BPS,
    Price,
    Size,
    add,
    clamp,
    multiply,
    subtract,
)
from mm_bot.core.explained import Explanation, said
from mm_bot.core.instrument import BOTH, Instrument, Side
from mm_bot.core.quoting import View
from mm_bot.core.reference import ReferenceSource
from mm_bot.strategies.draft import Draft, Step, on_tick, skew_bps

_NONE = Decimal(0)


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
        factor = {side: multiply(f, self.size_mult) for side, f in draft.size_factor.items()}
        return changed(draft, half_bps=half, size_factor=factor).says(
            self.name,
            "external anchor: half-spread {from_bps} x {spread_mult} = {half_bps} bps, sizes x "
            "{size_mult}",
            from_bps=draft.half_bps[Side.BUY],
            spread_mult=self.spread_mult,
            half_bps=half[Side.BUY],
            size_mult=self.size_mult,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement(Step):
    """As much wider as the sources of the reference disagree."""

    name = "widening"

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        if not view.widening_bps:
            return draft
        half = {side: add(bps, view.widening_bps) for side, bps in draft.half_bps.items()}
        return changed(draft, half_bps=half).says(
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
        assert view.holdings is not None, "asked only with balances"
        cap = max(abs(self.max_long), abs(self.max_short)).value
        if not cap:
            return draft.says(self.name, "0: both inventory caps are 0", skew_bps=Decimal(0))
        held = view.holdings.base_total
        shift = multiply(clamp(held.value, -cap, cap), self.skew_bps)
        said = (*draft.said, lambda: self._said(shift, cap, held))
        return changed(draft, shift=shift, shift_per=cap, said=said)

    def _said(self, shift: Decimal, cap: Decimal, held: Size) -> Iterator[Explanation]:
        yield said(
            self.name,
            "clamp({inventory} / {cap}, -1, 1) x {full_bps} = {skew_bps} bps: moves both quotes "
            + _way(shift),
            inventory=held,
            cap=cap,
            full_bps=self.skew_bps,
            skew_bps=skew_bps(shift, cap),
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
        skew = draft.shift, draft.shift_per
        more = draft.step_bps, skew, draft.levels
        prices = {
            side: _spaced(view.market, side, draft.reference, draft.half_bps[side], *more)
            for side in BOTH
        }
        return changed(draft, prices=prices, said=(*draft.said, lambda: _prices(draft, prices)))


@again(len(Side))
def _spaced(
    market: Instrument,
    side: Side,
    reference: Price,
    half_bps: Decimal,
    step_bps: Decimal,
    skew: tuple[Decimal, Decimal],
    levels: int,
) -> tuple[Price, ...]:
    """Best first; `skew` is the draft's shift as a fraction."""
    shift, shift_per = skew
    further = subtract if side is Side.BUY else add
    denominator = multiply(BPS, shift_per)
    step = multiply(reference.value, multiply(step_bps, shift_per))
    factor = subtract(multiply(further(BPS, half_bps), shift_per), shift)
    first, each = multiply(reference.value, factor), further(_NONE, step)
    return market.prices(side, first, each, levels, denominator)


def _prices(draft: Draft, prices: Mapping[Side, tuple[Price, ...]]) -> Iterator[Explanation]:
    for side in BOTH:
        for index, price in enumerate(prices[side]):
            away = add(draft.half_bps[side], multiply(draft.step_bps, Decimal(index)))
            yield said(
                f"price level {index}",
                _FORMULA[side],
                side,
                reference=draft.reference,
                away_bps=away,
                skew_bps=draft.shift_bps,
                price=price,
            )


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
        for side in BOTH:
            best = view.touch.get(side.opposite)
            if best is None:
                continue
            nearest = min(draft.prices[side], key=side.best_first, default=None)
            if nearest is None or not side.reaches(nearest, best):
                continue
            behind = best - tick if side is Side.BUY else best + tick
            moved = on_tick(view, side, behind.value, Decimal(1))
            found = []
            for index, price in enumerate(draft.prices[side]):
                if side.reaches(price, best):
                    draft = draft.says(
                        f"passive level {index}",
                        "{from_price} would reach {best_opposite}, so one tick behind it: {price}",
                        side,
                        from_price=price,
                        best_opposite=best,
                        price=moved,
                    )
                    price = moved
                found.append(price)
            draft = changed(draft, prices={**draft.prices, side: tuple(found)})
        return draft


def _way(shift: Decimal) -> str:
    return "down" if shift > 0 else "up" if shift < 0 else "nowhere"

"""The draft of a ladder that steps shape one after the other, and what a `Step` is.

A step sees the draft as the steps before it left it, changes what it is about, and says so. Exact
numbers only; a statistic crosses into them once, quantised outwards (`statistics.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from mm_bot.core.changed import changed
from mm_bot.core.declared import Declared, Measure, MeasureKind, StepReason
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Price, Size, round_half_even
from mm_bot.core.explained import Explanation, Number, Told, said, said_later
from mm_bot.core.instrument import Level, Side
from mm_bot.core.quoting import NONE_HANGS, Bound, Hanging, Missing, Reduction, View
from mm_bot.core.reference import reaches
from mm_bot.core.risk import Halt

ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the steps work on. Basis points are of the reference."""

    reference: Price
    half_bps: Mapping[Side, Decimal]
    """From the reference to the best level of that side."""
    step_bps: Decimal
    """From one level to the next."""
    levels: int
    shift: Decimal = Decimal(0)
    """Moves both sides, down where positive: `shift / shift_per` basis points, an exact fraction.
    """
    shift_per: Decimal = ONE
    sizes: Mapping[Side, tuple[Size, ...]]
    """What each level should have, best first, before the factor."""
    size_factor: Mapping[Side, Decimal]
    no_size: StepReason | None = None
    """Why a level is missing that the factors leave nothing of; None where they are no skew."""
    prices: Mapping[Side, tuple[Price, ...]] = field(default_factory=dict)
    """Best first; on the grid."""
    bounds: Mapping[Side, tuple[Bound, ...]] = field(default_factory=dict)
    off: Mapping[Side, Missing] = field(default_factory=dict)
    """Sides that are not quoted at all."""
    ladder: Mapping[Side, tuple[Level, ...]] = field(default_factory=dict)
    gaps: tuple[Missing, ...] = ()
    hanging: Hanging = NONE_HANGS
    said: tuple[Told, ...] = ()
    lasting: tuple[Explanation, ...] = ()

    @property
    def shift_bps(self) -> Decimal:
        """For people, see `skew_bps`."""
        return skew_bps(self.shift, self.shift_per)

    def wanted(self, side: Side) -> tuple[Size, ...]:
        """What each level should have, if nothing bounds it."""
        sizes, factor = self.sizes[side], self.size_factor[side]
        return sizes if factor == ONE else tuple([size.times(factor) for size in sizes])

    def says(
        self,
        step: str,
        sentence: str,
        side: Side | None = None,
        *,
        lasting: bool = False,
        **numbers: Number,
    ) -> Draft:
        """The draft with one more explanation, see `Explanation.says`; what is `lasting` the log
        tells when it begins and when it ends."""
        if not lasting:
            return changed(self, said=self.told(step, sentence, side, **numbers))
        more = said(step, sentence, side, **numbers)
        return changed(self, said=(*self.said, more), lasting=(*self.lasting, more))

    def told(
        self, step: str, sentence: str, side: Side | None = None, **numbers: Number
    ) -> tuple[Told, ...]:
        """What was said and one explanation more, for a change that is explained by it."""
        return (*self.said, partial(said_later, step, sentence, side, numbers))

    def moved(
        self, side: Side, target: Price, step: str, sentence: str, **numbers: Number
    ) -> Draft:
        """The draft with all prices of that side moved by as much, its best to `target`, and why:
        the sentence may name `price`, and `from_price`, the best before."""
        best, *_ = prices = self.prices[side]
        moved = tuple(target + (price - best) for price in prices)
        said = self.told(step, sentence, side, **numbers, price=target, from_price=best)
        return changed(self, prices={**self.prices, side: moved}, said=said)

    def without(self, side: Side, why: Missing) -> Draft:
        """The draft with that side withdrawn; the first reason wins."""
        return self if side in self.off else changed(self, off={**self.off, side: why})


def skew_bps(shift: Decimal, shift_per: Decimal) -> Decimal:
    """A draft's shift for people: rounded to 0.0001."""
    return round_half_even(shift, shift_per, 4)


SIDES = tuple(side.value for side in Side)
"""The values of a label `side`."""


GUARD_ACTIVE = "mm_bot_guard_active"


def guard_active(guard: str) -> MeasureKind:
    """The gauge of a step that takes sides away for a while; its labels are guard and side."""
    return MeasureKind(
        name=GUARD_ACTIVE,
        help="1 while a guard takes that side away, else 0.",
        labels={"guard": (guard,), "side": SIDES},
        off=Decimal(0),
    )


class Step:
    """One step. A subclass overrides what it needs; its settings are its own frozen fields."""

    name = ""
    """Under which it explains itself and keeps its state."""
    measured: tuple[MeasureKind, ...] = ()
    """What its `measures` are: gauges that are there with every label from the first scrape on."""
    reasons: tuple[StepReason, ...] = ()
    """Why it may take a level or a side away."""
    durable = False
    """Whether a change of what it saves must be on disk before it is reported."""

    state: type | None = None
    """The class of its state; None where it keeps none."""

    @classmethod
    def declared(cls) -> Declared:
        """What it may tell beside the draft."""
        return Declared(measures=cls.measured, reasons=cls.reasons)

    def begin(self, saved: object, now_ms: int) -> object:
        """The state of a process's first cycle; `saved` is what `save` gave, None without."""
        return None

    def look(self, view: View, state: object) -> object:
        """The state after this cycle's world; asked in every cycle, with a reference or without."""
        return state

    def halts(self, view: View, state: object) -> tuple[Halt, ...]:
        """Why nothing may rest."""
        return ()

    def reduction(self, view: View, state: object) -> Reduction | None:
        """A forced way out while it halts for the inventory."""
        return None

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        """The draft as this step wants it; asked where there are a reference and balances."""
        return draft

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        """Its numbers for the metrics; every label in every cycle."""
        return ()

    def save(self, state: object) -> object:
        """What of the state survives a restart, as a JSON value; None is nothing."""
        return None


def too_far_ahead(saved_ms: int, now_ms: int) -> str:
    """Why a saved end is not believed; a step adds it to what it halts with."""
    return (
        f"the state file says until {saved_ms}, {saved_ms - now_ms} ms ahead of this clock: no "
        "pause is that long, so it is counted from the start; set the clock by NTP"
    )


Best = tuple[Price, Size]
"""A best price, and all that is there."""


def best_of(view: View, side: Side, least: Size = NO_SIZE) -> Best | None:
    """Of others: the best price at which one order has that size; None where none has."""
    orders = view.others.get(side, ())
    lot = view.market.notional_step or NO_AMOUNT
    best = next((o.price for o in orders if reaches(o.size, o.price, least, lot)), None)
    if best is None:
        return None
    return best, sum((o.size for o in orders if o.price == best), NO_SIZE)


def on_tick(view: View, side: Side, numerator: Decimal, denominator: Decimal) -> Price:
    """Bids floored and asks ceiled to the tick."""
    to_tick = view.market.floor_price if side is Side.BUY else view.market.ceil_price
    return to_tick(numerator, denominator)

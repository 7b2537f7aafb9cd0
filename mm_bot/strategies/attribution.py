"""Where the result comes from: spread captured, what the inventory earned, adverse selection, fees.

Between two marks of the reference, exactly: a fill captures `s (m - p) v` from the mark before it,
and the position after it earns `q (m' - m)`. Captured plus inventory less fees is the change of
`cash + position x m`; that is asserted whenever it is told. Adverse selection is the part of the
inventory's that the reference moved within `MM_PNL_ADVERSE_SECONDS` of each fill, `s (m' - m) v`;
fills for which no fresh enough reference tells it are counted, never taken as zero.

State: the last mark, the sums, and the fills that still wait. The sums survive a restart, as of the
last fill: from there on the position has not changed, so they go on exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from mm_bot.core.changed import changed, made_directly
from mm_bot.core.declared import Measure, MeasureKind
from mm_bot.core.exact import NO_AMOUNT, Amount, Price, exact
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.strategies.draft import Step
from mm_bot.strategies.markouts import Hit, Mark, hit, marked, price_after
from mm_bot.strategies.options import Feature, Option, Options, Place, Sort

_ON, _HORIZON = "MM_PNL_ATTRIBUTION", "MM_PNL_ADVERSE_SECONDS"
WAITING = 500
"""Most fills that wait for their horizon; the adverse part of older ones is unknown."""


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Amounts are of the quote, since the books began or the feature was switched on."""

    mark: Price | None = None
    worth_at_start: Amount = NO_AMOUNT
    worth: Amount = NO_AMOUNT
    """Cash + position x mark, of the totals."""
    captured: Amount = NO_AMOUNT
    inventory: Amount = NO_AMOUNT
    fees_at_start: Amount = NO_AMOUNT
    fees: Amount = NO_AMOUNT
    """Of the totals, all of them."""
    adverse: Amount = NO_AMOUNT
    unknown: int = 0
    """Fills whose adverse part nobody can tell."""
    waiting: tuple[Hit, ...] = ()
    """The price of each is the mark before it."""
    seen: Mark | None = None
    """The reference of the last cycle, by its own time and source."""
    at_last_fill: tuple[str, ...] = ()
    """What is saved."""

    def stepped(self, step_ms: int) -> Attribution:
        seen = None if self.seen is None else self.seen.stepped(step_ms)
        return changed(self, seen=seen, waiting=tuple(one.stepped(step_ms) for one in self.waiting))

    @property
    def paid(self) -> Amount:
        return self.fees - self.fees_at_start

    @property
    def total(self) -> Amount:
        """By what the books say; equals captured + inventory - paid."""
        total = self.worth - self.worth_at_start
        parts = self.captured + self.inventory - self.paid
        assert total == parts, f"{self}: the parts are not the whole"
        return total


PNL = MeasureKind(
    name="mm_bot_pnl_attribution",
    help="Result of trading by what made it, in the quote: the total is spread_capture + "
    "inventory + fees; adverse_selection is a part of the inventory's.",
    labels={"part": ("total", "spread_capture", "inventory", "adverse_selection", "fees")},
)
UNKNOWN_FILLS = MeasureKind(
    name="mm_bot_pnl_adverse_unknown_fills",
    help="Fills whose adverse selection is unknown: no reference was fresh enough.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PnlAttribution(Step):
    name = "attribution"
    state = Attribution
    measured = (PNL, UNKNOWN_FILLS)

    horizon_ms: int

    def begin(self, saved: object, now_ms: int) -> Attribution:
        return _loaded(saved)

    def look(self, view: View, state: object) -> Attribution:
        assert isinstance(state, Attribution)
        mark = view.reference if view.reference is not None else state.mark
        if mark is None:
            return state
        worth, fees = _worth(view, mark), view.fill_totals.fees
        if state.mark is None:
            state = Attribution(
                mark=mark, worth_at_start=worth, worth=worth, fees_at_start=fees, fees=fees
            )
            return changed(state, seen=marked(view, state.seen), at_last_fill=_texts(state))
        before, at_old_mark = state.mark, _worth(view, state.mark)
        filled = state.fees != fees or at_old_mark != state.worth or bool(view.fills)
        waiting, lost = self._waiting(view, state, before) if view.fills else (state.waiting, 0)
        now = marked(view, state.seen)
        waiting, adverse, unknown = self._told(view, waiting, state.seen, now)
        state = Attribution(
            mark=mark,
            worth_at_start=state.worth_at_start,
            worth=worth,
            # what the fills since changed at the mark before them: s (m - p) v for each
            captured=state.captured + (at_old_mark - state.worth) + (fees - state.fees)
            if filled
            else state.captured,
            inventory=state.inventory + (worth - at_old_mark),
            fees_at_start=state.fees_at_start,
            fees=fees,
            adverse=state.adverse + adverse,
            unknown=state.unknown + lost + unknown,
            waiting=waiting,
            seen=now,
            at_last_fill=state.at_last_fill,
        )
        return changed(state, at_last_fill=_texts(state)) if filled else state

    def _waiting(
        self, view: View, state: Attribution, before: Price
    ) -> tuple[tuple[Hit, ...], int]:
        """Those that wait, with the new fills, and how many were forgotten for them."""
        new = tuple(hit(fill, view, before) for fill in view.fills)
        waiting = (*state.waiting, *new)
        lost = max(0, len(waiting) - WAITING)
        return waiting[lost:], lost

    def _told(
        self, view: View, waiting: tuple[Hit, ...], before: Mark | None, now: Mark | None
    ) -> tuple[tuple[Hit, ...], Amount, int]:
        """Those that wait still; and of every fill whose horizon is over what the reference did to
        it within, or that nobody can tell."""
        adverse, unknown, left = NO_AMOUNT, 0, []
        for one in waiting:
            if view.now_ms < one.at_ms + self.horizon_ms:
                left.append(one)
                continue
            price = price_after(one, self.horizon_ms, before, now)
            if price is None:
                unknown += 1
                continue
            moved = Amount((price - one.price).value).times(Decimal(one.side.sign))
            adverse += moved.times(one.size).times(view.market.multiplier)
        return tuple(left), adverse, unknown

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, Attribution)
        amounts = (state.total, state.captured, state.inventory, state.adverse, -state.paid)
        return (
            *(
                Measure(name=PNL.name, labels=(part,), value=amount.value)
                for part, amount in zip(PNL.labels["part"], amounts, strict=True)
            ),
            Measure(name=UNKNOWN_FILLS.name, value=Decimal(state.unknown)),
        )

    def save(self, state: object) -> object:
        assert isinstance(state, Attribution)
        return list(state.at_last_fill) or None


def _worth(view: View, mark: Price) -> Amount:
    held = (mark * view.fill_totals.position).times(view.market.multiplier)
    return view.fill_totals.cash + held


def _texts(state: Attribution) -> tuple[str, ...]:
    amounts = (
        state.worth_at_start,
        state.worth,
        state.captured,
        state.inventory,
        state.fees_at_start,
        state.fees,
        state.adverse,
    )
    # those that wait are not saved: after a restart their adverse part is unknown
    unknown = str(state.unknown + len(state.waiting))
    return (str(state.mark), *(str(amount) for amount in amounts), unknown)


def _loaded(saved: object) -> Attribution:
    """What `_texts` gave, or nothing where it is not that."""
    try:
        assert isinstance(saved, list), "not ours"
        mark, *amounts, unknown = saved
        at_start, worth, captured, inventory, fees_at_start, fees, adverse = (
            Amount(exact(text)) for text in amounts
        )
        state = Attribution(
            mark=Price(exact(mark)),
            worth_at_start=at_start,
            worth=worth,
            captured=captured,
            inventory=inventory,
            fees_at_start=fees_at_start,
            fees=fees,
            adverse=adverse,
            unknown=int(unknown),
            at_last_fill=tuple(str(each) for each in saved),
        )
        assert state.total is not None, "the parts are the whole"
    except (AssertionError, TypeError, ValueError, InvalidOperation):
        return Attribution()
    return state


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    if not options.switch(_ON):
        return None
    return PnlAttribution(horizon_ms=options.ms(_HORIZON))


def _options() -> Iterator[Option]:
    yield Option(
        name=_ON,
        sort=Sort.SWITCH,
        meaning="Tells the result apart: spread captured, what the inventory earned, adverse "
        "selection, fees.",
        default="false",
    )
    yield Option(
        name=_HORIZON,
        sort=Sort.SECONDS,
        meaning="What the reference does to a fill within this time is adverse selection.",
        default="5",
        least="1",
    )


FEATURE = Feature(
    name="attribution",
    step=PnlAttribution,
    place=Place.LADDER,
    options=tuple(_options()),
    build=_build,
)

"""Where the result comes from: spread captured, and what the inventory gained or lost.

Between two marks of the reference, exactly: a fill captures `s (m - p) v` from the mark before it,
and the position after it earns `q (m' - m)`. Their sum is the change of `cash + position x m`; that
is asserted whenever it is told. Fees are inside the cash. Counted from the start of the process.

State: the last mark, cash and position, and the sums.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mm_bot.core.exact import NO_AMOUNT, Amount, Price
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Measure, View
from mm_bot.strategies.draft import Step
from mm_bot.strategies.options import Feature, Option, Options, Place, Sort

_ON = "MM_PNL_ATTRIBUTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """`worth` is cash + position x mark, of the totals."""

    mark: Price | None = None
    worth_at_start: Amount = NO_AMOUNT
    worth: Amount = NO_AMOUNT
    captured: Amount = NO_AMOUNT
    inventory: Amount = NO_AMOUNT

    @property
    def total(self) -> Amount:
        """By what the books say; equals captured + inventory."""
        total = self.worth - self.worth_at_start
        assert total == self.captured + self.inventory, f"{self}: the parts are not the whole"
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class PnlAttribution(Step):
    name = "attribution"
    state = Attribution

    def begin(self, saved: object, now_ms: int) -> Attribution:
        return Attribution()

    def look(self, view: View, state: object) -> Attribution:
        assert isinstance(state, Attribution)
        mark = view.reference if view.reference is not None else state.mark
        if mark is None:
            return state
        worth = self._worth(view, mark)
        if state.mark is None:
            return Attribution(mark=mark, worth_at_start=worth, worth=worth)
        at_old_mark = self._worth(view, state.mark)
        return replace(
            state,
            mark=mark,
            worth=worth,
            # what the fills since changed at the mark before them: s (m - p) v for each
            captured=state.captured + (at_old_mark - state.worth),
            inventory=state.inventory + (worth - at_old_mark),
        )

    def _worth(self, view: View, mark: Price) -> Amount:
        held = (mark * view.fill_totals.position).times(view.market.multiplier)
        return view.fill_totals.cash + held

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, Attribution)
        parts = (
            ("total", state.total),
            ("spread_capture", state.captured),
            ("inventory", state.inventory),
        )
        return tuple(
            Measure(name="mm_bot_pnl_attribution", labels=(part,), value=amount.value)
            for part, amount in parts
        )


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    return PnlAttribution() if options.switch(_ON) else None


FEATURE = Feature(
    name="attribution",
    place=Place.LADDER,
    options=(
        Option(
            name=_ON,
            sort=Sort.SWITCH,
            meaning="Tells the result apart: spread captured and what the inventory earned.",
            default="false",
        ),
    ),
    build=_build,
)

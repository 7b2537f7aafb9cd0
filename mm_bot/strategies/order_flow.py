"""Order-flow imbalance (Cont, Kukanov, Stoikov 2014): how much more others' best bids grew than
their best asks within a window. A number to watch and to backtest; it changes no quote.

From one look at others' best prices to the next, exactly, in base or contracts:

    e = qb 1{Pb >= Pb'} - qb' 1{Pb <= Pb'} - qa 1{Pa <= Pa'} + qa' 1{Pa >= Pa'}

where ' is the look before. A look without both sides is none, and the next has nothing before it.

State: the last best prices and sizes, and the sums of each second of the window. Nothing survives a
restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.declared import Measure, MeasureKind
from mm_bot.core.exact import NO_SIZE, Size
from mm_bot.core.instrument import BOTH
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.strategies.draft import Best, Step, best_of
from mm_bot.strategies.options import Feature, Option, Options, Place, Sort

_WINDOW = "MM_ORDER_FLOW_SECONDS"
ORDER_FLOW = MeasureKind(
    name="mm_bot_order_flow_imbalance",
    help="How much more others' best bids grew than their best asks within the window, in base or "
    "contracts.",
)
SECOND_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    bid: Best | None = None
    ask: Best | None = None
    seconds: tuple[tuple[int, Size], ...] = ()
    """When each second with a change began, oldest first, and its sum."""

    def stepped(self, step_ms: int) -> Flow:
        return changed(self, seconds=tuple((at + step_ms, e) for at, e in self.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFlow(Step):
    name = "order_flow"
    state = Flow
    measured = (ORDER_FLOW,)

    window_ms: int

    def begin(self, saved: object, now_ms: int) -> Flow:
        return Flow()

    def look(self, view: View, state: object) -> Flow:
        assert isinstance(state, Flow)
        bid, ask = (best_of(view, side) for side in BOTH)
        seconds = tuple(s for s in state.seconds if view.now_ms - s[0] < self.window_ms)
        if not (bid and ask and state.bid and state.ask):
            return Flow(bid=bid, ask=ask, seconds=seconds)
        grew = imbalance((state.bid, state.ask), (bid, ask))
        if grew != NO_SIZE:
            if seconds and view.now_ms - seconds[-1][0] < SECOND_MS:
                seconds = (*seconds[:-1], (seconds[-1][0], seconds[-1][1] + grew))
            else:
                seconds = (*seconds, (view.now_ms, grew))
        return Flow(bid=bid, ask=ask, seconds=seconds)

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, Flow)
        known = state.bid is not None and state.ask is not None
        total = sum((e.value for _, e in state.seconds), Decimal(0))
        return (Measure(name=ORDER_FLOW.name, value=total if known else None),)


def imbalance(before: tuple[Best, Best], now: tuple[Best, Best]) -> Size:
    """Of one look at (bid, ask) and the next; positive where buyers came or sellers went."""
    (bid_was, bids_were), (ask_was, asks_were) = before
    (bid, bids), (ask, asks) = now
    total = NO_SIZE
    if bid >= bid_was:
        total += bids
    if bid <= bid_was:
        total -= bids_were
    if ask <= ask_was:
        total -= asks
    if ask >= ask_was:
        total += asks_were
    return total


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    window_ms = options.ms(_WINDOW)
    return OrderFlow(window_ms=window_ms) if window_ms else None


FEATURE = Feature(
    name="order_flow",
    step=OrderFlow,
    place=Place.REFERENCE,
    options=(
        Option(
            name=_WINDOW,
            sort=Sort.SECONDS,
            meaning="Measures how much more others' best bids grew than their asks within so long; "
            "changes no quote. 0 is off.",
            least="0",
        ),
    ),
    build=_build,
)

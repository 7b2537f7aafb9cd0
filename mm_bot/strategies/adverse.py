"""Adverse selection: markouts of our fills, and the side that is being hit withdraws for a while.

A markout is how far the reference moved in our favour by a horizon after a fill, in bps of the
fill's price. A side withdraws (or widens) after a run (the last N filled orders all on it, within a
window), a surge (its volume in a short window many times its usual rate), or once its markouts at
5 s are toxic on average. The other side stays: it reduces what was bought.

State, bounded: fills that wait for their horizons, volume of the last minutes, sums a side and
horizon. Nothing survives a restart; the rings fill anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed, made_directly
from mm_bot.core.declared import Measure, MeasureKind, StepReason
from mm_bot.core.exact import add, multiply
from mm_bot.core.instrument import BOTH, Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Missing, View
from mm_bot.strategies.draft import GUARD_ACTIVE, SIDES, Draft, Step, guard_active
from mm_bot.strategies.markouts import (
    BLANK,
    HORIZONS_S,
    NO_HITS,
    TOXIC_S,
    ZERO,
    Hit,
    Hits,
    Mark,
    Tape,
    hit,
    marked,
    markout,
    noted,
)
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort
from mm_bot.strategies.statistics import S

ADVERSE_SELECTION = StepReason(
    value="adverse_selection",
    means="this side is being hit; it pauses for MM_TOXIC_PAUSE_SECONDS",
)
MARKOUT = MeasureKind(
    name="mm_bot_markout_bps",
    help="How far the reference moved in our favour after our fills, by horizon in seconds.",
    labels={"side": SIDES, "horizon": tuple(str(horizon) for horizon in HORIZONS_S)},
)
UNKNOWN = MeasureKind(
    name="mm_bot_markouts_unknown",
    help="Markouts that nobody can tell: no reference was fresh enough at their horizon.",
    labels={"side": SIDES},
    off=Decimal(0),
)
RING = 2_000
"""Most fills remembered; beyond that the oldest are forgotten, and their markouts unknown."""
LEAST_KNOWN, LEAST_ORDERS = 10, 5
_MARKOUTS, _RUN, _RUN_WINDOW = "MM_MARKOUTS", "MM_RUN_ORDERS", "MM_RUN_WINDOW_SECONDS"
_SURGE, _SURGE_WINDOW = "MM_SURGE_FACTOR", "MM_SURGE_WINDOW_SECONDS"
_SURGE_BASE, _THETA = "MM_SURGE_BASE_SECONDS", "MM_TOXIC_MARKOUT_BPS"
_PAUSE, _WIDEN = "MM_TOXIC_PAUSE_SECONDS", "MM_TOXIC_WIDEN_BPS"


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Adverse:
    mark: Mark | None = None
    hits: Hits = NO_HITS
    bid: Tape = BLANK
    ask: Tape = BLANK

    def tape(self, side: Side) -> Tape:
        return self.bid if side is Side.BUY else self.ask

    def stepped(self, step_ms: int) -> Adverse:
        return Adverse(
            mark=None if self.mark is None else self.mark.stepped(step_ms),
            hits=self.hits.stepped(step_ms),
            bid=self.bid.stepped(step_ms),
            ask=self.ask.stepped(step_ms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdverseSelection(Step):
    name = "adverse_selection"
    state = Adverse
    measured = (guard_active("adverse_selection"), MARKOUT, UNKNOWN)
    reasons = (ADVERSE_SELECTION,)

    run_orders: int
    run_window_ms: int
    surge_factor: Decimal
    surge_window_ms: int
    surge_base_ms: int
    theta_bps: Decimal
    pause_ms: int
    widen_bps: Decimal

    def begin(self, saved: object, now_ms: int) -> Adverse:
        return Adverse()

    def look(self, view: View, state: object) -> Adverse:
        assert isinstance(state, Adverse)
        tapes = {side: state.tape(side) for side in BOTH}
        mark = marked(view, state.mark)
        new = tuple(hit(fill, view, fill.price) for fill in view.fills if fill.is_maker)
        over, hits = state.hits.over(view.now_ms)
        hits, lost = hits.with_new(new, view.now_ms - self._kept_ms, RING)
        learned: set[Side] = set()
        for i, one in over:
            moved = markout(one, HORIZONS_S[i] * 1000, state.mark, mark)
            tapes[one.side] = noted(tapes[one.side], one, i, moved)
            if HORIZONS_S[i] == TOXIC_S and moved is not None:
                learned.add(one.side)
        for i, one in lost:
            tapes[one.side] = noted(tapes[one.side], one, i, None)
        for side in BOTH if new or learned else ():
            causes = [self._toxic(tapes[side])] if side in learned else []
            if any(one.side is side for one in new):
                causes += [self._run(hits.fills, side, view.now_ms)]
                causes += [self._surge(hits.fills, side, view.now_ms)]
            cause = next((each for each in causes if each), "")
            if cause:
                until_ms = max(tapes[side].until_ms, view.now_ms + self.pause_ms)
                tapes[side] = changed(tapes[side], until_ms=until_ms, cause=cause)
        return Adverse(mark=mark, hits=hits, bid=tapes[Side.BUY], ask=tapes[Side.SELL])

    @property
    def _kept_ms(self) -> int:
        longest = max(self.surge_base_ms + self.surge_window_ms, self.run_window_ms)
        return max(longest, HORIZONS_S[-1] * 1000)

    def _run(self, fills: Sequence[Hit], side: Side, now_ms: int) -> str:
        ids: set[str] = set()
        for one in reversed(fills if self.run_orders else ()):
            if one.side is not side:
                return ""
            ids.add(one.order_id)
            if len(ids) == self.run_orders:
                first_ms = min(each.at_ms for each in fills if each.order_id in ids)
                inside = now_ms - first_ms <= self.run_window_ms
                return f"run of {len(ids)} orders" if inside else ""
        return ""

    def _surge(self, fills: Sequence[Hit], side: Side, now_ms: int) -> str:
        if not self.surge_factor:
            return ""
        since_ms = now_ms - self.surge_window_ms
        base_ms = since_ms - self.surge_base_ms
        now, usual, orders = ZERO, ZERO, set()
        for one in reversed(fills):
            if one.side is not side or one.at_ms < base_ms:
                continue
            if one.at_ms >= since_ms:
                now = add(now, one.size)
            else:
                usual = add(usual, one.size)
                orders.add(one.order_id)
        if len(orders) < LEAST_ORDERS:
            return ""
        left = multiply(now, Decimal(self.surge_base_ms))
        right = multiply(multiply(self.surge_factor, usual), Decimal(self.surge_window_ms))
        return f"surge of {now}" if left > right else ""

    def _toxic(self, tape: Tape) -> str:
        if not self.theta_bps or tape.known < LEAST_KNOWN or not tape.faded_size:
            return ""
        mean = S.divide(tape.faded, tape.faded_size)
        return f"markout {mean:.2f} bps" if mean < -self.theta_bps else ""

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert isinstance(state, Adverse)
        for side in BOTH:
            tape = state.tape(side)
            if view.now_ms >= tape.until_ms:
                continue
            left = str(tape.until_ms - view.now_ms)
            if self.widen_bps:
                half = add(draft.half_bps[side], self.widen_bps)
                draft = changed(draft, half_bps={**draft.half_bps, side: half}).says(
                    self.name,
                    "{cause}, {left_ms} ms more: half-spread {half_bps} bps",
                    side,
                    lasting=True,
                    cause=tape.cause,
                    left_ms=left,
                    half_bps=half,
                )
                continue
            numbers = (("cause", tape.cause), ("left_ms", left))
            why = Missing(side=side, index=None, reason=ADVERSE_SELECTION, numbers=numbers)
            draft = draft.without(side, why).says(
                self.name,
                "{cause}, withdrawn for {left_ms} ms",
                side,
                cause=tape.cause,
                left_ms=left,
            )
        return draft

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, Adverse)
        found = []
        for side in BOTH:
            tape = state.tape(side)
            active = Decimal(view.now_ms < tape.until_ms)
            labels = (self.name, side.value)
            found.append(Measure(name=GUARD_ACTIVE, labels=labels, value=active))
            unknown = Decimal(tape.unknown)
            found.append(Measure(name=UNKNOWN.name, labels=(side.value,), value=unknown))
            for i, horizon_s in enumerate(HORIZONS_S):
                labels = (side.value, str(horizon_s))
                found.append(Measure(name=MARKOUT.name, labels=labels, value=tape.mean(i)))
        return tuple(found)


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    run, surge, theta = options.whole(_RUN), options.number(_SURGE), options.number(_THETA)
    if not (options.switch(_MARKOUTS) or run or surge or theta):
        return None
    return AdverseSelection(
        run_orders=run,
        run_window_ms=options.ms(_RUN_WINDOW),
        surge_factor=surge,
        surge_window_ms=options.ms(_SURGE_WINDOW),
        surge_base_ms=options.ms(_SURGE_BASE),
        theta_bps=theta,
        pause_ms=options.ms(_PAUSE),
        widen_bps=options.number(_WIDEN),
    )


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    if options.number(_SURGE) and options.ms(_SURGE_WINDOW) >= options.ms(_SURGE_BASE):
        yield _SURGE_WINDOW, f"it must be shorter than {_SURGE_BASE}"


def _seconds(name: str, meaning: str, default: str) -> Option:
    return Option(name=name, sort=Sort.SECONDS, meaning=meaning, default=default, least="1")


FEATURE = Feature(
    name="adverse_selection",
    step=AdverseSelection,
    place=Place.GUARD,
    options=(
        Option(
            name=_MARKOUTS,
            sort=Sort.SWITCH,
            meaning="Measures how the reference moves after our fills, withdrawing nothing.",
            default="false",
        ),
        Option(
            name=_RUN,
            sort=Sort.WHOLE,
            meaning="A side withdraws after so many filled orders in a row on it; 5 is usual, 0 is "
            "off.",
            least="0",
        ),
        _seconds(_RUN_WINDOW, "Within how long a run must happen.", "60"),
        Option(
            name=_SURGE,
            sort=Sort.NUMBER,
            meaning="A side withdraws when its volume is this many times its usual rate; 3 is "
            "usual, 0 is off.",
            unit="times",
            least="0",
        ),
        _seconds(_SURGE_WINDOW, "The time whose volume may be a surge.", "10"),
        _seconds(_SURGE_BASE, "The time before it that says what is usual.", "600"),
        Option(
            name=_THETA,
            sort=Sort.NUMBER,
            meaning="A side withdraws when the reference moves against its fills by more than this "
            "within 5 s on average; 10 is usual, 0 is off.",
            unit="basis points",
            least="0",
        ),
        _seconds(_PAUSE, "How long a side withdraws.", "15"),
        Option(
            name=_WIDEN,
            sort=Sort.NUMBER,
            meaning="Widens the side by this instead of withdrawing it; 0 withdraws.",
            unit="basis points",
            least="0",
        ),
    ),
    build=_build,
    contradictions=_contradictions,
)

"""Price-shock pull: a move of more than X within W seconds takes every quote away for P seconds.

Quoting resumes at the new level once the last P seconds were calm; else the pause begins anew. Each
source is compared with itself alone, whenever its own time moved on: any of them may trip, the
chosen one must be calm. One that is missing or stands still neither trips nor resumes.

State: the samples of the last W and P seconds of each source, one a second, and until when the
pause holds. Its end survives a restart, on disk before the cycle that set it is reported.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter

from mm_bot.core.changed import changed, made_directly
from mm_bot.core.clock_step import all_moved, moved
from mm_bot.core.declared import Measure
from mm_bot.core.exact import BPS, Price, distance, multiply, round_half_even
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import SourcePrice, View
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.risk import Halt, HaltReason
from mm_bot.strategies.draft import GUARD_ACTIVE, SIDES, Step, guard_active, too_far_ahead
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort

SAMPLE_MS, DAY_MS = 1_000, 86_400_000
_SHOCK, _CALM = "MM_SHOCK_BPS", "MM_SHOCK_CALM_BPS"
_WINDOW, _PAUSE = "MM_SHOCK_WINDOW_SECONDS", "MM_SHOCK_PAUSE_SECONDS"


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    at_ms: int
    """When it was first heard, by our clock."""
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Shock:
    """`until_ms` is None while quoting; then the rest is of the last shock."""

    windows: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    """By source, oldest first; one a second, the newest of all last."""
    in_force_ms: Mapping[str, int] = field(default_factory=dict)
    """By source, when its newest was last looked at: a feed that only tells moves stands until
    then, however old its reading is."""
    told: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    """By source, its own time of its newest, and whether our clock was set since: then a time
    before that is news, too, as it may be told by our clock."""
    until_ms: int | None = None
    source: str = ""
    moved_bps: Decimal = Decimal(0)
    refused: str = ""
    """What of a saved state was not believed."""

    def stepped(self, step_ms: int) -> Shock:
        return changed(
            self,
            windows={
                source: tuple(changed(s, at_ms=s.at_ms + step_ms) for s in window)
                for source, window in self.windows.items()
            },
            in_force_ms=all_moved(self.in_force_ms, step_ms),
            told={source: (at_ms, True) for source, (at_ms, _) in self.told.items()},
            until_ms=moved(self.until_ms, step_ms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShockPull(Step):
    name = "shock"
    durable = True
    state = Shock
    measured = (guard_active("shock"),)

    shock_bps: Decimal
    calm_bps: Decimal
    window_ms: int
    pause_ms: int

    def begin(self, saved: object, now_ms: int) -> Shock:
        if saved is None:
            return Shock()
        refused = "the state file's shock cannot be read: it pauses as after one"
        if type(saved) is int:
            if saved <= now_ms + self.pause_ms + DAY_MS:
                return Shock(until_ms=saved)
            # a clock that was wrong must not hold the bot for years
            refused = too_far_ahead(saved, now_ms)
        return Shock(until_ms=now_ms + self.pause_ms, refused=refused)

    def look(self, view: View, state: object) -> Shock:
        assert isinstance(state, Shock)
        windows, in_force_ms, told = dict(state.windows), dict(state.in_force_ms), dict(state.told)
        tripped = state
        for seen in view.prices:
            source = seen.source.value
            window = windows.get(source, ())
            stood_ms = in_force_ms.get(source, 0)
            in_force_ms[source] = view.now_ms
            if seen.source is ReferenceSource.OWN_TRADE or not _is_new(seen, told.get(source)):
                continue
            told[source] = (seen.at_ms, False)
            now = Sample(at_ms=view.now_ms, price=seen.price)
            base = self._shocked_by(window, now, stood_ms)
            windows[source] = self._appended(window, now) if base is None else (now,)
            if base is not None:
                moved = multiply(distance(now.price.value, base), BPS)
                tripped = Shock(
                    until_ms=max(state.until_ms or 0, view.now_ms + self.pause_ms),
                    source=source,
                    moved_bps=round_half_even(moved, base, 4),
                )
        if tripped is not state:
            return changed(tripped, windows=windows, in_force_ms=in_force_ms, told=told)
        state = changed(state, windows=windows, in_force_ms=in_force_ms, told=told)
        return self._resumed(view, state)

    def _resumed(self, view: View, state: Shock) -> Shock:
        """Quoting again where the pause is over and the chosen source was calm in it; one that
        says nothing neither ends a pause nor begins it anew."""
        window = state.windows.get(view.source.value, ())
        if state.until_ms is None or view.now_ms < state.until_ms or not window:
            return state
        newest = window[-1]
        if view.now_ms - newest.at_ms > self.pause_ms:
            return state
        if self._calm(window, newest.at_ms):
            windows = {source: kept[-1:] for source, kept in state.windows.items()}
            return Shock(windows=windows, in_force_ms=state.in_force_ms, told=state.told)
        return changed(state, until_ms=view.now_ms + self.pause_ms)

    def _shocked_by(self, window: tuple[Sample, ...], now: Sample, stood_ms: int) -> Decimal | None:
        """The price within the window from which this one is too far; of all only the least and the
        largest can be. The one before is in it for as long as it stood."""
        oldest_ms = now.at_ms - self.window_ms
        recent = [s.price.value for s in window[_first(window, oldest_ms) :]]
        if window and stood_ms >= oldest_ms:
            recent.append(window[-1].price.value)
        for base in (min(recent), max(recent)) if recent else ():
            moved = multiply(distance(now.price.value, base), BPS)
            if moved > multiply(self.shock_bps, base):
                return base
        return None

    def _appended(self, window: tuple[Sample, ...], now: Sample) -> tuple[Sample, ...]:
        """The newest replaces the one before until that is a second younger than its own."""
        oldest_ms = now.at_ms - max(self.window_ms, self.pause_ms)
        kept = window[_first(window, oldest_ms) :]
        if len(kept) > 1 and kept[-1].at_ms - kept[-2].at_ms < SAMPLE_MS:
            kept = kept[:-1]
        return (*kept, now)

    def _calm(self, window: tuple[Sample, ...], at_ms: int) -> bool:
        prices = [s.price.value for s in window[_first(window, at_ms - self.pause_ms) :]]
        if len(prices) < 2:
            return False
        low, high = min(prices), max(prices)
        return multiply(high - low, BPS) < multiply(self.calm_bps, low)

    def halts(self, view: View, state: object) -> tuple[Halt, ...]:
        assert isinstance(state, Shock)
        if state.until_ms is None:
            return ()
        numbers = (
            ("source", state.source or "before the restart"),
            ("moved_bps", str(state.moved_bps)),
            ("limit_bps", str(self.shock_bps)),
            ("calm_in_ms", str(max(0, state.until_ms - view.now_ms))),
            *((("refused", state.refused),) if state.refused else ()),
        )
        return (Halt(reason=HaltReason.PRICE_SHOCK, numbers=numbers),)

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, Shock)
        active = Decimal(state.until_ms is not None)
        return tuple(
            Measure(name=GUARD_ACTIVE, labels=(self.name, side), value=active) for side in SIDES
        )

    def save(self, state: object) -> object:
        assert isinstance(state, Shock)
        return state.until_ms


def _first(window: tuple[Sample, ...], since_ms: int) -> int:
    """Where the samples of that time and later begin; they are in the order of their times."""
    return bisect_left(window, since_ms, key=_AT_MS)


_AT_MS = attrgetter("at_ms")


def _is_new(seen: SourcePrice, told: tuple[int, bool] | None) -> bool:
    if told is None:
        return True
    at_ms, clock_set = told
    return seen.at_ms > at_ms or (clock_set and seen.at_ms != at_ms)


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    if not options.number(_SHOCK):
        return None
    return ShockPull(
        shock_bps=options.number(_SHOCK),
        calm_bps=options.number(_CALM),
        window_ms=options.ms(_WINDOW),
        pause_ms=options.ms(_PAUSE),
    )


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    shock, calm = options.number(_SHOCK), options.number(_CALM)
    if shock and calm >= shock:
        yield _CALM, f"what is calm must be less than what is a shock: keep it below {_SHOCK}"


FEATURE = Feature(
    name="shock",
    step=ShockPull,
    place=Place.GUARD,
    options=(
        Option(
            name=_SHOCK,
            sort=Sort.NUMBER,
            meaning="A move of the reference by more than this within the window takes all quotes "
            "away; 200 is usual, 0 is off.",
            unit="basis points",
            least="0",
        ),
        Option(
            name=_WINDOW,
            sort=Sort.SECONDS,
            meaning="Within how long a move is a shock.",
            default="10",
            least="1",
        ),
        Option(
            name=_PAUSE,
            sort=Sort.SECONDS,
            meaning="Least time without quotes after a shock.",
            default="30",
            least="1",
        ),
        Option(
            name=_CALM,
            sort=Sort.NUMBER,
            meaning="Quoting resumes once the reference moved less than this during the pause.",
            default="50",
            unit="basis points",
            above="0",
        ),
    ),
    build=_build,
    contradictions=_contradictions,
)

"""Position regimes: beyond the soft limit only the way back is quoted, beyond the hard one forced.

The soft limits are `MM_MAX_LONG_INVENTORY` and `MM_MAX_SHORT_INVENTORY`. Without a hard limit,
passing one halts, as founded; with one it is the hard limit that halts, and in between the bot
quotes its own way out: the reducing side alone, at most what leads back, until an order's size
below the soft limit.

With `MM_FORCED_REDUCTION`, two reads of the balances in a row beyond the hard limit force it: all
quotes go, then one order at a time that may trade at once, at most `MM_REDUCE_MAX_SLIPPAGE_BPS`
from the reference, sized to lead back to the soft limit and never past it; the next one only on
balances read after the last, and at most `MM_REDUCE_MAX_PER_HOUR` of them.

State: which limit was passed, and when reductions were sent. Those times survive a restart; the
rest the inventory itself says again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.clock_step import moved
from mm_bot.core.declared import Measure, MeasureKind, StepReason
from mm_bot.core.exact import NO_SIZE, Size
from mm_bot.core.instrument import Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Bound, Missing, Reduction, View
from mm_bot.core.risk import Halt, HaltReason
from mm_bot.strategies.draft import Draft, Step
from mm_bot.strategies.forced import FORCED, FORCED_OPTIONS, Forcing, forcing
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort

REDUCE_ONLY = StepReason(
    value="reduce_only", means="the inventory passed its soft limit; only the way back is quoted"
)
REGIME = MeasureKind(
    name="mm_bot_regime",
    help="1 for the position regime in force, 0 for the others.",
    labels={"regime": ("normal", "reduce_only", "forced")},
    off=Decimal(0),
)
REDUCTIONS = MeasureKind(
    name="mm_bot_reductions_last_hour",
    help="Forced reductions that were sent in the last hour.",
    off=Decimal(0),
)
HARD_LONG, HARD_SHORT = "MM_HARD_LONG_INVENTORY", "MM_HARD_SHORT_INVENTORY"
_SOFT = "the soft limit by MM_MAX_{}_INVENTORY or MM_MAX_NET_INVENTORY"
HOUR_MS = 3_600_000
READS = 2
"""Of the balances in a row, beyond the hard limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    growing: Side | None = None
    """The side that would lead further out; None in the normal regime."""
    forced: bool = False
    beyond: int = 0
    """Reads of the balances in a row that were beyond the hard limit."""
    read_ms: int | None = None
    """The last of them, of whatever kind."""
    sent_ms: tuple[int, ...] = ()
    """When the reductions of the last hour were sent."""
    before_ms: tuple[int, ...] = ()
    """Those that processes before this one sent."""

    def stepped(self, step_ms: int) -> Regime:
        return changed(
            self,
            read_ms=moved(self.read_ms, step_ms),
            sent_ms=tuple(at_ms + step_ms for at_ms in self.sent_ms),
            before_ms=tuple(at_ms + step_ms for at_ms in self.before_ms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRegime(Step):
    name = "regime"
    state = Regime
    measured = (REGIME, REDUCTIONS)
    reasons = (REDUCE_ONLY,)

    max_long: Size
    max_short: Size
    hard_long: Size | None = None
    hard_short: Size | None = None
    hysteresis: Size
    forcing: Forcing | None = None

    def begin(self, saved: object, now_ms: int) -> Regime:
        times = saved if isinstance(saved, list) else []
        # a clock that went back renews no budget
        return Regime(before_ms=tuple(min(at, now_ms) for at in times if type(at) is int))

    def look(self, view: View, state: object) -> Regime:
        assert isinstance(state, Regime)
        sent_ms = [
            at for at in (*state.before_ms, *view.reductions_ms) if view.now_ms - at < HOUR_MS
        ]
        if sent_ms or state.sent_ms:
            state = changed(state, sent_ms=tuple(sent_ms))
        if view.holdings is None:
            return state
        held = view.holdings.base_total
        state = self._forced(view, state, held)
        if held > self.max_long:
            return changed(state, growing=Side.BUY)
        if held < self.max_short:
            return changed(state, growing=Side.SELL)
        if state.growing is not None and self._excess(held, state.growing) <= 0:
            return changed(state, growing=None)
        return state

    def _forced(self, view: View, state: Regime, held: Size) -> Regime:
        """Into the forced regime after enough reads; out of it within the soft limits, or beyond
        them by less than can be traded: sizes of whole amounts of the quote leave a rest."""
        if self.forcing is None:
            return state
        long, short = self.hard_long, self.hard_short
        beyond = (long is not None and held > long) or (short is not None and held < short)
        reads = state.beyond
        if view.balances_read_ms != state.read_ms:
            reads = state.beyond + 1 if beyond else 0
        left = max(held - self.max_long, self.max_short - held)
        over = left <= NO_SIZE or self.forcing.too_little(view, left)
        forced = (state.forced or reads >= READS) and not over
        return changed(state, read_ms=view.balances_read_ms, beyond=reads, forced=forced)

    def _excess(self, held: Size, growing: Side) -> Decimal:
        """How much leads back to where the normal regime begins."""
        if growing is Side.BUY:
            return (held - (self.max_long - self.hysteresis)).value
        return (self.max_short + self.hysteresis - held).value

    def halts(self, view: View, state: object) -> tuple[Halt, ...]:
        assert isinstance(state, Regime)
        if not state.forced or state.growing is None or self.forcing is None:
            return ()
        long = state.growing is Side.BUY
        held = "unknown" if view.holdings is None else str(view.holdings.base_total)
        soft = str(self.max_long if long else self.max_short)
        spent = (("orders_last_hour", str(len(state.sent_ms))), ("inventory", held))
        reason = HaltReason.MAX_LONG if long else HaltReason.MAX_SHORT
        forced = Halt(reason=reason, numbers=(("inventory", held), ("reducing_to", soft)))
        if len(state.sent_ms) < self.forcing.per_hour:
            return (forced,)
        sent_ms = view.reductions_ms
        if sent_ms and view.now_ms - sent_ms[-1] < self.forcing.life_ms:
            return (forced,)  # the last one has its whole life
        limit = ("limit", str(self.forcing.per_hour))
        return forced, Halt(reason=HaltReason.REDUCTION_BUDGET, numbers=(*spent, limit))

    def reduction(self, view: View, state: object) -> Reduction | None:
        assert isinstance(state, Regime)
        if not state.forced or state.growing is None or self.forcing is None:
            return None
        side, level = state.growing.opposite, None
        last_ms = state.sent_ms[-1] if state.sent_ms else None
        rested = last_ms is None or view.now_ms - last_ms >= self.forcing.retry_ms
        reread = last_ms is None or (state.read_ms is not None and state.read_ms > last_ms)
        if rested and reread and len(state.sent_ms) < self.forcing.per_hour:
            soft = self.max_long if side is Side.SELL else self.max_short
            level = self.forcing.order(view, side, soft)
        return Reduction(side=side, level=level, life_ms=self.forcing.life_ms)

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert isinstance(state, Regime)
        assert view.holdings is not None, "asked only with balances"
        growing = state.growing
        if growing is None:
            return draft
        held, reducing = view.holdings.base_total, growing.opposite
        excess = self._excess(held, growing)
        numbers = (("inventory", str(held)), ("back_by", str(Size(excess))))
        why = Missing(side=growing, index=None, reason=REDUCE_ONLY, numbers=numbers)
        bound = Bound(reason=REDUCE_ONLY, left=excess)
        bounds = {**draft.bounds, reducing: (*draft.bounds[reducing], bound)}
        draft = changed(draft, bounds=bounds).without(growing, why)
        forced = self.reduction(view, state)
        if forced is None:
            return draft.says(
                self.name,
                "reduce-only: inventory {inventory} passed its limit, {excess} leads back",
                inventory=held,
                excess=excess,
            )
        sent = str(len(state.sent_ms))
        if forced.level is None:
            waits = "forced reduction of inventory {inventory}: waits, {sent} orders in an hour"
            return draft.says(self.name, waits, inventory=held, sent=sent)
        return draft.says(
            self.name,
            "forced reduction of inventory {inventory}: " + reducing.value + " {size} at {price} "
            "or better, {sent} orders in an hour before it",
            inventory=held,
            size=forced.level.size,
            price=forced.level.price,
            sent=sent,
        )

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, Regime)
        regime = "normal" if state.growing is None else "reduce_only"
        if state.forced:
            regime = "forced"
        return (
            Measure(name=REGIME.name, labels=(regime,), value=Decimal(1)),
            Measure(name=REDUCTIONS.name, value=Decimal(len(state.sent_ms))),
        )

    def save(self, state: object) -> object:
        assert isinstance(state, Regime)
        return list(state.sent_ms) or None


def halting_limits(texts: Mapping[str, str], max_long: Size, max_short: Size) -> tuple[Size, Size]:
    """What halts: the hard limits where they are set, else the soft ones."""
    options = Options(FEATURE.options, texts)
    long, short = options.number(HARD_LONG), options.number(HARD_SHORT)
    return Size(long) if long else max_long, Size(short) if short else max_short


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    long, short = options.number(HARD_LONG), options.number(HARD_SHORT)
    if not long and not short:
        return None
    return PositionRegime(
        max_long=quote.max_long,
        max_short=quote.max_short,
        hard_long=Size(long) if long else None,
        hard_short=Size(short) if short else None,
        hysteresis=quote.order_size,
        forcing=forcing(options, quote),
    )


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    long, short = options.number(HARD_LONG), options.number(HARD_SHORT)
    if long and long <= quote.max_long.value:
        yield (
            HARD_LONG,
            f"it must be above {quote.max_long}, {_SOFT.format('LONG')}",
        )
    if short and short >= quote.max_short.value:
        yield (
            HARD_SHORT,
            f"it must be below {quote.max_short}, {_SOFT.format('SHORT')}",
        )
    if options.switch(FORCED) and not (long or short):
        yield FORCED, f"it acts beyond {HARD_LONG} or {HARD_SHORT}: set one of them"


def _options() -> Iterator[Option]:
    yield Option(
        name=HARD_LONG,
        sort=Sort.NUMBER,
        meaning="The inventory that halts; between `MM_MAX_LONG_INVENTORY` and it only asks are "
        "quoted. 0: the soft limit halts.",
        unit="the base (spot) or contracts",
        least="0",
    )
    yield Option(
        name=HARD_SHORT,
        sort=Sort.NUMBER,
        meaning="The same below `MM_MAX_SHORT_INVENTORY`; negative. 0: the soft limit halts.",
        unit="the base (spot) or contracts",
        most="0",
    )


FEATURE = Feature(
    name="regime",
    step=PositionRegime,
    place=Place.LIMITS,
    options=(*_options(), *FORCED_OPTIONS),
    build=_build,
    contradictions=_contradictions,
)

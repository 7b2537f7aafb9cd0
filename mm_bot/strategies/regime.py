"""Position regimes: beyond the soft limit only the side that leads back is quoted.

The soft limits are `MM_MAX_LONG_INVENTORY` and `MM_MAX_SHORT_INVENTORY`. Without a hard limit,
passing one halts, as founded; with one it is the hard limit that halts, and in between the bot
quotes its own way out: the reducing side alone, at most what leads back, until an order's size
below the soft limit.

State: which limit was passed. Nothing to save: the inventory itself says it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from mm_bot.core.exact import Size
from mm_bot.core.instrument import Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Bound, Measure, Missing, MissingReason, View
from mm_bot.strategies.draft import Draft, Step
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort

HARD_LONG, HARD_SHORT = "MM_HARD_LONG_INVENTORY", "MM_HARD_SHORT_INVENTORY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    growing: Side | None = None
    """The side that would lead further out; None in the normal regime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRegime(Step):
    name = "regime"
    state = Regime

    max_long: Size
    max_short: Size
    hysteresis: Size

    def begin(self, saved: object, now_ms: int) -> Regime:
        return Regime()

    def look(self, view: View, state: object) -> Regime:
        assert isinstance(state, Regime)
        if view.holdings is None:
            return state
        held = view.holdings.base_total
        if held > self.max_long:
            return Regime(growing=Side.BUY)
        if held < self.max_short:
            return Regime(growing=Side.SELL)
        if state.growing is not None and self._excess(held, state.growing) <= 0:
            return Regime()
        return state

    def _excess(self, held: Size, growing: Side) -> Decimal:
        """How much leads back to where the normal regime begins."""
        if growing is Side.BUY:
            return (held - (self.max_long - self.hysteresis)).value
        return (self.max_short + self.hysteresis - held).value

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert isinstance(state, Regime)
        assert view.holdings is not None, "asked only with balances"
        growing = state.growing
        if growing is None:
            return draft
        held, reducing = view.holdings.base_total, growing.opposite
        excess = self._excess(held, growing)
        numbers = (("inventory", str(held)), ("back_by", str(Size(excess))))
        why = Missing(side=growing, index=None, reason=MissingReason.REDUCE_ONLY, numbers=numbers)
        bound = Bound(reason=MissingReason.REDUCE_ONLY, left=excess)
        bounds = {**draft.bounds, reducing: (*draft.bounds[reducing], bound)}
        return (
            replace(draft, bounds=bounds)
            .without(growing, why)
            .says(
                self.name,
                "reduce-only: inventory {inventory} passed its limit, {excess} leads back",
                inventory=held,
                excess=excess,
            )
        )

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, Regime)
        regime = "normal" if state.growing is None else "reduce_only"
        return (Measure(name="mm_bot_regime", labels=(regime,), value=Decimal(1)),)


def halting_limits(texts: Mapping[str, str], max_long: Size, max_short: Size) -> tuple[Size, Size]:
    """What halts: the hard limits where they are set, else the soft ones."""
    options = Options(FEATURE.options, texts)
    long, short = options.number(HARD_LONG), options.number(HARD_SHORT)
    return Size(long) if long else max_long, Size(short) if short else max_short


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    if not (options.number(HARD_LONG) or options.number(HARD_SHORT)):
        return None
    return PositionRegime(
        max_long=quote.max_long, max_short=quote.max_short, hysteresis=quote.order_size
    )


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    long, short = options.number(HARD_LONG), options.number(HARD_SHORT)
    if long and long <= quote.max_long.value:
        yield HARD_LONG, "it must be above MM_MAX_LONG_INVENTORY, the soft limit"
    if short and short >= quote.max_short.value:
        yield HARD_SHORT, "it must be below MM_MAX_SHORT_INVENTORY, the soft limit"


FEATURE = Feature(
    name="regime",
    place=Place.LIMITS,
    options=(
        Option(
            name=HARD_LONG,
            sort=Sort.NUMBER,
            meaning="The inventory that halts; between `MM_MAX_LONG_INVENTORY` and it only asks "
            "are quoted. 0: the soft limit halts.",
            unit="USDC (spot) or contracts",
            least="0",
        ),
        Option(
            name=HARD_SHORT,
            sort=Sort.NUMBER,
            meaning="The same below `MM_MAX_SHORT_INVENTORY`; negative. 0: the soft limit halts.",
            unit="USDC (spot) or contracts",
            most="0",
        ),
    ),
    build=_build,
    contradictions=_contradictions,
)

"""Volatility-adaptive spread: wider by what the reference may move while a quote is exposed.

`half = clamp(base + k x sigma x sqrt(tau), base, max)`; sigma in bps per square root of a second,
never annualised, estimated per source from two decayed sums of mids or anchors, never of trades.
While too little is known, or nothing
was heard for three half-lives, the widest half-spread holds: warm-up is wide, not narrow.

State: the sums and last sample of each source, at most one a reference source. The sums survive a
restart, saved every `SAVE_MS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from mm_bot.core.changed import changed, made_directly
from mm_bot.core.declared import Measure, MeasureKind
from mm_bot.core.exact import BPS, Price, add, clamp, exact, multiply
from mm_bot.core.instrument import Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.core.reference import ReferenceSource
from mm_bot.strategies.draft import Draft, Step
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort
from mm_bot.strategies.statistics import S, ceil4, decay

VOLATILITY = MeasureKind(
    name="mm_bot_volatility_bps_sqrt_s",
    help="Volatility of the reference, basis points per square root of a second.",
)
SAVE_MS = 10_000
_TRADES = (ReferenceSource.TRADE, ReferenceSource.OWN_TRADE)
"""They jump between bid and ask, which is no volatility."""
FUTURE_MS = 60_000
"""A saved sample further ahead of the clock than this is no sample of ours."""
_MULT, MAX_HALF = "MM_VOLATILITY_SPREAD_MULT", "MM_MAX_HALF_SPREAD_BPS"
_HALF_LIFE, _HORIZON = "MM_VOLATILITY_HALF_LIFE_SECONDS", "MM_VOLATILITY_HORIZON_SECONDS"
_SAMPLE, _SCALE = "MM_VOLATILITY_SAMPLE_SECONDS", "MM_VOLATILITY_SCALE_LEVELS"


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Of one source: squared returns and seconds, both decayed, and the last sample."""

    price: Price
    at_ms: int
    a: Decimal = Decimal(0)
    b: Decimal = Decimal(0)
    clock_set: bool = False
    """Whether our clock was set since the last sample: then nobody knows how long ago it was."""


Saved = tuple[str, int, str, str]
"""Price, time and the two sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volatility:
    """By source."""

    sums: Mapping[str, Sums] = field(default_factory=dict)
    saved: Mapping[str, Saved] = field(default_factory=dict)
    """As they were when they were last handed out to be saved."""

    def stepped(self, step_ms: int) -> Volatility:
        sums = {
            source: changed(s, at_ms=s.at_ms + step_ms, clock_set=True)
            for source, s in self.sums.items()
        }
        return Volatility(sums=sums, saved=_texts(sums))


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilitySpread(Step):
    name = "volatility"
    state = Volatility
    measured = (VOLATILITY,)

    mult: Decimal
    half_life_ms: int
    horizon_root: Decimal
    """Square root of the seconds that a quote is exposed."""
    sample_ms: int
    max_half_bps: Decimal
    scale_levels: bool = False

    def begin(self, saved: object, now_ms: int) -> Volatility:
        sums = dict(_saved(saved, now_ms))
        return Volatility(sums=sums, saved=_texts(sums))

    def look(self, view: View, state: object) -> Volatility:
        assert isinstance(state, Volatility)
        price, at_ms, source = view.reference, view.reference_ms, view.source.value
        if price is None or at_ms is None or view.source in _TRADES:
            return state
        last = state.sums.get(source)
        if last is None:
            now = Sums(price=price, at_ms=at_ms)
        elif last.clock_set:
            now = changed(last, price=price, at_ms=at_ms, clock_set=False)
        elif at_ms <= last.at_ms or at_ms - last.at_ms < self.sample_ms:
            return state
        else:
            now = self._sampled(last, price, at_ms)
        sums = {**state.sums, source: now}
        saved = state.saved.get(source)
        due = saved is None or at_ms - saved[1] >= SAVE_MS
        return Volatility(sums=sums, saved=_texts(sums) if due else state.saved)

    def _sampled(self, last: Sums, price: Price, at_ms: int) -> Sums:
        elapsed_s = S.divide(Decimal(at_ms - last.at_ms), Decimal(1000))
        before = last.price.value
        move = S.divide(S.multiply(S.subtract(price.value, before), BPS), before)
        left = decay(elapsed_s, S.divide(Decimal(self.half_life_ms), Decimal(1000)))
        return Sums(
            price=price,
            at_ms=at_ms,
            a=S.add(S.multiply(last.a, left), S.multiply(move, move)),
            b=S.add(S.multiply(last.b, left), elapsed_s),
        )

    def sigma(self, view: View, state: Volatility) -> Decimal | None:
        """Quantised upwards; None while too little is known, or it is too old."""
        found = state.sums.get(view.source.value)
        if found is None or S.multiply(found.b, Decimal(2000)) < self.half_life_ms:
            return None
        if view.now_ms - found.at_ms > 3 * self.half_life_ms:
            return None
        return ceil4(S.sqrt(S.divide(found.a, found.b)))

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert isinstance(state, Volatility)
        sigma = self.sigma(view, state)
        base = draft.half_bps[Side.BUY]
        widest = max(base, self.max_half_bps)
        half = widest
        if sigma is not None:
            more = S.multiply(S.multiply(self.mult, sigma), self.horizon_root)
            half = clamp(ceil4(S.add(base, more)), base, widest)
        step_bps = draft.step_bps
        if self.scale_levels:
            step_bps = ceil4(S.divide(S.multiply(step_bps, half), base))
        extra = add(half, -base)
        halves = {side: add(bps, extra) for side, bps in draft.half_bps.items()}
        if sigma is None:
            return changed(draft, half_bps=halves, step_bps=step_bps).says(
                self.name,
                "not known yet, so the widest: half-spread {from_bps} -> {half_bps} bps",
                lasting=True,
                from_bps=base,
                half_bps=half,
                sigma="unknown",
            )
        said = draft.told(
            self.name,
            "{sigma} bps/sqrt(s): half-spread {from_bps} -> {half_bps} bps",
            from_bps=base,
            half_bps=half,
            sigma=sigma,
        )
        return changed(draft, half_bps=halves, step_bps=step_bps, said=said)

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, Volatility)
        sigma = self.sigma(view, state)
        return (Measure(name=VOLATILITY.name, value=sigma),)

    def save(self, state: object) -> object:
        assert isinstance(state, Volatility)
        return {source: list(texts) for source, texts in state.saved.items()}


def _texts(sums: Mapping[str, Sums]) -> dict[str, Saved]:
    return {source: (str(s.price), s.at_ms, str(s.a), str(s.b)) for source, s in sums.items()}


def _saved(saved: object, now_ms: int) -> Iterator[tuple[str, Sums]]:
    """What of a saved value can be ours; the rest is as if nothing had been saved."""
    for source, parts in saved.items() if isinstance(saved, dict) else ():
        try:
            price, at_ms, a, b = parts
            sums = Sums(price=Price.of(price), at_ms=int(at_ms), a=exact(a), b=exact(b))
        except (TypeError, ValueError, InvalidOperation):
            continue
        if sums.price.value > 0 and min(sums.a, sums.b) >= 0 and sums.at_ms < now_ms + FUTURE_MS:
            yield str(source), sums


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    mult = options.number(_MULT)
    if not mult:
        return None
    return VolatilitySpread(
        mult=mult,
        half_life_ms=options.ms(_HALF_LIFE),
        horizon_root=S.sqrt(options.number(_HORIZON)),
        sample_ms=options.ms(_SAMPLE),
        max_half_bps=widest(options, quote),
        scale_levels=options.switch(_SCALE),
    )


def widest(options: Options, quote: QuotePolicy) -> Decimal:
    """The largest half-spread there is, three times the base where none is set."""
    return options.number(MAX_HALF) or multiply(quote.half_spread_bps, Decimal(3))


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    most = options.number(MAX_HALF)
    if most and most < quote.half_spread_bps:
        yield MAX_HALF, "it is below MM_HALF_SPREAD_BPS: give at least as much"
    if options.number(_MULT) and options.ms(_SAMPLE) >= 3 * options.ms(_HALF_LIFE):
        yield _SAMPLE, f"every sample would be too old: give less than three times {_HALF_LIFE}"


FEATURE = Feature(
    name="volatility",
    step=VolatilitySpread,
    place=Place.WIDTH,
    options=(
        Option(
            name=_MULT,
            sort=Sort.NUMBER,
            meaning="Widens the half-spread by this many standard deviations of the reference "
            "over the horizon; 0 is off.",
            unit="times",
            least="0",
        ),
        Option(
            name=_HALF_LIFE,
            sort=Sort.SECONDS,
            meaning="After how long a move counts half in the volatility.",
            default="60",
            least="1",
        ),
        Option(
            name=_HORIZON,
            sort=Sort.SECONDS,
            meaning="How long a quote is exposed: the time the volatility is taken over.",
            default="30",
            least="1",
        ),
        Option(
            name=_SAMPLE,
            sort=Sort.SECONDS,
            meaning="Least time between two samples of the reference.",
            default="1",
            least="0",
        ),
        Option(
            name=MAX_HALF,
            sort=Sort.NUMBER,
            meaning="Widest half-spread that volatility or a model may make; 0 is three times "
            "`MM_HALF_SPREAD_BPS`.",
            unit="basis points",
            least="0",
        ),
        Option(
            name=_SCALE,
            sort=Sort.SWITCH,
            meaning="Level steps widen with the half-spread.",
            default="false",
        ),
    ),
    build=_build,
    contradictions=_contradictions,
)

"""From the settings to the sources of spot, in their order: `resolve_sources`.

A list has names and expressions with commas between them; commas inside parentheses belong to
their expression. `pyth:<feed id>` and `coinbase:<product>` name another feed than the one set, so
that a cross rate may take two of a kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fair_anchor.variables import PREFIX, SOURCE_SECTIONS, Models, SpotSettings
from mm_bot.fields.model import Reading
from mm_bot.prices.expression import parse_expression, split_list, split_weight, words
from mm_bot.prices.guarded import GuardPolicy
from mm_bot.prices.median import MedianSpec, MemberSpec
from mm_bot.prices.oracle import OracleSpec
from mm_bot.prices.registry import SOURCES, feed_fits
from mm_bot.prices.spec import FEED_ID, SourceSpec

BOOK, TRADE, MEDIAN = "book", "trade", "median"
EXCHANGE = (BOOK, TRADE)
_SOURCES, _MEDIAN_OF = "FAIR_ANCHOR_SPOT_SOURCES", "FAIR_ANCHOR_MEDIAN_OF"
_ZERO_EX = ("BASE_URL", "SELL_TOKEN", "BUY_TOKEN", "AMOUNT")
_NEEDS: dict[str, tuple[str, ...]] = {
    **{word: (PREFIX + each.model.needed(),) for word, each in SOURCE_SECTIONS.items()},
    "oracle": (f"{PREFIX}ORACLE_ADDRESS", f"{PREFIX}RPC_URL"),
    "0x": tuple(f"{PREFIX}ZERO_EX_{each}" for each in _ZERO_EX),
    MEDIAN: (_MEDIAN_OF,),
}
_BEST = ("strails", "http", "oracle", "0x", "pyth", "coinbase")
_MADE_UP = tuple(word for word, source in SOURCES.items() if source.made_up)
_BY_DEFAULT = (*_BEST, *(word for word in SOURCE_SECTIONS if word not in (*_BEST, *_MADE_UP)))
NAMES = (*_BY_DEFAULT, *_MADE_UP, MEDIAN, *EXCHANGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChoice:
    """One source of spot, as it was asked for."""

    name: str
    """As it was written; a metric's label and the `source` of an answer."""
    spec: SourceSpec | None
    """None for the exchange's own book or last trade."""

    @property
    def is_exchange(self) -> bool:
        return self.spec is None


def guard_of(given: SpotSettings) -> GuardPolicy:
    """What every source is judged by."""
    return GuardPolicy(
        max_age_ms=given.max_age_ms,
        max_deviation_bps=given.max_jump_bps,
        hard_jump_bps=given.hard_jump_bps,
        confirmations=given.confirmations,
        low=given.low,
        high=given.high,
    )


def resolve_sources(reading: Reading, given: Models) -> tuple[SourceChoice, ...]:
    """Best first; what is broken is a fault and left out."""
    return _Sources(reading, given).resolve()


class _Sources:
    """The models that sources are made of."""

    def __init__(self, reading: Reading, given: Models) -> None:
        self._reading = reading
        self._given = given

    def resolve(self) -> tuple[SourceChoice, ...]:
        reading = self._reading
        if reading.is_set(_SOURCES):
            names = split_list(self._given.spot.sources or "")
        else:
            names = [name for name in _BY_DEFAULT if reading.is_set(_NEEDS[name][0])]
            names += EXCHANGE
        if len(set(names)) != len(names):
            reading.fault(_SOURCES, "one is there twice: give each once")
        found: dict[str, SourceChoice] = {}
        for name in names:
            if name in EXCHANGE:
                found[name] = SourceChoice(name=name, spec=None)
            elif (spec := self._spec(_SOURCES, name)) is not None:
                found[name] = SourceChoice(name=_label(name), spec=spec)
        return tuple(found.values())

    def _spec(self, asking: str, text: str) -> SourceSpec | None:
        """The source that `text` describes; None after a fault."""
        known: dict[str, SourceSpec] = {}
        broken = False
        for word in words(text):
            kind, colon, feed = word.partition(":")
            if kind not in _NEEDS or (kind == MEDIAN and asking == _MEDIAN_OF):
                continue  # an operator, or a name that the expression will refuse
            if colon and not feed_fits(kind, feed):
                remedy = f"{kind}:{feed[:16]} names no feed of {kind}: give {kind}"
                self._reading.fault(asking, remedy)
                broken = True
            elif not colon and not self._has(kind):
                broken = True
            elif (spec := self._reading.check(partial(self._one, kind, feed))) is not None:
                known[word] = spec
            else:
                broken = True
        if broken:
            return None
        try:
            return parse_expression(text, known)
        except ValueError:
            valid = ", ".join(name for name in NAMES if name != MEDIAN or asking != _MEDIAN_OF)
            takes = f"{valid}, invert(x) or multiply(x, y), with commas between them"
            if asking == _MEDIAN_OF:
                takes += "; book and trade are no members"
            self._reading.fault(asking, f"{text[:60]!r} is no source: give {takes}")
            return None

    def _has(self, kind: str) -> bool:
        reading = self._reading
        missing = [name for name in _NEEDS[kind] if not reading.is_set(name)]
        for name in missing:
            reading.fault(name, f"the source {kind} needs it: give {reading.takes(name)}")
        return not missing

    def _one(self, kind: str, feed: str) -> SourceSpec | None:
        """The source of one name; `feed` is what stands behind its colon."""
        given = self._given
        if kind == MEDIAN:
            return self._median()
        if kind == "oracle":
            return OracleSpec(
                address=given.oracle.address or "", max_age_ms=given.oracle.max_age_ms
            )
        if kind == "0x":
            return given.zero_ex.spec(given.zero_ex.chain_id or 0)
        return given.sources[kind].spec(given.spot.symbol, feed)

    def _median(self) -> MedianSpec | None:
        reading, given = self._reading, self._given
        median = given.median
        quorum, outlier_bps = median.quorum, median.outlier_bps
        interval_ms, timeout_ms = max(given.service.cache_ms, 100), given.service.timeout_ms
        if given.spot.low > given.spot.high:
            return None
        guard = guard_of(given.spot)
        members = []
        for item in split_list(median.of or ""):
            name, weight = split_weight(item)
            if not weight:
                reading.fault(_MEDIAN_OF, "a member of weight 0 counts nothing: leave it out")
                return None
            spec = self._spec(_MEDIAN_OF, name)
            if spec is None:
                return None
            members.append(MemberSpec(name=_label(name), source=spec, guard=guard, weight=weight))
        if len({member.name for member in members}) != len(members):
            reading.fault(_MEDIAN_OF, "one is there twice: give each once")
        elif quorum > len(members):
            remedy = f"give at most the {len(members)} members there are"
            reading.fault("FAIR_ANCHOR_MEDIAN_QUORUM", remedy)
        else:
            return MedianSpec(
                members=tuple(members),
                quorum=quorum,
                outlier_bps=outlier_bps,
                interval_ms=interval_ms,
                timeout_ms=timeout_ms,
            )
        return None


def _label(text: str) -> str:
    """As it was written, but for the length of feed ids."""
    return FEED_ID.sub(lambda feed: feed[0][:10], text)

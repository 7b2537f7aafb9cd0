"""From the variables to the sources of the anchor: `Parts.resolve`.

A source is a word or an expression of words. `pyth:<feed id>` and `coinbase:<product>` name another
feed than the one set, so that a cross rate may take two of a kind. All sources tell a spot price,
which is carried to a future's expiry, but for those `OF_THIS_MARKET`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mm_bot.fields.model import Reading
from mm_bot.prices.expression import parse_expression, split_list, split_weight, words
from mm_bot.prices.oracle import OracleSpec
from mm_bot.prices.registry import OF_THIS_MARKET, SOURCES, feed_fits
from mm_bot.prices.spec import SourceSettings, SourceSpec, short_feed_id
from mm_bot.settings.anchor_variables import (
    EXPRESSION,
    MEDIAN,
    NO_ANCHOR,
    ORACLE_CARRY,
    AnchorVariables,
)
from mm_bot.settings.anchors import AnchorPart, OnChain, feed_address
from mm_bot.settings.quoting import LimitSettings
from mm_bot.settings.run import MarketSettings

PREFIX = "MM_ANCHOR_"
_ORACLE = ("oracle", ORACLE_CARRY)
WORDS = (*OF_THIS_MARKET, *_ORACLE, *(word for word in SOURCES if word not in OF_THIS_MARKET))
_MEDIAN_OF, _STALE = "MM_ANCHOR_MEDIAN_OF", "MM_STALE_ANCHOR_TIMEOUT_SECONDS"
_AGE_REMEDY = "several sources are told fresh from stale by it: give seconds above 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that a source may need; what is broken is a fault and left out."""

    reading: Reading
    given: AnchorVariables
    sources: Mapping[str, SourceSettings]
    limits: LimitSettings
    market: MarketSettings
    chain: OnChain

    def resolve(self) -> tuple[AnchorPart, ...]:
        """The members of a median, else the one source."""
        word = self.given.source
        setting = f"MM_ANCHOR_SOURCE_TYPE={word}"
        if word == NO_ANCHOR:
            return ()
        if word not in (MEDIAN, EXPRESSION):
            spec = self._of_word("MM_ANCHOR_SOURCE_TYPE", setting, word, word)
            carried = word not in OF_THIS_MARKET
            return () if spec is None else (AnchorPart(name=word, spec=spec, carried=carried),)
        is_median = word == MEDIAN
        name = _MEDIAN_OF if is_median else "MM_ANCHOR_EXPRESSION"
        text = self.given.median_of if is_median else self.given.expression
        if text is None:
            takes = self.reading.takes(name)
            self.reading.fault(name, f"{setting} needs it: give {takes}")
            return ()
        if is_median:
            return self._members(text)
        spec = self._of_text(name, text)
        return () if spec is None else (AnchorPart(name=word, spec=spec, carried=True),)

    def _members(self, text: str) -> tuple[AnchorPart, ...]:
        reading, items = self.reading, split_list(text)
        reading.check(lambda: self._check_quorum(len(items)))
        reading.check(self._check_age)
        found = []
        for item in items:
            name, weight = split_weight(item)
            if not weight:
                reading.fault(_MEDIAN_OF, f"{name} of weight 0 counts nothing: leave it out")
            spec = self._of_text(_MEDIAN_OF, name)
            if spec is not None:
                carried = name not in OF_THIS_MARKET
                short = short_feed_id(name)
                found.append(AnchorPart(name=short, spec=spec, carried=carried, weight=weight))
        if len({part.name for part in found}) != len(found):
            reading.fault(_MEDIAN_OF, "a source is there twice: give each once, with a weight")
        return tuple(found)

    def _check_quorum(self, members: int) -> None:
        if self.given.median_quorum > members:
            remedy = f"{_MEDIAN_OF} has {members}: give at most as many"
            self.reading.fault("MM_ANCHOR_MEDIAN_QUORUM", remedy)

    def _check_age(self) -> None:
        if self.limits.stale_anchor_ms is None:
            self.reading.fault(_STALE, _AGE_REMEDY)

    def _of_text(self, asking: str, text: str) -> SourceSpec | None:
        """The source that a word or an expression describes; None after a fault."""
        known: dict[str, SourceSpec] = {}
        for word in words(text):
            kind = word.partition(":")[0]
            if kind not in WORDS:
                continue  # an operator, or a name that the expression will refuse
            spec = self._of_word(asking, f"{kind} in {asking}", kind, word)
            if kind in _ORACLE:
                self.reading.check(self._check_age)
            if spec is None:
                return None
            known[word] = spec
        try:
            return parse_expression(text, known)
        except ValueError as error:
            valid = f"give {', '.join(WORDS)}, invert(x) or multiply(x, y)"
            self.reading.fault(asking, f"{short_feed_id(str(error))}: {valid}")
            return None

    def _of_word(self, asking: str, setting: str, kind: str, word: str) -> SourceSpec | None:
        """The source of one word; what stands behind its colon is another feed of that kind."""
        feed = word.partition(":")[2]
        if word != kind:
            if not feed_fits(kind, feed):
                remedy = f"{short_feed_id(word)} names no feed of {kind}: give {kind}"
                self.reading.fault(asking, remedy)
                return None
        elif kind in SOURCES:
            needed = PREFIX + SOURCES[kind].needed()
            if not self.reading.is_set(needed):
                takes = self.reading.takes(needed)
                self.reading.fault(needed, f"{setting} needs it: give {takes}")
                return None
        return self.reading.check(lambda: self._build(kind, setting, feed))

    def _build(self, kind: str, setting: str, feed: str) -> SourceSpec | None:
        if kind not in _ORACLE:
            return self.sources[kind].spec(self.market.market_symbol, feed)
        chain_id = self.chain.chain_id
        address = feed_address(self.reading, self.given, self.chain, chain_id, setting)
        if address is None:
            return None
        return OracleSpec(address=address, max_age_ms=self.given.oracle_max_age_ms)

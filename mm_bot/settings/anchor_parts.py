"""From the settings to the sources of the anchor: `resolve_parts`.

A source is a word or an expression of words. `pyth:<feed id>` and `coinbase:<product>` name another
feed than the one set, so that a cross rate may take two of a kind. All sources tell a spot price,
which is carried to a future's expiry, but for `http` and `fixed` alone: these tell the price of
the very market.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mm_bot.prices.expression import feed_fits, parse_expression, split_list, split_weight, words
from mm_bot.prices.specs import (
    CoinbaseSpec,
    FixedSpec,
    HttpSpec,
    OracleSpec,
    PatientSpec,
    PythSpec,
    SourceSpec,
    StrailsSpec,
)
from mm_bot.settings import table as t
from mm_bot.settings import table_anchors as a
from mm_bot.settings import table_run as r
from mm_bot.settings.checks import feed_address
from mm_bot.settings.reading import Reading
from mm_bot.settings.table_run import AnchorSource
from mm_bot.settings.variable import Variable

WORDS = ("fixed", "http", "oracle", "oracle_carry", "pyth", "coinbase", "strails")
_ORACLE = ("oracle", "oracle_carry")
_OF_THIS_MARKET = ("fixed", "http")
_NEEDS: dict[str, Variable[Any]] = {
    "fixed": r.ANCHOR_FIXED_PRICE,
    "http": r.ANCHOR_URL,
    "pyth": a.PYTH_FEED_ID,
    "coinbase": a.COINBASE_PRODUCT_ID,
    "strails": a.STRAILS_API_URL,
}
_AGE_REMEDY = "several sources are told fresh from stale by it: give seconds above 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorPart:
    """One source, as it was asked for."""

    name: str
    """As it was written, feed ids cut short; a metric's label."""
    spec: SourceSpec
    carried: bool
    """Whether it tells a spot price, which a future's expiry is still to be allowed for."""
    weight: Decimal = Decimal(1)


def resolve_parts(reading: Reading) -> tuple[AnchorPart, ...]:
    """The members of a median, else the one source. What is broken is a fault and left out."""
    source = reading[r.ANCHOR_SOURCE_TYPE]
    setting = f"{r.ANCHOR_SOURCE_TYPE.name}={source.value}"
    if source is AnchorSource.NONE:
        return ()
    if source not in (AnchorSource.MEDIAN, AnchorSource.EXPRESSION):
        word = source.value
        spec = _of_word(reading, r.ANCHOR_SOURCE_TYPE, setting, word, word)
        carried = word not in _OF_THIS_MARKET
        return () if spec is None else (AnchorPart(name=word, spec=spec, carried=carried),)
    variable = a.MEDIAN_OF if source is AnchorSource.MEDIAN else a.EXPRESSION
    if not reading.sound(variable):
        return ()
    text = reading[variable]
    if text is None:
        reading.fault(variable, f"{setting} needs it: give {variable.kind.takes}")
        return ()
    if source is AnchorSource.MEDIAN:
        return _members(reading, text)
    spec = _of_text(reading, variable, text)
    return () if spec is None else (AnchorPart(name=source.value, spec=spec, carried=True),)


def _members(reading: Reading, text: str) -> tuple[AnchorPart, ...]:
    found, items = [], split_list(text)
    if reading.sound(a.MEDIAN_QUORUM) and reading[a.MEDIAN_QUORUM] > len(items):
        remedy = f"{a.MEDIAN_OF.name} has {len(items)}: give at most as many"
        reading.fault(a.MEDIAN_QUORUM, remedy)
    if reading.sound(t.STALE_ANCHOR) and reading[t.STALE_ANCHOR] is None:
        reading.fault(t.STALE_ANCHOR, _AGE_REMEDY)
    for item in items:
        name, weight = split_weight(item)
        if not weight:
            reading.fault(a.MEDIAN_OF, f"{name} of weight 0 counts nothing: leave it out")
        spec = _of_text(reading, a.MEDIAN_OF, name)
        if spec is not None:
            found.append(
                AnchorPart(
                    name=a.short_feed_id(name),
                    spec=spec,
                    carried=name not in _OF_THIS_MARKET,
                    weight=weight,
                )
            )
    if len({part.name for part in found}) != len(found):
        reading.fault(a.MEDIAN_OF, "a source is there twice: give each once, with a weight")
    return tuple(found)


def _of_text(reading: Reading, variable: Variable[Any], text: str) -> SourceSpec | None:
    """The source that a word or an expression describes; None after a fault."""
    known: dict[str, SourceSpec] = {}
    for word in words(text):
        kind = word.partition(":")[0]
        if kind not in WORDS:
            continue  # an operator, or a name that the expression will refuse
        spec = _of_word(reading, variable, f"{kind} in {variable.name}", kind, word)
        if spec is None:
            return None
        known[word] = _patient(reading, spec) if kind in _ORACLE else spec
    try:
        return parse_expression(text, known)
    except ValueError as error:
        valid = f"give {', '.join(WORDS)}, invert(x) or multiply(x, y)"
        reading.fault(variable, f"{a.short_feed_id(str(error))}: {valid}")
        return None


def _patient(reading: Reading, spec: SourceSpec) -> SourceSpec:
    """Beside quicker sources the feed keeps its own limit: it is renewed once in hours."""
    if not reading.sound(r.ANCHOR_ORACLE_MAX_AGE, t.STALE_ANCHOR):
        return spec
    oracle_ms, others_ms = reading[r.ANCHOR_ORACLE_MAX_AGE], reading[t.STALE_ANCHOR]
    if others_ms is None:
        reading.fault(t.STALE_ANCHOR, _AGE_REMEDY)
        return spec
    return PatientSpec(of=spec, leeway_ms=oracle_ms - others_ms)


def _of_word(
    reading: Reading, variable: Variable[Any], setting: str, kind: str, word: str
) -> SourceSpec | None:
    """The source of one word; what stands behind its colon is another feed of that kind."""
    feed = word.partition(":")[2]
    if word != kind:
        if not feed_fits(kind, feed):
            reading.fault(variable, f"{a.short_feed_id(word)} names no feed of {kind}: give {kind}")
            return None
    elif kind in _NEEDS and not reading.is_set(_NEEDS[kind]):
        needed = _NEEDS[kind]
        reading.fault(needed, f"{setting} needs it: give {needed.kind.takes}")
        return None
    if kind in _ORACLE:
        if not reading.sound(t.CHAIN_ID):
            return None
        address = feed_address(reading, reading[t.CHAIN_ID], setting)
        return None if address is None else OracleSpec(address=address)
    if not reading.sound(*a.sources.variables, *r.anchors.variables, t.MARKET_SYMBOL):
        return None
    return _build(reading, kind, feed)


def _build(reading: Reading, kind: str, feed: str) -> SourceSpec:
    match kind:
        case "pyth":
            return PythSpec(
                feed_id=feed or reading[a.PYTH_FEED_ID] or "",
                base_url=reading[a.PYTH_BASE_URL],
                key=reading[a.PYTH_API_KEY],
                key_header=reading[a.PYTH_API_KEY_HEADER],
                max_confidence_bps=reading[a.PYTH_MAX_CONFIDENCE_BPS],
            )
        case "coinbase":
            product = feed or reading[a.COINBASE_PRODUCT_ID] or ""
            return CoinbaseSpec(product_id=product.upper(), url=reading[a.COINBASE_URL])
        case "strails":
            return StrailsSpec(
                base_url=reading[a.STRAILS_API_URL] or "",
                api_key=reading[a.STRAILS_API_KEY],
                pair=reading[a.STRAILS_PAIR],
            )
        case "http":
            return HttpSpec(url=reading[r.ANCHOR_URL] or "", market=reading[t.MARKET_SYMBOL])
    price = reading[r.ANCHOR_FIXED_PRICE]
    assert kind == "fixed", kind
    assert price is not None, "else a fault"
    return FixedSpec(price=price)

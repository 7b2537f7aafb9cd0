"""From the settings to the sources of spot, in their order: `resolve_sources`.

A list has names and expressions with commas between them; commas inside parentheses belong to
their expression. `pyth:<feed id>` and `coinbase:<product>` name another feed than the one set, so
that a cross rate may take two of a kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fair_anchor import settings_table as t
from fair_anchor.reading import Reading
from fair_anchor.variable import Variable
from mm_bot.prices.expression import (
    FEED_ID,
    feed_fits,
    parse_expression,
    split_list,
    split_weight,
    words,
)
from mm_bot.prices.guarded import GuardPolicy
from mm_bot.prices.specs import (
    CoinbaseSpec,
    FixedSpec,
    HttpSpec,
    MedianSpec,
    MemberSpec,
    OracleSpec,
    PythSpec,
    SourceSpec,
    StrailsSpec,
    ZeroExSpec,
)

BOOK, TRADE, MEDIAN = "book", "trade", "median"
EXCHANGE = (BOOK, TRADE)
NAMES = ("strails", "http", "oracle", "0x", "pyth", "coinbase", "fixed", MEDIAN, *EXCHANGE)

_NEEDS: dict[str, tuple[Variable[Any], ...]] = {
    "strails": (t.STRAILS_API_URL,),
    "http": (t.HTTP,),
    "oracle": (t.ORACLE_ADDRESS, t.RPC_URL),
    "0x": (t.ZERO_EX_BASE_URL, t.ZERO_EX_SELL_TOKEN, t.ZERO_EX_BUY_TOKEN, t.ZERO_EX_AMOUNT),
    "pyth": (t.PYTH_FEED_ID,),
    "coinbase": (t.COINBASE_PRODUCT_ID,),
    "fixed": (t.FIXED_PRICE,),
    MEDIAN: (t.MEDIAN_OF,),
}
_BY_DEFAULT = ("strails", "http", "oracle", "0x", "pyth", "coinbase")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChoice:
    """One source of spot, as it was asked for."""

    name: str
    """As it was written; a metric's label and the `source` of an answer."""
    spec: SourceSpec | None
    """None for the exchange's own book or last trade."""
    max_age_ms: int | None = None
    """Its own maximum age; None is that of all."""

    @property
    def is_exchange(self) -> bool:
        return self.spec is None


def resolve_sources(reading: Reading) -> tuple[SourceChoice, ...]:
    """Best first; what is broken is a fault and left out."""
    if reading.is_set(t.SPOT_SOURCES):
        names = split_list(reading[t.SPOT_SOURCES] or "")
    else:
        names = [name for name in _BY_DEFAULT if reading.is_set(_NEEDS[name][0])]
        names += EXCHANGE
    if len(set(names)) != len(names):
        reading.fault(t.SPOT_SOURCES, "one is there twice: give each once")
    found: dict[str, SourceChoice] = {}
    for name in names:
        if name in EXCHANGE:
            found[name] = SourceChoice(name=name, spec=None)
        elif (spec := _spec(reading, t.SPOT_SOURCES, name)) is not None:
            found[name] = SourceChoice(
                name=_label(name), spec=spec, max_age_ms=_own_age_ms(reading, name)
            )
    return tuple(found.values())


def _spec(reading: Reading, asking: Variable[Any], text: str) -> SourceSpec | None:
    """The source that `text` describes; None after a fault."""
    known: dict[str, SourceSpec] = {}
    broken = False
    for word in words(text):
        kind, colon, feed = word.partition(":")
        if kind not in _NEEDS or (kind == MEDIAN and asking is t.MEDIAN_OF):
            continue  # an operator, or a name that the expression will refuse
        if colon and not feed_fits(kind, feed):
            reading.fault(asking, f"{kind}:{feed[:16]} names no feed of {kind}: give {kind}")
            broken = True
        elif not colon and not _has(reading, kind, asking):
            broken = True
        elif (spec := _one(reading, kind, feed)) is not None:
            known[word] = spec
        else:
            broken = True
    if broken:
        return None
    try:
        return parse_expression(text, known)
    except ValueError:
        valid = ", ".join(name for name in NAMES if name != MEDIAN or asking is not t.MEDIAN_OF)
        takes = f"{valid}, invert(x) or multiply(x, y), with commas between them"
        if asking is t.MEDIAN_OF:
            takes += "; book and trade are no members"
        reading.fault(asking, f"{text[:60]!r} is no source: give {takes}")
        return None


def _has(reading: Reading, kind: str, asking: Variable[Any]) -> bool:
    missing = [variable for variable in _NEEDS[kind] if not reading.is_set(variable)]
    for variable in missing:
        reading.fault(variable, f"the source {kind} needs it: give {variable.kind.takes}")
    return not missing


def _one(reading: Reading, kind: str, feed: str) -> SourceSpec | None:
    """The source of one name; `feed` is what stands behind its colon."""
    if kind == MEDIAN:
        return _median(reading)
    if not reading.sound(*t.sources.variables):
        return None
    match kind:
        case "pyth":
            key = reading[t.PYTH_API_KEY]
            return PythSpec(
                feed_id=feed or reading[t.PYTH_FEED_ID] or "",
                base_url=reading[t.PYTH_BASE_URL],
                key=key,
                key_header=reading[t.PYTH_API_KEY_HEADER] if key else None,
                max_confidence_bps=reading[t.PYTH_MAX_CONFIDENCE_BPS],
            )
        case "coinbase":
            product = feed or reading[t.COINBASE_PRODUCT_ID] or ""
            return CoinbaseSpec(product_id=product.upper(), url=reading[t.COINBASE_URL])
        case "strails":
            return StrailsSpec(
                base_url=reading[t.STRAILS_API_URL] or "",
                api_key=reading[t.STRAILS_API_KEY],
                pair=reading[t.STRAILS_PAIR],
            )
        case "http":
            market = reading[t.SPOT_SYMBOL] if reading.sound(t.SPOT_SYMBOL) else ""
            return HttpSpec(url=reading[t.HTTP] or "", market=market)
        case "oracle":
            return OracleSpec(address=reading[t.ORACLE_ADDRESS] or "")
        case "0x":
            return ZeroExSpec(
                base_url=reading[t.ZERO_EX_BASE_URL] or "",
                api_key=reading[t.ZERO_EX_API_KEY],
                chain_id=reading[t.ZERO_EX_CHAIN_ID],
                sell_token=reading[t.ZERO_EX_SELL_TOKEN] or "",
                buy_token=reading[t.ZERO_EX_BUY_TOKEN] or "",
                amount=reading[t.ZERO_EX_AMOUNT] or 0,
            )
    price = reading[t.FIXED_PRICE]
    assert kind == "fixed", kind
    assert price is not None, "else a fault"
    return FixedSpec(price=price)


def _median(reading: Reading) -> MedianSpec | None:
    needed = (t.MEDIAN_OF, t.MEDIAN_QUORUM, t.MEDIAN_OUTLIER_BPS, t.TIMEOUT, t.CACHE)
    limits = (t.MAX_SPOT_AGE, t.MAX_JUMP_BPS, t.CONFIRMATIONS, t.MIN_SPOT_PRICE, t.MAX_SPOT_PRICE)
    if not reading.sound(*needed, *limits) or reading[t.MIN_SPOT_PRICE] > reading[t.MAX_SPOT_PRICE]:
        return None
    guard = GuardPolicy(
        max_age_ms=reading[t.MAX_SPOT_AGE],
        max_deviation_bps=reading[t.MAX_JUMP_BPS],
        confirmations=reading[t.CONFIRMATIONS],
        low=reading[t.MIN_SPOT_PRICE],
        high=reading[t.MAX_SPOT_PRICE],
    )
    members = []
    for item in split_list(reading[t.MEDIAN_OF] or ""):
        name, weight = split_weight(item)
        if not weight:
            reading.fault(t.MEDIAN_OF, "a member of weight 0 counts nothing: leave it out")
            return None
        spec = _spec(reading, t.MEDIAN_OF, name)
        if spec is None:
            return None
        age_ms = _own_age_ms(reading, name)
        own = guard if age_ms is None else replace(guard, max_age_ms=age_ms)
        members.append(MemberSpec(name=_label(name), source=spec, guard=own, weight=weight))
    quorum = reading[t.MEDIAN_QUORUM]
    if len({member.name for member in members}) != len(members):
        reading.fault(t.MEDIAN_OF, "one is there twice: give each once")
    elif quorum > len(members):
        reading.fault(t.MEDIAN_QUORUM, f"give at most the {len(members)} members there are")
    else:
        return MedianSpec(
            members=tuple(members),
            quorum=quorum,
            outlier_bps=reading[t.MEDIAN_OUTLIER_BPS],
            interval_ms=max(reading[t.CACHE], 100),
            timeout_ms=reading[t.TIMEOUT],
        )
    return None


def _own_age_ms(reading: Reading, name: str) -> int | None:
    sound = name == "oracle" and reading.sound(t.ORACLE_MAX_AGE)
    return reading[t.ORACLE_MAX_AGE] if sound else None


def _label(text: str) -> str:
    """As it was written, but for the length of feed ids."""
    return FEED_ID.sub(lambda feed: feed[0][:10], text)

"""The gauges of what the bot looks at: how old each source is, what it said, and the reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal

from mm_bot.core.reference import ReferenceSource
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.observe.gauge import SOURCES, Gauge, Number, Values, flags
from mm_bot.observe.view import View, seconds


def data_gauges() -> Iterator[Gauge]:
    yield _age(
        "mm_bot_exchange_market_data_freshness_age_seconds",
        "Age of the exchange's data (book, trades, own orders), the oldest of them",
        lambda v: seconds(v.decision.freshness.market_data_ms),
    )
    yield _age(
        "mm_bot_balance_freshness_age_seconds",
        "Age of the balances, by the time of the block they were read at",
        lambda v: seconds(v.decision.freshness.balances_ms),
    )
    yield _age(
        "mm_bot_anchor_freshness_age_seconds",
        "Age of the anchor price, by its own time where it tells one",
        lambda v: seconds(v.decision.freshness.anchor_ms),
    )
    yield Gauge(
        name="mm_bot_clock_ahead_seconds",
        help="How far a clock of the exchange is ahead of ours, negative where behind; 0 where "
        "both may agree, NaN where it does not tell.",
        labels={"clock": ("api", "node")},
        start=math.nan,
        read=lambda v: {
            (clock.name,): seconds(clock.ahead_ms) for clock in v.decision.snapshot.venue.clocks
        },
    )
    yield Gauge(
        name="mm_bot_source_age_seconds",
        help="Age of the last good answer of each source; NaN where there is none.",
        labels={"source": SOURCES},
        start=math.nan,
        read=_source_ages,
    )


def price_gauges(anchor_sources: tuple[str, ...]) -> Iterator[Gauge]:
    yield Gauge(
        name="mm_bot_reference_source",
        help="1 for where the reference price comes from now, 0 for the others.",
        labels={"source": tuple(source.value for source in ReferenceSource)},
        read=lambda v: flags([v.decision.reference.source.value]),
    )
    yield _price(
        "mm_bot_reference_price",
        "The price that quotes are set around",
        lambda v: v.decision.reference.price.value if v.decision.reference.price else None,
    )
    yield _price(
        "mm_bot_anchor_price",
        "The anchor's last good price",
        lambda v: _price_of(v.decision.snapshot.anchor),
    )
    yield Gauge(
        name="mm_bot_anchor_deviation_bps",
        help="Distance of the local reference from the anchor, in basis points of the anchor, "
        "never negative; NaN where one is missing.",
        start=math.nan,
        read=lambda v: v.decision.reference.deviation_bps,
    )
    yield Gauge(
        name="mm_bot_external_anchor_present",
        help="1 while the external bootstrap anchor has an accepted price, else 0.",
        read=lambda v: _price_of(v.decision.snapshot.external) is not None,
    )
    yield _age(
        "mm_bot_external_anchor_age_seconds",
        "Age of the external bootstrap anchor's accepted price",
        _external_age_s,
    )
    yield _price(
        "mm_bot_external_anchor_price",
        "The external bootstrap anchor's accepted price",
        lambda v: _price_of(v.decision.snapshot.external),
    )
    yield Gauge(
        name="mm_bot_anchor_source_used",
        help="1 for each source that an anchor's last good price was made from, 0 for the others.",
        labels={"source": anchor_sources},
        read=_sources_used,
    )
    yield Gauge(
        name="mm_bot_anchor_widening_bps",
        help="By how much each half-spread grows because the anchor's sources disagree.",
        read=lambda v: v.decision.snapshot.anchor.widening_bps if v.decision.snapshot.anchor else 0,
    )


def _age(name: str, what: str, read: Callable[[View], Values]) -> Gauge:
    text = f"{what}, in seconds; NaN where there is none."
    return Gauge(name=name, help=text, start=math.nan, read=read)


def _price(name: str, what: str, read: Callable[[View], Values]) -> Gauge:
    text = f"{what}, quote per base; NaN where there is none."
    return Gauge(name=name, help=text, start=math.nan, read=read)


def _source_ages(view: View) -> Values:
    fresh = view.decision.freshness
    ages = (fresh.book_ms, fresh.trades_ms, fresh.orders_ms, fresh.balances_ms)
    every = (*ages, fresh.anchor_ms, fresh.external_ms)
    return {(name,): seconds(age) for name, age in zip(SOURCES, every, strict=True)}


def _external_age_s(view: View) -> Number:
    if _price_of(view.decision.snapshot.external) is None:
        return None
    return seconds(view.decision.freshness.external_ms)


def _sources_used(view: View) -> Values:
    quotes = (view.decision.snapshot.anchor, view.decision.snapshot.external)
    good = [quote for quote in quotes if quote is not None and quote.price is not None]
    return flags(name for quote in good for name in quote.used or (quote.source,))


def _price_of(quote: AnchorQuote | None) -> Decimal | None:
    return quote.price.value if quote is not None and quote.price is not None else None

"""Tapes made by hand, in ticks of 1 and lots of 1, and an experiment to trade them."""

from __future__ import annotations

from dataclasses import replace

from mm_bot.backtest.arrays import BUY, DEPTH, SEEN, SELL, TRADE, events
from mm_bot.backtest.engine import Exchange
from mm_bot.backtest.experiment import Account, Experiment
from mm_bot.backtest.generate import BEGINS_NS, Generated
from mm_bot.backtest.tape import NS_A_SECOND, Market, Tape

MARKET = Market(symbol="HAND", base="BASE", quote="QUOTE", tick="1", lot="1")
BID, ASK = BUY | DEPTH, SELL | DEPTH
SOLD, BOUGHT = SELL | TRADE, BUY | TRADE
Row = tuple[float, int, float, float]
"""(second, kind, price, quantity)."""


def tape(*rows: Row, feed_ms: float = 0) -> Tape:
    """The rows at those seconds of the exchange, seen `feed_ms` later."""
    late_ns = round(feed_ms * 1_000_000)
    made = [
        (SEEN | kind, at := BEGINS_NS + round(second * NS_A_SECOND), at + late_ns, price, quantity)
        for second, kind, price, quantity in rows
    ]
    return Tape(market=MARKET, events=events(made), about="by hand")


def book(second: float, bid: float, ask: float, quantity: float = 1_000) -> tuple[Row, Row]:
    return (second, BID, bid, quantity), (second, ASK, ask, quantity)


CALM = (*book(0, 900, 1_100), (60, BID, 899, 1))
"""A mid of 1000 for a minute: quotes of 100 bps are at 990 and 1010."""
QUOTING = {
    "MM_ORDER_SIZE": "5",
    "MM_HALF_SPREAD_BPS": "100",
    "MM_INVENTORY_SKEW_BPS": "0",
    "MM_MAX_LONG_INVENTORY": "1000",
    "MM_MAX_SHORT_INVENTORY": "-1000",
    "MM_POLL_INTERVAL_MS": "1000",
    "MM_MAX_CANCELS_PER_MINUTE": "0",
    "MM_CANCEL_STALE_ORDER_THRESHOLD_BPS": "1",
}
BY_HAND = Experiment(
    strategy=QUOTING, exchange=Exchange(queue="risk-averse"), account=Account(quote="100000000")
)
SHORT = Experiment(
    generated=Generated(seconds=45, a="1", sigma="0.05"),
    market=Market(symbol="GENERATED", base="BASE", quote="QUOTE", tick="0.001", lot="1"),
    strategy={**QUOTING, "MM_ORDER_SIZE": "1", "MM_HALF_SPREAD_BPS": "3"},
)


def with_variables(**more: str) -> Experiment:
    return replace(BY_HAND, strategy={**QUOTING, **more})

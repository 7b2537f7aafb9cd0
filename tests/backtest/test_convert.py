"""Public formats become the same market: levels as they changed, prints by who took."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mm_bot.backtest.arrays import AT_EXCHANGE, AT_US, SEEN
from mm_bot.backtest.convert import convert, in_both_orders
from mm_bot.backtest.tape import Market
from mm_bot.errors import SettingsError

MARKET = Market(symbol="X", base="B", quote="Q", tick="1", lot="1")
MS = 1_000_000
WANTED = [
    ("bid", 99.0, 5.0, 1_000),
    ("ask", 101.0, 7.0, 1_000),
    ("sold", 99.0, 2.0, 1_010),
    ("bid", 99.0, 3.0, 1_011),
    ("ask", 101.0, 0.0, 1_020),
    ("ask", 102.0, 1.0, 1_020),
]
"""(what, price, quantity, exchange's ms); each is seen two milliseconds later."""


def _stamped(*messages: tuple[int, object]) -> bytes:
    lines = (f"{(at_ms + 2) * MS} {json.dumps(message)}" for at_ms, message in messages)
    return "\n".join(lines).encode() + b"\n"


def _binance() -> bytes:
    def change(at: int, bids: list[list[str]], asks: list[list[str]]) -> tuple[int, object]:
        return at, {
            "stream": "x@depth",
            "data": {"e": "depthUpdate", "T": at, "b": bids, "a": asks},
        }

    return gzip.compress(
        _stamped(
            change(1_000, [["99", "5"]], [["101", "7"]]),
            (1_005, {"data": {"e": "bookTicker", "b": "99"}}),
            (1_010, {"data": {"e": "trade", "T": 1_010, "p": "99", "q": "2", "m": True}}),
            change(1_011, [["99", "3"]], []),
            change(1_020, [], [["101", "0"], ["102", "1"]]),
        )
    )


def _hyperliquid() -> bytes:
    def book(at: int, bid: tuple[str, str], ask: tuple[str, str]) -> tuple[int, object]:
        levels = [[{"px": px, "sz": sz, "n": 1}] for px, sz in (bid, ask)]
        return at, {"channel": "l2Book", "data": {"time": at, "levels": levels}}

    def trade(told: int, at: int) -> tuple[int, object]:
        of = {"px": "99", "sz": "2", "side": "A", "time": at}
        return told, {"channel": "trades", "data": [of]}

    return _stamped(
        trade(900, 100),
        book(1_000, ("99", "5"), ("101", "7")),
        trade(1_001, 200),
        trade(1_010, 1_010),
        book(1_011, ("99", "3"), ("101", "7")),
        book(1_020, ("99", "3"), ("102", "1")),
    )


def _coinbase() -> bytes:
    def book(at: int, kind: str, *updates: tuple[str, str, str]) -> tuple[int, object]:
        names = ("side", "price_level", "new_quantity")
        event = {"type": kind, "updates": [dict(zip(names, u, strict=True)) for u in updates]}
        return at, {"channel": "l2_data", "timestamp": _iso(at), "events": [event]}

    trade = {"price": "99", "size": "2", "side": "BUY", "time": _iso(1_010)}
    return _stamped(
        book(1_000, "snapshot", ("bid", "99", "5"), ("offer", "101", "7")),
        (1_010, {"channel": "market_trades", "events": [{"type": "update", "trades": [trade]}]}),
        book(1_011, "update", ("bid", "99", "3")),
        book(1_020, "update", ("offer", "101", "0"), ("offer", "102", "1")),
    )


def _iso(at_ms: int) -> str:
    return f"1970-01-01T00:00:0{at_ms // 1_000}.{at_ms % 1_000:03d}Z"


def _tardis() -> bytes:
    book = ["exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"]
    for what, price, quantity, at in WANTED:
        if what != "sold":
            snapshot = str(at == 1_000).lower()
            book.append(f"e,x,{at * 1000},{(at + 2) * 1000},{snapshot},{what},{price},{quantity}")
    return "\n".join(book).encode()


TRADES = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n" + (
    b"e,x,1010000,1012000,7,sell,99,2\n"
)


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("binance", [_binance()]),
        ("hyperliquid", [_hyperliquid()]),
        ("coinbase", [_coinbase()]),
        ("tardis", [_tardis(), TRADES]),
    ],
)
def test_each_format_tells_the_same_market(form: str, files: list[bytes], tmp_path: Path) -> None:
    """The same levels, sizes, prints and times out of each, what came before the book left out."""
    paths = []
    for i, content in enumerate(files):
        paths.append(tmp_path / f"{i}.data")
        paths[-1].write_bytes(content)
    rows = convert(form, paths, MARKET).events
    kinds = {(1, 1): "bid", (1, 0): "ask", (2, 0): "sold", (2, 1): "bought"}
    told = [
        (
            kinds[int(ev) & 0xFF, int(ev) >> 29 & 1],
            float(px),
            float(qty),
            int(exch) // MS,
        )
        for ev, px, qty, exch in zip(
            rows["ev"], rows["px"], rows["qty"], rows["exch_ts"], strict=True
        )
    ]
    assert told == WANTED
    assert (rows["local_ts"] - rows["exch_ts"] == 2 * MS).all()


def test_rows_that_overtake_each_other_stand_for_each_clock() -> None:
    """A row seen before an older one is in the exchange's order once, and once in ours."""
    rows = in_both_orders([(1, 10, 30, 1.0, 1.0), (1, 20, 25, 2.0, 1.0), (1, 40, 50, 3.0, 1.0)])
    at_exchange = [float(row["px"]) for row in rows if int(row["ev"]) & AT_EXCHANGE]
    at_us = [float(row["px"]) for row in rows if int(row["ev"]) & AT_US]
    assert (at_exchange, at_us) == ([1.0, 2.0, 3.0], [2.0, 1.0, 3.0])
    assert sum(int(row["ev"]) & SEEN == SEEN for row in rows) == 2


def test_a_file_of_another_format_is_named_with_its_line(tmp_path: Path) -> None:
    """Not a traceback."""
    path = tmp_path / "x.txt"
    path.write_bytes(_binance_line() + b"nonsense\n")
    with pytest.raises(SettingsError, match=r"x\.txt:2 is no such message"):
        convert("binance", [path], MARKET)


def _binance_line() -> bytes:
    return gzip.decompress(_binance()).split(b"\n")[0] + b"\n"

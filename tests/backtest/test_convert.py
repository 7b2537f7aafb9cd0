"""Public formats become the same market: levels as they changed, prints by who took."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mm_bot.backtest.arrays import AT_EXCHANGE, AT_US, BUY, SEEN, events
from mm_bot.backtest.convert import convert
from mm_bot.backtest.recording import in_both_orders
from mm_bot.backtest.tape import Market, Tape
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


def _binance(unit: int = 1) -> bytes:
    """Of the futures, or with `unit` 1000 of spot in microseconds: no time but the event's."""
    numbers = iter(range(1, 10))

    def change(at: int, bids: list[list[str]], asks: list[list[str]]) -> tuple[int, object]:
        number = next(numbers)
        of = {"pu": number - 1, "T": at} if unit == 1 else {}
        told = {"e": "depthUpdate", "E": at * unit, "s": "X", "U": number, "u": number, **of}
        return at, {"stream": "x@depth", "data": {**told, "b": bids, "a": asks}}

    def trade(kind: str, cause: str) -> tuple[int, object]:
        told = {"e": kind, "E": 1_010 * unit, "T": 1_010 * unit, "s": "X", "t": 7}
        return 1_010, {"data": {**told, "p": "99", "q": "2", "X": cause, "m": True}}

    return gzip.compress(
        _stamped(
            change(1_000, [["99", "5"]], [["101", "7"]]),
            (1_005, {"data": {"e": "bookTicker", "b": "99"}}),
            trade("trade", "MARKET"),
            trade("aggTrade", "MARKET"),
            trade("trade", "INSURANCE_FUND"),
            change(1_011, [["99", "3"]], []),
            change(1_020, [], [["101", "0"], ["102", "1"]]),
        )
    )


def _binance_whole() -> bytes:
    """Partial depth: each message is the whole of the best levels."""

    def book(at: int, bid: list[str], ask: list[str]) -> tuple[int, object]:
        told = {"e": "depthUpdate", "E": at, "T": at, "s": "X", "U": at, "u": at, "pu": 1}
        return at, {"stream": "x@depth5@100ms", "data": {**told, "b": [bid], "a": [ask]}}

    told = {"e": "trade", "E": 1_010, "T": 1_010, "s": "X", "p": "99", "q": "2", "m": True}
    return _stamped(
        book(1_000, ["99", "5"], ["101", "7"]),
        (1_010, told),
        book(1_011, ["99", "3"], ["101", "7"]),
        book(1_020, ["99", "3"], ["102", "1"]),
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
    return "\r\n".join(book).encode()


TRADES = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n" + (
    b"e,x,1010000,1012000,7,sell,99,2\n"
)


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("binance", [_binance()]),
        ("binance", [_binance(unit=1_000)]),
        ("binance", [_binance_whole()]),
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


def test_a_late_snapshot_keeps_what_changed_after_it(tmp_path: Path) -> None:
    """Binance's REST answer is of the moment it was taken: later changes that came before it stay,
    older ones that come after it are left out, and nothing is missing between them."""
    changes = [
        {"e": "depthUpdate", "E": 1_000, "U": 11, "u": 12, "b": [["99", "5"]], "a": []},
        {"e": "depthUpdate", "E": 1_001, "U": 13, "u": 14, "b": [["98", "4"]], "a": []},
        {"lastUpdateId": 12, "bids": [["99", "1"], ["97", "2"]], "asks": [["101", "7"]]},
        {"e": "depthUpdate", "E": 1_002, "U": 11, "u": 12, "b": [["97", "9"]], "a": []},
        {"e": "depthUpdate", "E": 1_003, "U": 15, "u": 15, "b": [["99", "3"]], "a": []},
    ]
    file = tmp_path / "x.txt"
    file.write_bytes(_stamped(*((1_000 + i, each) for i, each in enumerate(changes))))
    made = convert("binance", [file], MARKET)
    assert _book(made) == {("bid", 99): 3, ("bid", 98): 4, ("bid", 97): 2, ("ask", 101): 7}
    assert made.about == "binance: x.txt"


@pytest.mark.parametrize(("begins", "missing"), [(145, False), (160, False), (162, True)])
def test_the_first_change_of_futures_after_a_snapshot_may_overlap_it(
    begins: int, missing: bool, tmp_path: Path
) -> None:
    """It names the change before it, which the snapshot has already; only one that begins after
    the snapshot's next number shows that something is missing."""
    told = {"e": "depthUpdate", "E": 1_002, "T": 1_002, "U": begins, "u": 170, "pu": 140}
    whole = {"lastUpdateId": 160, "E": 1_000, "T": 1_000, "bids": [["99", "1"]], "asks": []}
    file = tmp_path / "x.txt"
    change = {**told, "b": [["99", "2"]], "a": []}
    file.write_bytes(_stamped((1_000, whole), (1_002, change)))
    made = convert("binance", [file], MARKET)
    assert (_book(made), "missing" in made.about) == ({("bid", 99): 2}, missing)


def _book(tape: Tape) -> dict[tuple[str, int], float]:
    """The levels at its end."""
    rows = {
        ("bid" if int(row["ev"]) & BUY else "ask", int(row["px"])): float(row["qty"])
        for row in tape.events
    }
    return {level: quantity for level, quantity in rows.items() if quantity}


def test_a_snapshot_in_the_middle_takes_no_level_away_that_it_has(tmp_path: Path) -> None:
    """Tardis's rows of a snapshot are one book: our place in a level's queue does not begin anew,
    and a level that it lacks is gone."""
    file = tmp_path / "x.csv"
    again = ["e,x,1030000,1032000,true,bid,99,3", "e,x,1030000,1032000,true,bid,98,1"]
    file.write_bytes(_tardis() + "\n".join(["", *again]).encode())
    rows = convert("tardis", [file], MARKET).events
    at_the_end = [(float(row["px"]), float(row["qty"])) for row in rows[-2:]]
    assert at_the_end == [(102, 0), (98, 1)]


@pytest.mark.parametrize(
    ("form", "first", "second"),
    [
        ("binance", {"e": "depthUpdate", "E": 1_000, "U": 1, "u": 1, "b": [["99", "1"]], "a": []},
         {"e": "depthUpdate", "E": 1_001, "U": 3, "u": 3, "b": [["99", "2"]], "a": []}),
        ("coinbase", {"channel": "l2_data", "sequence_num": 0, "timestamp": "1970-01-01T00:00:01Z",
         "events": [{"type": "snapshot", "product_id": "X", "updates": [
             {"side": "bid", "price_level": "99", "new_quantity": "1"}]}]},
         {"channel": "heartbeats", "sequence_num": 2, "events": []}),
    ],
)  # fmt: skip
def test_a_gap_in_the_messages_is_told(
    form: str, first: object, second: object, tmp_path: Path
) -> None:
    """By the exchange's own numbers; the sentence stands in every report made from the tape."""
    file = tmp_path / "x.txt"
    file.write_bytes(_stamped((1_000, first), (1_001, second)))
    assert convert(form, [file], MARKET).about.endswith("messages are missing in 1 places")


def test_rows_that_overtake_each_other_stand_for_each_clock() -> None:
    """A row seen before an older one is in the exchange's order once, and once in ours."""
    rows = in_both_orders(
        events([(1, 10, 30, 1.0, 1.0), (1, 20, 25, 2.0, 1.0), (1, 40, 50, 3.0, 1.0)])
    )
    at_exchange = [float(row["px"]) for row in rows if int(row["ev"]) & AT_EXCHANGE]
    at_us = [float(row["px"]) for row in rows if int(row["ev"]) & AT_US]
    assert (at_exchange, at_us) == ([1.0, 2.0, 3.0], [2.0, 1.0, 3.0])
    assert sum(int(row["ev"]) & SEEN == SEEN for row in rows) == 2


LEVEL = {"e": "depthUpdate", "E": 1_000, "s": "X", "u": 1, "b": [["99", "5"]], "a": []}
ROW = "e,x,1000000,1002000,true,bid,99,5"
HEADER = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"


@pytest.mark.parametrize(
    ("form", "content", "told"),
    [
        ("binance", _stamped((1_000, LEVEL)) + b"nonsense\n", r"x:2 is no line of format binance"),
        ("binance", _stamped((1_000, LEVEL)) + b"\n1002000000 [1]\n", r"x:3 is no line"),
        ("binance", _stamped((1_000, LEVEL), (1_001, {**LEVEL, "s": "Y"})), r"x:2 .* one market"),
        ("binance", _stamped((1_000, {**LEVEL, "b": [["99.5", "5"]]})), r"x:1 .* of the tick 1"),
        ("binance", _stamped((1_000, {**LEVEL, "b": [["99", "-5"]]})), r"x:1 .* quantity -5"),
        ("binance", _stamped((1_000, {**LEVEL, "b": [["nan", "5"]]})), r"x:1 .* price nan"),
        ("binance", _stamped((10**9, LEVEL)), r"x:1 .* are the units right"),
        ("binance", gzip.compress(_stamped((1_000, LEVEL)))[:-9], r"x cannot be read"),
        ("binance", gzip.compress(b"a" * 99)[:12] + b"\xff" * 30, r"x cannot be read"),
        ("binance", b"\xff\xfe", r"x cannot be read"),
        ("binance", b"", r"x: no book of format binance"),
        ("hyperliquid", _binance(), r"x: no book of format hyperliquid"),
        ("tardis", f"{ROW}\n".encode(), r"x:1 is no header of format tardis: it has no symbol"),
        ("tardis", f"{HEADER}\n{ROW},1\n".encode(), r"x:2 is no line of format tardis"),
        ("tardis", f"{HEADER}\n{ROW[:-1]}x\n".encode(), r"x:2 is no line of format tardis"),
        ("tardis", f"{HEADER}\n{HEADER}\n".encode(), r"x:2 is no line of format tardis"),
        ("tardis", f"{HEADER}\n{ROW.replace('true', 'yes')}\n".encode(), r"x:2 .* 'yes'"),
    ],
    ids=range(17),
)  # fmt: skip
def test_what_is_not_of_the_format_is_named_with_its_line(
    form: str, content: bytes, told: str, tmp_path: Path
) -> None:
    """The file, the line, what is wrong with it: never a traceback, never a tape of nonsense."""
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        convert(form, [path], MARKET)

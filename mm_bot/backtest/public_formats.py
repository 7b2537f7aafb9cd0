"""What public streams and files say, as changes of a `Recording`: one class a format.

Fields are those of the publishers' documentation, read in November 2026: Binance's spot and futures
market streams and "how to manage a local order book", Hyperliquid's WebSocket subscriptions,
Coinbase's Advanced Trade channels level2 and market_trades, Tardis's CSV data types. Values are
texts or numbers; a ValueError, KeyError or the like is a line that is not of the format.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from mm_bot.backtest.recording import At, Recording
from mm_bot.core.instrument import Side

Message = Mapping[str, Any]
_REMEMBERED: Final = 4_096
"""So many changes may come before the answer to the snapshot that was asked for."""


class Format(Protocol):
    """Reads messages with the unix nanoseconds at which we saw them."""

    def take(self, message: Message, local_ns: int) -> None: ...

    def end(self) -> None: ...


class Binance:
    """Spot and futures: depthUpdate, partial depth (`@depth20`), trade or aggTrade, and the
    snapshot that the REST interface answers. Times are milliseconds, or with
    `timeUnit=MICROSECOND` microseconds; spot's depth has the time of the event alone."""

    def __init__(self, recording: Recording) -> None:
        self._to = recording
        self._prints: str | None = None
        self._snapshot = self._last = 0
        self._since: deque[tuple[int, dict[Side, list[tuple[float, float]]]]] = deque(
            maxlen=_REMEMBERED
        )

    def take(self, message: Message, local_ns: int) -> None:
        data = message.get("data", message)
        kind = data.get("e")
        told = data.get("T", data.get("E"))
        at = (_ns(told, local_ns) if told is not None else local_ns, local_ns)
        if kind in ("depthUpdate", "trade", "aggTrade") and "s" in data:
            self._to.of(data["s"])
        if kind == "depthUpdate":
            sides = {Side.BUY: _pairs(data["b"]), Side.SELL: _pairs(data["a"])}
            if "@depth" in message.get("stream", "") and _is_partial(message["stream"]):
                self._to.whole(sides, at)
            else:
                self._change(data, sides, at)
        elif kind in ("trade", "aggTrade"):
            self._trade(kind, data, at)
        elif "lastUpdateId" in data:
            self._whole(data, at)

    def end(self) -> None:
        """Nothing is kept back."""

    def _change(self, data: Message, sides: dict[Side, list[tuple[float, float]]], at: At) -> None:
        number = int(data.get("u", 0))
        if number and number <= self._snapshot:
            return  # the snapshot has it already
        # Futures tell the number before; the first change after a snapshot overlaps it instead.
        follows = data.get("pu") == self._last or data.get("U", 0) <= self._last + 1
        self._to.gaps += bool(self._last and number and not follows)
        self._last = number
        self._since.append((number, sides))
        for side, levels in sides.items():
            for price, quantity in levels:
                self._to.level(side, price, quantity, at)

    def _whole(self, data: Message, at: At) -> None:
        """The snapshot is answered later than it was taken: changes after it came already."""
        self._snapshot = int(data["lastUpdateId"])
        book = {Side.BUY: dict(_pairs(data["bids"])), Side.SELL: dict(_pairs(data["asks"]))}
        for number, sides in self._since:
            if number > self._snapshot:
                for side, levels in sides.items():
                    book[side].update(levels)
        self._last = max(self._last, self._snapshot)
        self._to.whole(
            {
                side: [(price, quantity) for price, quantity in levels.items() if quantity]
                for side, levels in book.items()
            },
            at,
        )

    def _trade(self, kind: str, data: Message, at: At) -> None:
        self._prints = self._prints or kind
        if kind != self._prints or data.get("X", "MARKET") != "MARKET":
            return  # the other stream has it too; or it is of the insurance fund, off the book
        taker = Side.SELL if data["m"] else Side.BUY  # m: the buyer was the maker
        self._to.trade(taker, float(data["p"]), float(data["q"]), at)


class Hyperliquid:
    """l2Book (whole books) and trades; the subscription is answered with trades of long ago, which
    are left out."""

    def __init__(self, recording: Recording) -> None:
        self._to = recording

    def take(self, message: Message, local_ns: int) -> None:
        data = message.get("data")
        if message.get("channel") == "l2Book" and data is not None:
            bids, asks = (
                [(float(level["px"]), float(level["sz"])) for level in side]
                for side in data["levels"]
            )
            self._to.of(data.get("coin", ""))
            self._to.whole(
                {Side.BUY: bids, Side.SELL: asks}, (_ns(data["time"], local_ns), local_ns)
            )
        elif message.get("channel") == "trades" and data is not None:
            for trade in data:
                taker = {"B": Side.BUY, "A": Side.SELL}[trade["side"]]
                at, begins_ns = (_ns(trade["time"], local_ns), local_ns), self._to.begins_ns
                if begins_ns is not None and at[0] >= begins_ns:
                    self._to.of(trade.get("coin", ""))
                    self._to.trade(taker, float(trade["px"]), float(trade["sz"]), at)

    def end(self) -> None:
        """Nothing is kept back."""


class Coinbase:
    """Advanced Trade's l2_data and market_trades, whose side is that of the maker. Messages count
    up over all channels of a connection."""

    def __init__(self, recording: Recording) -> None:
        self._to = recording
        self._last: int | None = None

    def take(self, message: Message, local_ns: int) -> None:
        number = message.get("sequence_num")
        if number is not None:
            self._to.gaps += self._last is not None and int(number) > self._last + 1
            self._last = int(number)
        for event in message.get("events", ()):
            if message["channel"] == "l2_data":
                self._book(event, (_iso_ns(message["timestamp"]), local_ns))
            elif message["channel"] == "market_trades" and event["type"] != "snapshot":
                for trade in event["trades"]:
                    self._to.of(trade.get("product_id", ""))
                    taker = {"BUY": Side.SELL, "SELL": Side.BUY}[trade["side"]]
                    price, at = float(trade["price"]), (_iso_ns(trade["time"]), local_ns)
                    self._to.trade(taker, price, float(trade["size"]), at)

    def end(self) -> None:
        """Nothing is kept back."""

    def _book(self, event: Message, at: At) -> None:
        self._to.of(event.get("product_id", ""))
        found: dict[Side, list[tuple[float, float]]] = {Side.BUY: [], Side.SELL: []}
        for update in event["updates"]:
            side = {"bid": Side.BUY, "offer": Side.SELL}[update["side"]]
            found[side].append((float(update["price_level"]), float(update["new_quantity"])))
        if event["type"] == "snapshot":
            self._to.whole(found, at)
            return
        for side, levels in found.items():
            for price, quantity in levels:
                self._to.level(side, price, quantity, at)


class Tardis:
    """Rows of incremental_book_L2 and of trades, by their header; times are microseconds. Rows of a
    snapshot stand together and replace the book once the last of them is there."""

    COLUMNS: Final = ("symbol", "timestamp", "local_timestamp", "side", "price", "amount")

    def __init__(self, recording: Recording) -> None:
        self._to = recording
        self._snapshot: dict[Side, dict[float, float]] | None = None
        self._at: At = (0, 0)

    def take(self, row: Message, local_ns: int) -> None:
        self._to.of(row["symbol"])
        at = (int(row["timestamp"]) * 1_000, local_ns)
        price, quantity = float(row["price"]), float(row["amount"])
        if "is_snapshot" not in row:
            self.end()
            sides = {"buy": Side.BUY, "sell": Side.SELL, "unknown": self._to.taker_by_mid(price)}
            self._to.trade(sides[row["side"]], price, quantity, at)
            return
        side = {"bid": Side.BUY, "ask": Side.SELL}[row["side"]]
        if {"true": True, "false": False}[row["is_snapshot"]]:
            if self._snapshot is None:
                self._snapshot = {Side.BUY: {}, Side.SELL: {}}
            self._snapshot[side][price], self._at = quantity, at
            return
        self.end()
        self._snapshot = None
        self._to.level(side, price, quantity, at)

    def end(self) -> None:
        """The snapshot that was read is the book; more of it may come."""
        if self._snapshot is not None:
            sides = {side: levels.items() for side, levels in self._snapshot.items()}
            self._to.whole(sides, self._at)


def _pairs(levels: Iterable[Iterable[Any]]) -> list[tuple[float, float]]:
    return [(float(price), float(quantity)) for price, quantity, *_ in levels]


def _is_partial(stream: str) -> bool:
    """`btcusdt@depth20@100ms` is the whole of the best 20, `btcusdt@depth@100ms` what changed."""
    return stream.partition("@depth")[2][:1].isdigit()


def _ns(told: Any, local_ns: int) -> int:
    """Of milliseconds or microseconds: of what they are, they are near to when we saw it."""
    value = int(told)
    return min(value * 1_000_000, value * 1_000, key=lambda each: abs(each - local_ns))


def _iso_ns(text: str) -> int:
    """To the microsecond; what is finer is dropped."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000) * 1_000

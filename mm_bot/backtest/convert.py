"""Public market data as tapes: whole books and changes become changes of levels, trades prints.

Formats by name, one function each, from lines of text (plain or gzip):

- `binance`: `<ns we saw it> <message>` of futures or spot streams, as hftbacktest's collectors
  write them: depthUpdate, trade, aggTrade, and the snapshot that the REST interface answers.
- `hyperliquid`: the same with l2Book (whole books) and trades.
- `coinbase`: the same with Advanced Trade's l2_data and market_trades. Whose side took is told by
  where a trade's price lies to the mid.
- `tardis`: CSV of incremental_book_L2 and of trades, with their header lines, microseconds.

The exchange's time is never taken as later than ours. What happened before the first book is left
out: exchanges answer a subscription with trades of long ago.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mm_bot.backtest.arrays import (
    AT_EXCHANGE,
    AT_US,
    BUY,
    DEPTH,
    EVENT,
    SEEN,
    SELL,
    TRADE,
    Array,
    np,
)
from mm_bot.backtest.progress import Told, nobody
from mm_bot.backtest.tape import Market, Tape
from mm_bot.core.instrument import Side
from mm_bot.errors import SettingsError

_TELL_EVERY: Final = 2_000
_FLAG: Final = {Side.BUY: BUY, Side.SELL: SELL}


class Recording:
    """Rows as they come, in the order of our time, with the book that they come to."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, float, float]] = []
        self.book: dict[Side, dict[float, float]] = {Side.BUY: {}, Side.SELL: {}}
        self._begun = False

    def level(self, side: Side, price: float, quantity: float, at: tuple[int, int]) -> None:
        """A level is now that large; 0 is gone. `at` is (exchange ns, our ns)."""
        self._begun = True
        known = self.book[side]
        if known.get(price, 0.0) == quantity:
            return
        if quantity:
            known[price] = quantity
        else:
            del known[price]
        self._row(DEPTH | _FLAG[side], price, quantity, at)

    def whole(
        self, sides: Mapping[Side, Iterable[tuple[float, float]]], at: tuple[int, int]
    ) -> None:
        """The book is now this and nothing else; what left it goes first."""
        for side, levels in sides.items():
            now = dict(levels)
            for price in [price for price in self.book[side] if price not in now]:
                self.level(side, price, 0.0, at)
        for side, levels in sides.items():
            for price, quantity in dict(levels).items():
                self.level(side, price, quantity, at)

    def trade(self, taker: Side, price: float, quantity: float, at: tuple[int, int]) -> None:
        if self._begun:
            self._row(TRADE | _FLAG[taker], price, quantity, at)

    def taker_by_mid(self, price: float) -> Side:
        bid, ask = max(self.book[Side.BUY], default=0.0), min(self.book[Side.SELL], default=price)
        return Side.BUY if 2 * price >= bid + ask else Side.SELL

    def _row(self, kind: int, price: float, quantity: float, at: tuple[int, int]) -> None:
        exchange_ns, local_ns = at
        self.rows.append((kind, min(exchange_ns, local_ns), local_ns, price, quantity))


def convert(form: str, paths: Iterable[Path], market: Market, told: Told = nobody) -> Tape:
    """The tape of those files, read one after the other (of `tardis` all at once, by our time);
    where `told` ends it early, of what was read until then.

    Raises:
        SettingsError: for a format that is none, or a line that is not of it.
    """
    if form not in FORMATS:
        raise SettingsError([f"format {form!r}: one of {', '.join(FORMATS)}"])
    recording = Recording()
    files = tuple(paths)
    reading = _Reading(files, told)
    if form == "tardis":
        _tardis(recording, files, reading)
    else:
        for file in files:
            _messages(FORMATS[form], recording, file, reading)
    names = ", ".join(file.name for file in files)
    if not recording.rows:
        raise SettingsError([f"{names}: no book of format {form} in it"])
    about = f"{form}: {names}{', interrupted' if reading.stopped else ''}"
    return Tape(market=market, events=in_both_orders(recording.rows), about=about)


def in_both_orders(rows: list[tuple[int, int, int, float, float]]) -> Array:
    """The engine reads one array in the exchange's order and in ours. Where the two differ a row
    stands twice, once for each."""
    made = np.zeros(len(rows), EVENT)
    for name, values in zip(
        ("ev", "exch_ts", "local_ts", "px", "qty"), zip(*rows, strict=True), strict=False
    ):
        made[name] = values
    by_exchange = np.argsort(made["exch_ts"], kind="stable")
    by_us = np.argsort(made["local_ts"], kind="stable")
    if (by_exchange == by_us).all():
        made["ev"] |= np.uint64(SEEN)
        return made[by_us]
    order, flags = _merged(by_exchange.tolist(), by_us.tolist(), made["exch_ts"].tolist())
    found = made[np.array(order)]
    found["ev"] |= np.array(flags, dtype=np.uint64)
    return found


def _merged(
    by_exchange: list[int], by_us: list[int], exchange_ns: list[int]
) -> tuple[list[int], list[int]]:
    """Both orders in one: a row that is next in both stands once."""
    order: list[int] = []
    flags: list[int] = []
    i = j = 0
    while i < len(by_exchange) or j < len(by_us):
        here = by_exchange[i] if i < len(by_exchange) else None
        ours = by_us[j] if j < len(by_us) else None
        if here == ours and here is not None:
            order.append(here)
            flags.append(SEEN)
            i, j = i + 1, j + 1
        elif ours is None or (here is not None and exchange_ns[here] <= exchange_ns[ours]):
            assert here is not None
            order.append(here)
            flags.append(AT_EXCHANGE)
            i += 1
        else:
            order.append(ours)
            flags.append(AT_US)
            j += 1
    return order, flags


def _messages(
    take: Callable[[Recording, Mapping[str, Any], int], None],
    recording: Recording,
    file: Path,
    reading: _Reading,
) -> None:
    for number, line in enumerate(reading.lines(file), start=1):
        stamp, _, text = line.partition(" ")
        try:
            message = json.loads(text)
            take(recording, message, int(stamp))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise SettingsError([f"{file}:{number} is no such message: {error!r}"]) from None


def _binance(recording: Recording, message: Mapping[str, Any], local_ns: int) -> None:
    data = message.get("data", message)
    kind = data.get("e")
    at = (int(data.get("T", data.get("E", local_ns // 1_000_000))) * 1_000_000, local_ns)
    if kind == "depthUpdate":
        for side, name in ((Side.BUY, "b"), (Side.SELL, "a")):
            for price, quantity in data[name]:
                recording.level(side, float(price), float(quantity), at)
    elif kind in ("trade", "aggTrade"):
        taker = Side.SELL if data["m"] else Side.BUY  # m: the buyer was the maker
        recording.trade(taker, float(data["p"]), float(data["q"]), at)
    elif "lastUpdateId" in data:
        recording.whole(
            {
                Side.BUY: [(float(price), float(size)) for price, size in data["bids"]],
                Side.SELL: [(float(price), float(size)) for price, size in data["asks"]],
            },
            at,
        )


def _hyperliquid(recording: Recording, message: Mapping[str, Any], local_ns: int) -> None:
    data = message.get("data")
    if message.get("channel") == "l2Book" and data is not None:
        bids, asks = (
            [(float(level["px"]), float(level["sz"])) for level in side] for side in data["levels"]
        )
        recording.whole({Side.BUY: bids, Side.SELL: asks}, (data["time"] * 1_000_000, local_ns))
    elif message.get("channel") == "trades" and data is not None:
        for trade in data:
            taker = Side.BUY if trade["side"] == "B" else Side.SELL
            at = (trade["time"] * 1_000_000, local_ns)
            first_book = recording.rows[0][1] if recording.rows else local_ns
            if at[0] >= first_book:
                recording.trade(taker, float(trade["px"]), float(trade["sz"]), at)


def _coinbase(recording: Recording, message: Mapping[str, Any], local_ns: int) -> None:
    for event in message.get("events", ()):
        if message["channel"] == "l2_data":
            found: dict[Side, list[tuple[float, float]]] = {Side.BUY: [], Side.SELL: []}
            at = (_iso_ns(message["timestamp"]), local_ns)
            for update in event["updates"]:
                side = Side.BUY if update["side"] == "bid" else Side.SELL
                found[side].append((float(update["price_level"]), float(update["new_quantity"])))
            if event["type"] == "snapshot":
                recording.whole(found, at)
            else:
                for side, levels in found.items():
                    for price, quantity in levels:
                        recording.level(side, price, quantity, at)
        elif message["channel"] == "market_trades" and event["type"] != "snapshot":
            for trade in event["trades"]:
                price = float(trade["price"])
                at = (_iso_ns(trade["time"]), local_ns)
                recording.trade(recording.taker_by_mid(price), price, float(trade["size"]), at)


def _iso_ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000) * 1_000


def _tardis(recording: Recording, files: tuple[Path, ...], reading: _Reading) -> None:
    """Books and trades merged by our time, by which each file is sorted; a snapshot's rows stand
    together."""
    try:
        rows = [csv.DictReader(reading.lines(file)) for file in files]
        was_snapshot = False
        for row in heapq.merge(*rows, key=lambda row: int(row["local_timestamp"])):
            at = (int(row["timestamp"]) * 1_000, int(row["local_timestamp"]) * 1_000)
            price, quantity = float(row["price"]), float(row["amount"])
            if "is_snapshot" not in row:
                if row["side"] in ("buy", "sell"):
                    recording.trade(Side(row["side"]), price, quantity, at)
                continue
            snapshot = row["is_snapshot"] == "true"
            if snapshot and not was_snapshot:
                recording.whole({Side.BUY: (), Side.SELL: ()}, at)
            was_snapshot = snapshot
            side = Side.BUY if row["side"] == "bid" else Side.SELL
            recording.level(side, price, quantity, at)
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise SettingsError([f"a row is not of Tardis's format: {error!r}"]) from None


FORMATS: Final[dict[str, Any]] = {
    "binance": _binance,
    "hyperliquid": _hyperliquid,
    "coinbase": _coinbase,
    "tardis": _tardis,
}


class _Reading:
    """Lines of files, plain or gzip, with how much is read; `stopped` where it was ended early."""

    def __init__(self, files: tuple[Path, ...], told: Told) -> None:
        self.stopped = False
        self._told = told
        self._done = 0
        self._whole = max(1, sum(file.stat().st_size for file in files if file.is_file()))

    def lines(self, file: Path) -> Iterator[str]:
        try:
            with file.open("rb") as raw:
                packed = raw.read(2) == b"\x1f\x8b"
                raw.seek(0)
                behind = 0
                for number, line in enumerate(gzip.GzipFile(fileobj=raw) if packed else raw):
                    if number % _TELL_EVERY == 0:
                        now = raw.tell()
                        self._done, behind = self._done + now - behind, now
                        self.stopped |= not self._told(self._done / self._whole)
                    if self.stopped:
                        return
                    if line.strip():
                        yield line.decode().rstrip("\n")
                self._done += raw.tell() - behind
        except (OSError, UnicodeDecodeError, EOFError) as error:
            raise SettingsError([f"{file} cannot be read: {error}"]) from None

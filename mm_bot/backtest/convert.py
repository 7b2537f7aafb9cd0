"""Public market data as tapes: whole books and changes become changes of levels, trades prints.

Formats by name, from lines of text (plain or gzip), each a class of public_formats.py:

- `binance`: `<ns we saw it> <message>` of futures or spot streams, as hftbacktest's collectors
  write them, and the snapshots that the REST interface answers.
- `hyperliquid`: the same with l2Book (whole books) and trades.
- `coinbase`: the same with Advanced Trade's l2_data and market_trades.
- `tardis`: CSV of incremental_book_L2 and of trades, with their header lines.

The exchange's time is never taken as later than ours. What happened before the first book is left
out: exchanges answer a subscription with trades of long ago.
"""

from __future__ import annotations

import gzip
import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from mm_bot.backtest.progress import Told, nobody
from mm_bot.backtest.public_formats import Binance, Coinbase, Format, Hyperliquid, Tardis
from mm_bot.backtest.recording import Recording
from mm_bot.backtest.tape import Market, Tape
from mm_bot.errors import SettingsError

FORMATS: Final[dict[str, Callable[[Recording], Format]]] = {
    "binance": Binance,
    "hyperliquid": Hyperliquid,
    "coinbase": Coinbase,
    "tardis": Tardis,
}
_TELL_EVERY: Final = 2_000
_LONGEST_LINE: Final = 64 << 20
_NOT_OF_IT: Final = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
)  # fmt: skip
"""What reading a line raises that is no line of its format."""


def convert(form: str, paths: Iterable[Path], market: Market, told: Told = nobody) -> Tape:
    """The tape of those files, read one after the other (of `tardis` all at once, by our time);
    where `told` ends it early, of what was read until then.

    Raises:
        SettingsError: for a format that is none, a file that cannot be read, or a line that is not
            of the format, by its file and number.
    """
    if form not in FORMATS:
        raise SettingsError([f"format {form!r}: one of {', '.join(FORMATS)}"])
    recording = Recording(market)
    files = tuple(paths)
    reading = _Reading(files, told)
    reader = FORMATS[form](recording)
    line: Line = (files[0], 0, "", None)
    try:
        for line in (_rows if form == "tardis" else _lines)(files, reading):
            _, _, text, row = line
            if row is None:
                stamp, _, message = text.partition(" ")
                reader.take(orjson.loads(message), int(stamp))  # has a bound on nesting
            else:
                reader.take(row, int(row["local_timestamp"]) * 1_000)
        reader.end()
    except _NOT_OF_IT as error:
        raise _fault(line, form, error) from None
    names = ", ".join(file.name for file in files)
    if not len(recording):
        raise SettingsError([f"{names}: no book of format {form} in it"])
    about = f"{form}: {names}{', interrupted' if reading.stopped else ''}"
    if recording.gaps:
        about += f", messages are missing in {recording.gaps} places"
    return Tape(market=market, events=recording.events(), about=about)


Line = tuple[Path, int, str, dict[str, str] | None]
"""(file, number of the line, the line, its cells by the file's header)."""


def _fault(line: Line, form: str, error: Exception) -> SettingsError:
    """What is wrong in the line, told with where it stands."""
    file, number, _, _ = line
    why = str(error) if isinstance(error, ValueError) else repr(error)
    if isinstance(error, KeyError):
        why = f"no {error}, or not known as a value"
    return SettingsError([f"{file}:{number} is no line of format {form}: {why}"])


def _lines(files: tuple[Path, ...], reading: _Reading) -> Iterator[Line]:
    for file in files:
        for number, text in reading.lines(file):
            yield file, number, text, None


def _rows(files: tuple[Path, ...], reading: _Reading) -> Iterator[Line]:
    """Merged by our time, by which each file is sorted."""
    return heapq.merge(*(_cells(file, reading) for file in files), key=_local_us)


def _local_us(line: Line) -> int:
    return int((line[3] or {})["local_timestamp"])


def _cells(file: Path, reading: _Reading) -> Iterator[Line]:
    header: list[str] | None = None
    for number, text in reading.lines(file):
        cells = text.split(",")
        if header is None:
            header = cells
            lacking = [name for name in Tardis.COLUMNS if name not in header]
            if lacking:
                raise SettingsError(
                    [
                        f"{file}:{number} is no header of format tardis: it has no {lacking[0]}; "
                        "give incremental_book_L2 and trades"
                    ]
                )
            continue
        try:
            row = dict(zip(header, cells, strict=True))
            int(row["local_timestamp"])  # the order of all files
        except ValueError as error:
            raise _fault((file, number, text, None), "tardis", error) from None
        yield file, number, text, row


class _Reading:
    """Lines of files, plain or gzip, with how much is read; `stopped` where it was ended early."""

    def __init__(self, files: tuple[Path, ...], told: Told) -> None:
        self.stopped = False
        self._told = told
        self._done = 0
        self._whole = max(1, sum(file.stat().st_size for file in files if file.is_file()))

    def lines(self, file: Path) -> Iterator[tuple[int, str]]:
        """(number from 1, text), the empty ones left out."""
        try:
            with file.open("rb") as raw:
                packed = raw.read(2) == b"\x1f\x8b"
                raw.seek(0)
                behind = 0
                source: Any = gzip.GzipFile(fileobj=raw) if packed else raw
                pieces = iter(lambda: source.readline(_LONGEST_LINE), b"")
                for number, line in enumerate(pieces, start=1):
                    if len(line) == _LONGEST_LINE:
                        raise EOFError(f"line {number} is longer than {_LONGEST_LINE} bytes")
                    if number % _TELL_EVERY == 1:
                        now = raw.tell()
                        self._done, behind = self._done + now - behind, now
                        self.stopped |= not self._told(self._done / self._whole)
                    if self.stopped:
                        return
                    if text := line.decode().rstrip():
                        yield number, text
                self._done += raw.tell() - behind
        except (OSError, UnicodeDecodeError, EOFError, zlib.error) as error:
            raise SettingsError([f"{file} cannot be read: {error}"]) from None

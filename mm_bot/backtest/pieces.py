"""A tape as one file an hour or a day, and such files as one tape again.

Each file after the first begins with the book as it was at the cut, so it can be traded alone, and
names the hash of the one before it: only files that follow each other are read as one, and what
comes of it is the tape that was cut, to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from mm_bot.backtest.arrays import (
    AT_EXCHANGE,
    AT_US,
    BUY,
    CLEAR,
    DEPTH,
    EVENT,
    SEEN,
    SELL,
    SNAPSHOT,
    Array,
    np,
)
from mm_bot.backtest.tape import NS_A_SECOND, Market, Tape, load
from mm_bot.errors import SettingsError

SECONDS: Final = {"hour": 3_600, "day": 86_400}
_NAMED: Final = {"hour": "%Y%m%dT%H", "day": "%Y%m%d"}


def save(tape: Tape, path: Path, every: str | None) -> tuple[Path, ...]:
    """Write the tape as `path`, or as one file each UTC hour or day, named by its begin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if every is None:
        tape.save(path)
        return (path,)
    written = []
    for piece in cut(tape, SECONDS[every]):
        begins = datetime.fromtimestamp(piece.begins_ns // NS_A_SECOND, UTC)
        written.append(path.with_name(f"{path.stem}-{begins.strftime(_NAMED[every])}.npz"))
        piece.save(written[-1])
    return tuple(written)


def cut(tape: Tape, seconds: int) -> Iterator[Tape]:
    """The tape in pieces at the whole multiples of so many seconds of our time."""
    rows, follows = tape.events, ""
    ours = (rows["ev"] & np.uint64(AT_US)) != 0
    period = np.maximum.accumulate(np.where(ours, rows["local_ts"], 0)) // (seconds * NS_A_SECOND)
    starts = [0, *(np.flatnonzero(np.diff(period)) + 1).tolist(), len(rows)]
    if not ours[0]:
        starts.pop(1)  # what only the exchange knew yet is no piece of its own
    opening = rows[:0]
    for i, (begin, end) in enumerate(pairwise(starts)):
        part = rows[begin:end]
        if i:
            opening = _restated(opening, part)
        piece = replace(
            tape,
            events=np.concatenate([opening, part]),
            about=f"{tape.about}, part {i + 1} of {len(starts) - 1}",
            opening=len(opening),
            follows=follows,
        )
        yield piece
        follows, opening = piece.sha256(), _book(piece.events)


def _book(rows: Array) -> Array:
    """The levels that are there after those rows, as we saw them."""
    kinds = rows["ev"] & np.uint64(0xFF)
    seen = (rows["ev"] & np.uint64(AT_US)) != 0
    found = []
    for side in (BUY, SELL):
        here = seen & ((rows["ev"] & np.uint64(side)) != 0)
        cleared = np.flatnonzero(here & (kinds == CLEAR))
        begin = int(cleared[-1]) + 1 if len(cleared) else 0
        levels = np.flatnonzero(here & ((kinds == DEPTH) | (kinds == SNAPSHOT)))
        levels = levels[levels >= begin][::-1]
        _, last = np.unique(rows["px"][levels], return_index=True)
        now = rows[levels[last]]
        now = now[now["qty"] > 0].copy()
        now["ev"] = SEEN | DEPTH | side
        found.append(now)
    return np.concatenate(found)


def _restated(book: Array, part: Array) -> Array:
    """That book at the moment when the part begins."""
    made = book.copy()
    if len(part):
        seen = part[(part["ev"] & np.uint64(AT_US)) != 0]
        known = part[(part["ev"] & np.uint64(AT_EXCHANGE)) != 0]
        made["local_ts"] = seen["local_ts"].min() if len(seen) else part["local_ts"].min()
        first = known["exch_ts"].min() if len(known) else part["exch_ts"].min()
        made["exch_ts"] = np.minimum(first, made["local_ts"])
    return made


def load_all(paths: Sequence[Path], market: Market | None = None) -> Tape:
    """The tape of a file, of several that follow each other, or of all in a folder.

    Raises:
        SettingsError: where one is no tape, or they are not one market without a gap.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.npz")) if path.is_dir() else [path]
        if not found:
            raise SettingsError([f"{path}: no tape (*.npz) in this folder"])
        files += found
    parts = [(load(file, market), file) for file in files]
    if len(parts) == 1:
        return parts[0][0]
    parts.sort(key=lambda part: part[0].begins_ns)
    for (before, one), (after, other) in pairwise(parts):
        if after.market != before.market:
            raise SettingsError([f"{one} and {other} are two markets: one run trades one"])
        if after.follows != before.sha256():
            raise SettingsError(
                [
                    f"{other} does not follow {one}: {_apart(before, after)}; read as one are the "
                    "files that `--every` cut from one tape, without a hole"
                ]
            )
    first = parts[0][0]
    rows = [first.events, *(part.events[part.opening :] for part, _ in parts[1:])]
    about = first.about.rpartition(", part ")[0]
    return Tape(
        market=first.market,
        events=np.concatenate(rows).astype(EVENT, copy=False),
        about=f"{about}, {len(parts)} files",
        generated=first.generated,
        opening=first.opening,
        follows=first.follows,
    )


def _apart(before: Tape, after: Tape) -> str:
    between_s = (after.begins_ns - before.ends_ns) / NS_A_SECOND
    if between_s < 0:
        return f"they overlap by {-between_s:.1f} s"
    return f"{between_s:.1f} s lie between them, or it was cut from another tape"

"""Reads journals: files or folders of them, oldest first, as the core's values.

A file without its end, as after a crash or while it is written, gives what is whole of it, and is
told as such: a byte that was changed in it may look the same. One that has its end has a checksum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zstandard

from mm_bot.core.instrument import Instrument
from mm_bot.core.memory import Memory
from mm_bot.core.policy import Policy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import Snapshot
from mm_bot.errors import JournalError, SettingsError
from mm_bot.journal.codec import from_line, from_plain
from mm_bot.journal.writer import FORMAT

_CHUNK: Final = 2**10
"""Of compressed bytes: however they are packed, 32 MiB come of them at the most."""
LONGEST_LINE: Final = 64 * 2**20
"""A longer one is no record of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the records after it were decided under."""

    version: str
    instrument: Instrument
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One cycle that decided something. `plan` and `halts` are as they were written, plain."""

    where: str
    at_ms: int
    context: Context
    snapshot: Snapshot
    memory: Memory
    report: Report
    plan: Any
    halts: Any
    reference: str | None


def files(path: Path) -> tuple[Path, ...]:
    """The journal files that `path` names: itself, or those in the folder.

    Raises:
        SettingsError: where there is none.
    """
    if path.is_dir():
        found = tuple(sorted(path.glob("*.jsonl.zst")))
        if not found:
            raise SettingsError([f"{path}: no journal file (*.jsonl.zst) in this folder"])
        return found
    if not path.is_file():
        raise SettingsError([f"{path}: no such file or folder"])
    return (path,)


def ignored(_: Path) -> None:
    """For whom it makes no difference that a file has no end."""


def cycles(path: Path, endless: Callable[[Path], None] = ignored) -> Iterator[Cycle]:
    """Every cycle that decided something. `endless` is told of each file without its end.

    Raises:
        SettingsError: where there is no such file.
        JournalError: for a file that is no journal, damaged, or of a format that this version
            cannot read.
    """
    for file in files(path):
        context: Context | None = None
        for number, members in enumerate(_lines(file, endless), start=1):
            where = f"{file.name}:{number}"
            try:
                if members.get("kind") == "context":
                    context = _context(members)
                elif members.get("kind") == "cycle":
                    if context is None:
                        raise ValueError("a record before its context")
                    yield _cycle(where, members, context)
            except (KeyError, ValueError) as error:
                raise JournalError(f"{where} is no record of a decision: {error}") from None


def _context(members: dict[str, Any]) -> Context:
    if members["format"] != FORMAT:
        raise ValueError(f"format {members['format']}, this version reads {FORMAT}")
    return Context(
        version=members["version"],
        instrument=from_plain(members["instrument"], Instrument),
        policy=from_plain(members["policy"], Policy),
    )


def _cycle(where: str, members: dict[str, Any], context: Context) -> Cycle:
    return Cycle(
        where=where,
        at_ms=members["at_ms"],
        context=context,
        snapshot=from_plain(members["snapshot"], Snapshot),
        memory=from_plain(members["memory"], Memory),
        report=from_plain(members["report"], Report),
        plan=members["plan"],
        halts=members["halts"],
        reference=members["reference"],
    )


def _lines(file: Path, endless: Callable[[Path], None]) -> Iterator[dict[str, Any]]:
    """The whole lines of a file; a torn end is not one of them."""
    rest, number, ended = b"", 0, False
    for text in _texts(file):
        ended = not text
        *whole, rest = (rest + text).split(b"\n")
        for line in whole:
            number += 1
            yield _object(f"{file}:{number}", line)
        if len(rest) > LONGEST_LINE:
            raise JournalError(f"{file}:{number + 1}: a line of over {LONGEST_LINE} bytes")
    if rest or not ended:
        endless(file)


def _texts(file: Path) -> Iterator[bytes]:
    """What a file unpacks to, piece by piece; empty wherever a whole of it has ended."""
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    with file.open("rb") as raw:
        while packed := raw.read(_CHUNK):
            while packed:
                try:
                    yield from filter(None, (unpacker.decompress(packed),))
                except zstandard.ZstdError as error:
                    raise JournalError(f"{file} is damaged, or no journal: {error}") from None
                packed = b""
                if unpacker.eof:
                    yield b""
                    packed = unpacker.unused_data
                    unpacker = zstandard.ZstdDecompressor().decompressobj()


def _object(where: str, line: bytes) -> dict[str, Any]:
    try:
        members = from_line(line)
    except ValueError as error:
        raise JournalError(f"{where} is no record of a journal: {error}") from None
    if not isinstance(members, dict):
        raise JournalError(f"{where} is no record of a journal: it is no object")
    return members

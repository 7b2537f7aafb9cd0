"""Reads journals: files or folders of them, oldest first, as the core's values.

A file that ends in the middle of a record, as after a crash, gives what is whole of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zstandard

from mm_bot.core.instrument import Instrument
from mm_bot.core.memory import Memory
from mm_bot.core.policy import Policy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import Snapshot
from mm_bot.errors import SettingsError
from mm_bot.journal.codec import from_line, from_plain
from mm_bot.journal.writer import FORMAT

_CHUNK: Final = 2**20
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


def cycles(path: Path) -> Iterator[Cycle]:
    """Every cycle that decided something.

    Raises:
        SettingsError: for a file that is no journal, or of a format this version cannot read.
    """
    for file in files(path):
        context: Context | None = None
        for number, members in enumerate(_lines(file), start=1):
            where = f"{file.name}:{number}"
            try:
                if members.get("kind") == "context":
                    context = _context(members)
                elif members.get("kind") == "cycle":
                    if context is None:
                        raise ValueError("a record before its context")
                    yield _cycle(where, members, context)
            except (KeyError, ValueError) as error:
                raise SettingsError([f"{where} is no record of a decision: {error}"]) from None


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


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file; a torn end is not one of them."""
    rest = b""
    try:
        with (
            file.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as stream,
        ):
            while chunk := stream.read(_CHUNK):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield _object(file, line)
                if len(rest) > LONGEST_LINE:
                    raise SettingsError([f"{file}: a line of over {LONGEST_LINE} bytes"])
    except zstandard.ZstdError as error:
        raise SettingsError([f"{file} is no journal: {error}"]) from None


def _object(file: Path, line: bytes) -> dict[str, Any]:
    try:
        members = from_line(line)
    except ValueError as error:
        raise SettingsError([f"{file} is no journal: {error}"]) from None
    if not isinstance(members, dict):
        raise SettingsError([f"{file} is no journal: a line that is no object"])
    return members

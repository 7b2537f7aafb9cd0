"""Writes the decision journal, off the loop: `JournalWriter.cycle` only puts two references into a
bounded queue; its own thread turns them into text, compresses and writes.

What does not fit into the queue, or cannot be written, is dropped and counted: quoting never waits
for a journal. Files are self-contained, begin with the context of their first record, and end at
`ROTATE_BYTES` or at the full hour, with a checksum. Each batch is flushed to the system as whole
compressed blocks, so that a process that dies leaves at most a torn last line, which readers
survive. After a refused write a new file is begun, no sooner than `TRY_AGAIN_S` later.
"""

from __future__ import annotations

import hashlib
import platform
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import zstandard

from mm_bot.core.decide import Decision
from mm_bot.core.instrument import Instrument
from mm_bot.core.memory import Memory
from mm_bot.core.plan import Plan
from mm_bot.core.policy import Policy
from mm_bot.core.remember import Report
from mm_bot.core.risk import Halt
from mm_bot.core.snapshot import Snapshot
from mm_bot.journal.codec import to_line, to_plain
from mm_bot.ports import Telemetry

FORMAT: Final = 2
QUEUE_LENGTH: Final = 4096
ROTATE_BYTES: Final = 64 * 2**20
"""Of text, before compression."""
STOP_WITHIN_S: Final = 2.0
TRY_AGAIN_S: Final = 5.0
_Entry = tuple[Decision, Report, dict[str, float]]


class JournalWriter:
    """One process's journal. `dropped` counts the cycles that are not in it, `problem` says why the
    last of them are not; `dropping` is whether that still goes on."""

    def __init__(
        self,
        folder: Path,
        instrument: Instrument,
        version: str,
        *,
        try_again_s: float = TRY_AGAIN_S,
    ) -> None:
        self.dropped = 0
        self.problem = ""
        self.dropping = False
        self._folder = folder
        self._instrument = instrument
        self._version = version
        self._queue: queue.Queue[_Entry | None] = queue.Queue(QUEUE_LENGTH)
        self._file: _File | None = None
        self._try_again_s = try_again_s
        self._again_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def cycle(self, decision: Decision, report: Report, timings_ms: dict[str, float]) -> None:
        """Take one cycle. Never waits, never raises."""
        try:
            self._queue.put_nowait((decision, report, timings_ms))
        except queue.Full:
            self._drop(1, "the disk is slower than the bot decides")

    def close(self) -> None:
        """Write what is queued, for at most `STOP_WITHIN_S`."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=STOP_WITHIN_S)
        self._thread.join(STOP_WITHIN_S)

    def _run(self) -> None:
        for batch in self._batches():
            if time.monotonic() < self._again_at_s:
                self._drop(len(batch), self.problem)
                continue
            try:
                self._write(batch)
            except OSError as error:
                self._again_at_s = time.monotonic() + self._try_again_s
                self._drop(len(batch), f"{self._folder}: {error.strerror or error}")
                if self._file is not None:
                    self._file.abandon()
                self._file = None
            else:
                self.dropping = False
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _drop(self, cycles: int, problem: str) -> None:
        self.dropped += cycles
        self.problem, self.dropping = problem, True

    def _batches(self) -> Iterator[list[_Entry]]:
        """All that is queued at a time, until the end is queued."""
        while True:
            entries, ended = [], False
            entry = self._queue.get()
            while True:
                if entry is None:
                    ended = True
                    break
                entries.append(entry)
                if self._queue.empty() or len(entries) == QUEUE_LENGTH:
                    break
                entry = self._queue.get_nowait()
            if entries:
                yield entries
            if ended:
                return

    def _write(self, batch: list[_Entry]) -> None:
        for decision, report, timings_ms in batch:
            if self._file is None or self._file.full(decision.now_ms):
                if self._file is not None:
                    self._file.close()
                self._file = _File(self._folder, self._instrument.symbol, decision.now_ms)
            if self._file.policy is not decision.policy:
                self._file.policy = decision.policy
                self._file.line(self._context(decision.policy))
            try:
                text = record(decision, report, timings_ms)
            except Exception as error:  # one cycle that has no text leaves the others theirs
                self.dropped += 1
                self.problem = f"a cycle has no text: {type(error).__name__}: {error}"
            else:
                self._file.line(text)
        if self._file is not None:
            self._file.flush()

    def _context(self, policy: Policy) -> dict[str, object]:
        return {
            "kind": "context",
            "format": FORMAT,
            "version": self._version,
            "python": platform.python_version(),
            "instrument": to_plain(self._instrument, Instrument),
            "policy": to_plain(policy, Policy),
        }


def record(decision: Decision, report: Report, timings_ms: dict[str, float]) -> dict[str, object]:
    """One cycle as it is written: whole where something was decided, else a digest of it."""
    made_from = {
        "snapshot": to_plain(decision.snapshot, Snapshot),
        "memory": to_plain(decision.memory, Memory),
    }
    decided = {
        "plan": to_plain(decision.plan, Plan),
        "halts": to_plain(decision.halts, tuple[Halt, ...]),
        "reference": None if decision.reference.price is None else str(decision.reference.price),
        "source": decision.reference.source.value,
    }
    quiet = decision.plan.quiet and not decision.new_fills and not report.cancels
    if quiet and decision.halts == decision.memory.halts and not decision.startup:
        digest = hashlib.sha256(to_line(made_from | decided)).hexdigest()
        return {"kind": "quiet", "at_ms": decision.now_ms, "sha256": digest}
    return {
        "kind": "cycle",
        "at_ms": decision.now_ms,
        **made_from,
        **decided,
        "report": to_plain(report, Report),
        "timings_ms": {name: round(took, 3) for name, took in timings_ms.items()},
    }


class Journaled:
    """The loop's `Telemetry` with every cycle also journaled, and told when that begins to fail."""

    def __init__(self, inner: Telemetry, writer: JournalWriter) -> None:
        self._inner = inner
        self._writer = writer
        self._told = False

    def cycle(
        self,
        decision: Decision,
        report: Report,
        memory: Memory,
        timings_ms: dict[str, float],
    ) -> None:
        writer = self._writer
        writer.cycle(decision, report, timings_ms)
        if writer.dropping is not self._told:
            self._told = writer.dropping
            name = "journal.dropping" if self._told else "journal.goes_on"
            self._inner.event(name, dropped=writer.dropped, problem=writer.problem)
        self._inner.cycle(decision, report, memory, timings_ms)

    def event(self, name: str, /, **fields: object) -> None:
        self._inner.event(name, **fields)


class _File:
    """One file of the journal, open for writing."""

    def __init__(self, folder: Path, symbol: str, now_ms: int) -> None:
        self.policy: Policy | None = None
        self._hour = now_ms // 3_600_000
        self._written = 0
        folder.mkdir(parents=True, exist_ok=True)
        began = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._path = folder / f"{symbol}-{began}.jsonl.zst"
        self._raw: IO[bytes] = self._path.open("xb")
        self._stream = zstandard.ZstdCompressor(write_checksum=True).stream_writer(self._raw)

    def full(self, now_ms: int) -> bool:
        return self._written > ROTATE_BYTES or now_ms // 3_600_000 != self._hour

    def line(self, members: dict[str, object]) -> None:
        text = to_line(members) + b"\n"
        self._written += len(text)
        self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush(zstandard.FLUSH_BLOCK)
        self._raw.flush()

    def close(self) -> None:
        self._stream.flush(zstandard.FLUSH_FRAME)
        self._raw.close()

    def abandon(self) -> None:
        """Leave what the disk took of it; nothing where that is nothing."""
        with suppress(OSError):
            self._raw.close()
        with suppress(OSError):
            if not self._path.stat().st_size:
                self._path.unlink()

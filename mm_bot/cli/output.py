"""Where commands print: tables for people, one JSON object for programs, never a secret."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from mm_bot.observe.redact import Redactor
from mm_bot.observe.render import rounded, to_json, to_text

COLOURS = {"good": "32", "warn": "33", "bad": "31;1", "dim": "2", "bold": "1"}


class Output:
    """stdout has what was asked for, stderr what went wrong."""

    def __init__(
        self,
        *,
        as_json: bool,
        redactor: Redactor,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.as_json = as_json
        self.redactor = redactor
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        self._colour = self._stdout.isatty()

    def json(self, value: Mapping[str, object]) -> None:
        """One line; for `--json`."""
        self._write(self._stdout, to_json(value).decode())

    def line(self, text: str = "", style: str = "") -> None:
        """For people, with rounded numbers; nothing with `--json`."""
        if not self.as_json:
            self._write(self._stdout, self._styled(rounded(text), style))

    def table(
        self,
        head: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        styles: Mapping[str, str] | None = None,
        right: Sequence[str] = (),
    ) -> None:
        """Aligned columns; the last one may be of any length. `styles` colours a cell by its
        text."""
        if self.as_json:
            return
        cells = [[_cell(value) for value in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        for index, row in enumerate(([*head], *cells)):
            parts = []
            for name, text, width in zip(head, row, widths, strict=True):
                padded = text.rjust(width) if name in right else text.ljust(width)
                style = "dim" if index == 0 else (styles or {}).get(text, "")
                parts.append(self._styled(padded, style))
            self._write(self._stdout, "  ".join(parts).rstrip())

    def error(self, text: str, code: int) -> None:
        """Why a command failed."""
        if self.as_json:
            self._write(self._stdout, to_json({"error": text, "exit_code": code}).decode())
        self._write(self._stderr, f"mm-bot: {text}")

    def _styled(self, text: str, style: str) -> str:
        if not (self._colour and style):
            return text
        return f"\x1b[{COLOURS[style]}m{text}\x1b[0m"

    def _write(self, stream: TextIO, text: str) -> None:
        stream.write(self.redactor(text) + "\n")
        stream.flush()


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return rounded(to_text(value)).replace("\n", " ")

"""Where commands print: tables for people, one JSON object for programs, never a secret."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Literal, TextIO

from mm_bot.observe.redact import Redactor
from mm_bot.observe.render import rounded, to_json, to_text

COLOURS = {"good": "32", "warn": "33", "bad": "31;1", "dim": "2", "bold": "1"}

ANY_LENGTH = 100_000
"""Columns, where nobody's terminal says how many there are."""
ID_LENGTH = 48
"""Of the longest order's id that there is: one is copied in one piece."""


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
        """Aligned columns; on a terminal the last one folds at its edge, elsewhere one row is one
        line of any length. No other column is ever cut, nor an order's id: where a terminal is too
        narrow, it breaks the line itself. `styles` colours a cell by its text."""
        if self.as_json:
            return
        from rich.console import Console  # 44 ms, for who asks for a table
        from rich.table import Table
        from rich.text import Text

        def cell(text: str, style: str) -> Text:
            return Text.from_ansi(self._styled(self.redactor(text), style))

        drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
        for name in head:
            side: Literal["left", "right"] = "right" if name in right else "left"
            last = name == head[-1]
            drawn.add_column(cell(name, "dim"), justify=side, no_wrap=not last, overflow="fold")
        shown = [[_cell(value) for value in row] for row in rows]
        for texts in shown:
            drawn.add_row(*(cell(text, (styles or {}).get(text, "")) for text in texts))
        console = Console(file=StringIO(), force_terminal=self._colour, highlight=False)
        least = _least_width([list(head), *shown])
        console.width = max(console.width, least) if self._stdout.isatty() else ANY_LENGTH
        with console.capture() as lines:
            console.print(drawn)
        for line in lines.get().splitlines():
            self._write(self._stdout, line.rstrip())

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


def _least_width(rows: list[list[str]]) -> int:
    """Of every column whole, but of the last one only its longest word, or an id's length of it."""
    *whole, last = zip(*rows, strict=True)
    longest = max((len(word) for text in last for word in text.split()), default=0)
    return sum(max(map(len, column)) + 2 for column in whole) + min(longest, ID_LENGTH)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return rounded(to_text(value)).replace("\n", " ")

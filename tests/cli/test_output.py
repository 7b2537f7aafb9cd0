"""Claims about tables: for people on a terminal, one line a row for programs elsewhere."""

from __future__ import annotations

from io import StringIO

import pytest

from mm_bot.cli.output import Output
from mm_bot.observe.redact import Redactor

HEAD = ("side", "size", "what")
LONG = "replaced [bold] " + "x" * 150
ROWS = (("buy", "1.50", None), ("sell", "12.25", LONG))


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def table(stream: StringIO) -> list[str]:
    Output(as_json=False, redactor=Redactor(), stdout=stream).table(
        HEAD, ROWS, right=("size",), styles={"buy": "good"}
    )
    return stream.getvalue().splitlines()


def test_off_a_terminal_a_row_is_a_line_of_any_length() -> None:
    """Aligned, without a colour, nothing cut, and no bracket taken for a style."""
    assert table(StringIO()) == [
        "side   size  what",
        "buy    1.50  -",
        f"sell  12.25  {LONG}",
    ]


def test_on_a_terminal_the_last_column_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost at its edge, and words have their colours."""
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    lines = table(Terminal())
    assert lines[1].startswith("\x1b[32mbuy")
    assert len(lines) > len(ROWS) + 1
    assert all(len(line) <= 70 for line in lines[2:])
    assert "".join(line.removeprefix("sell  12.25").strip() for line in lines[2:]).count("x") == 150


def test_a_narrow_terminal_cuts_no_name_and_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable's name, its value and where it comes from are all there, each in one piece."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    row = (
        "MM_ANCHOR_ORACLE_ADDRESS",
        "mm:USDCcNGN-JAN31-2027:sell:3765833419404197568",
        "environment",
    )
    Output(as_json=False, redactor=Redactor(), stdout=stream).table(
        ("variable", "value", "origin"), [row]
    )
    assert stream.getvalue().splitlines()[1] == "  ".join(row)

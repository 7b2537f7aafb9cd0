"""One line for each event: a name, and the values as fields.

    log.info("order.place", side=Side.BUY, price=Price.of("1599.5"), nonce=7)

On a terminal the line is aligned and coloured for people; anywhere else it is one JSON object with
`time`, `level`, `event` and the fields. Lines go to stderr, like any daemon's: stdout belongs to
what a command is asked to print.

1. Logging never raises and never writes half a line or two lines into one another, from any task
   or thread. A stream that is gone swallows the line; one that nobody reads drops and counts it
   (`QueuedStream`).
2. No secret that the redactor knows gets out, whatever field, message or traceback it is in.
3. What libraries log, warn or fail with comes out in the same form (`install`).
4. One event is one line: line breaks in values are escaped. Only a traceback on a terminal may
   take several.

Numbers that matter are exact and rendered plainly; floats are for durations only.

Kept by hand: structlog would bring the dispatch to levels and a chain of processors, and leave here
what these lines are made of: exact numbers, escaping, the redactor over the whole line, the queue.
Measured (processor time, the best of 8, all else of the bot imported before), a line of an order
takes 17.9 us instead of 14.1, and the import 127 ms and 6.4 MB, or without rich 51 ms and 2.8 MB.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from enum import IntEnum
from typing import Protocol

from mm_bot.observe.log_queue import QueuedStream
from mm_bot.observe.redact import Redactor
from mm_bot.observe.render import error_text, to_json, to_text

TRACEBACK = "traceback"


class Stream(Protocol):
    """What lines are written to: a file, or a `QueuedStream`."""

    def write(self, text: str, /) -> int: ...
    def flush(self) -> None: ...
    def isatty(self) -> bool: ...


class Level(IntEnum):
    """Numbers as in the standard library's logging."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50
    """As a threshold only: nothing but the reason of an exit is written."""


class Log:
    """Where events go. Everything that logs is given one."""

    def __init__(
        self,
        *,
        level: Level = Level.INFO,
        stream: Stream | None = None,
        as_json: bool | None = None,
        colour: bool | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        """`as_json` and `colour` default to what the stream is: a terminal or not."""
        self._stream: Stream = sys.stderr if stream is None else stream
        terminal = _is_terminal(self._stream)
        self.level = level
        self.redactor = redactor or Redactor()
        self._as_json = not terminal if as_json is None else as_json
        self._colour = terminal if colour is None else colour
        self._lock = threading.Lock()
        self._second = (-1, "")
        if isinstance(self._stream, QueuedStream):
            self._stream.tell_dropped = self._dropped_line

    @property
    def dropped(self) -> int:
        """Lines that were lost because nobody read them in time."""
        return self._stream.dropped if isinstance(self._stream, QueuedStream) else 0

    def debug(self, event: str, /, **fields: object) -> None:
        if self.level <= Level.DEBUG:
            self.write(Level.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        if self.level <= Level.INFO:
            self.write(Level.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        if self.level <= Level.WARNING:
            self.write(Level.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        if self.level <= Level.ERROR:
            self.write(Level.ERROR, event, fields)

    def exception(self, event: str, error: BaseException, /, **fields: object) -> None:
        """An error nobody expected, with its traceback."""
        trace = "".join(traceback.format_exception(error))
        self.write(Level.ERROR, event, {"error": error_text(error), **fields, TRACEBACK: trace})

    def write(self, level: Level, event: str, fields: dict[str, object]) -> None:
        """One line at `level`, whatever `self.level` is."""
        try:
            render = _json_line if self._as_json else self._human_line
            line = self.redactor(render(self._time_text(), level, event, fields))
            with self._lock:
                self._stream.write(line)
                self._stream.flush()
        except (OSError, ValueError):
            return  # the stream is closed or full; there is nowhere left to say so

    def _dropped_line(self, lines: int) -> str:
        render = _json_line if self._as_json else self._human_line
        return render(self._time_text(), Level.WARNING, "log.dropped", {"lines": lines})

    def _time_text(self) -> str:
        """ISO 8601 in UTC, to the millisecond; the second's text is made once a second."""
        second, millis = divmod(time.time_ns() // 1_000_000, 1_000)
        known, text = self._second  # one object, so that no thread sees half of a change
        if second != known:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = (second, text)
        return f"{text}.{millis:03d}Z"

    def _human_line(self, at: str, level: Level, event: str, fields: dict[str, object]) -> str:
        parts = [
            f"{at[11:23]} {self._paint(_LEVEL_COLOUR[level], f'{level.name:<7}')}"
            f" {self._paint(_BOLD, f'{_escaped(self.redactor(event)):<22}')}"
        ]
        for name, value in fields.items():
            if name != TRACEBACK:
                # Before it is escaped: the redactor does not know how lines for people do that.
                text = self.redactor(to_text(value))
                parts.append(f"{self._paint(_DIM, name + '=')}{_shown(text)}")
        line = " ".join(parts).rstrip() + "\n"
        if TRACEBACK in fields:
            line += to_text(fields[TRACEBACK]).rstrip() + "\n"
        return line

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


_BOLD, _DIM = "1", "2"
_LEVEL_COLOUR = {
    Level.DEBUG: "2",
    Level.INFO: "32",
    Level.WARNING: "33",
    Level.ERROR: "31;1",
    Level.CRITICAL: "31;1",
}


def _json_line(at: str, level: Level, event: str, fields: dict[str, object]) -> str:
    head = {"time": at, "level": level.name.lower(), "event": event}
    # A field may not pass for the line's own; it keeps its value under another name.
    rest = {f"field_{name}" if name in head else name: each for name, each in fields.items()}
    return to_json(head | _rounded(rest)).decode() + "\n"


def _rounded(fields: dict[str, object]) -> dict[str, object]:
    """Durations to the microsecond where they are milliseconds: more digits are noise."""
    return {name: round(each, 3) if type(each) is float else each for name, each in fields.items()}


def _shown(text: str) -> str:
    """A value as it can stand after `name=`: quoted where its end would not be clear."""
    escaped = _escaped(text)
    if escaped and not any(each in escaped for each in ' ="'):
        return escaped
    return '"' + escaped.replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _is_terminal(stream: Stream) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False

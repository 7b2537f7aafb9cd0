"""A TOML file that somebody wrote: its tables, or an error that names it.

`as_table` and `as_tables` look at what was found before it is believed: whatever a file holds, a
`SettingsError` is all that comes of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from mm_bot.errors import SettingsError

MOST_BYTES: Final = 1 << 20
_ENDLESS: Final = re.compile(r"[0-9A-Fa-f_]{1000}")
"""A number that has no text: Python writes integers of up to 4300 digits."""
Table = Mapping[str, Any]


def read_text(path: Path) -> str:
    """At most `MOST_BYTES` of a file.

    Raises:
        SettingsError: where it cannot be read, is larger, or is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            [f"{path} cannot be read: {error.strerror}; name another file"]
        ) from None
    if len(content) > MOST_BYTES:
        raise SettingsError([f"{path} is larger than {MOST_BYTES} bytes; name another file"])
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path} is no TOML: {error}"]) from None


def parse(text: str, named: str, parse_float: Callable[[str], object] = float) -> dict[str, Any]:
    """The tables of a text; `named` for the message.

    Raises:
        SettingsError: where it is no TOML, is nested too deep, or has an endless number.
    """
    if _ENDLESS.search(text):
        raise SettingsError([f"{named} is no TOML: a number of over 1000 digits"])
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except ValueError as error:
        raise SettingsError([f"{named} is no TOML: {error}"]) from None
    except RecursionError:
        raise SettingsError([f"{named} is no TOML: nested too deep"]) from None


def as_table(value: object, named: str) -> Table:
    """Raises SettingsError where it is none."""
    if not isinstance(value, dict):
        raise SettingsError([f"{named} is {value!r:.60}: give a table, [...]"])
    return value


def as_list(value: object, named: str) -> list[Any]:
    """Raises SettingsError where it is none."""
    if not isinstance(value, list):
        raise SettingsError([f"{named} is {value!r:.60}: give a list"])
    return value

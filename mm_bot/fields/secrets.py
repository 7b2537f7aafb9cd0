"""Every text of an environment that must not be written, whether the settings are valid or not.

Settings that are broken are when a person looks at the output, so nothing here needs them to be
sound: whatever the models call a secret is taken from the raw texts and the files they name, and
from every URL what may be a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from mm_bot.fields.model import Variable

KEY_IN_PATH = 20
"""A part of a path as long as this is a provider's key, not a word."""
KEY_IN_QUERY = 8
_WORDS = {"market", "symbol", "pair", "host", "dbname", "user", "sslmode", "application_name"}
"""Options of a URL whose value is none."""


def secret_texts(
    environment: Mapping[str, str], variables: Iterable[Variable], own: str
) -> Iterator[str]:
    """Keys, passwords, and what in a URL may be one, also of unknown names with `own`."""
    known = {each.name: each for each in variables}
    for name, text in environment.items():
        each = known.get(name)
        if each is not None and each.secret:
            yield text
            yield from text.split()[-1:]  # of "Bearer ..." the key shows alone too
        elif each is not None and each.kind.secret_file:
            yield from _content(Path(text.strip()))
        elif each is not None or name.startswith(own):
            yield from in_url(text)


def _content(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(errors="replace").strip()
    except (OSError, ValueError):
        return
    if text:
        yield text


def in_url(text: str) -> Iterator[str]:
    """What may be a secret in what may be a URL."""
    try:
        parts = urlsplit(text.strip())
        password = parts.password
    except ValueError:
        return
    for word in text.split():  # key=value form of a connection string
        if word.startswith("password="):
            yield word.removeprefix("password=").strip("'")
    if not parts.netloc and not parts.query:
        return
    if password:
        yield from {password, unquote(password)}
    yield from (each for each in parts.path.split("/") if len(each) >= KEY_IN_PATH)
    for option, value in parse_qsl(parts.query):
        if option == "password" or (option not in _WORDS and len(value) >= KEY_IN_QUERY):
            yield value

"""Every text of an environment that must not be printed, whether the settings are valid or not.

Settings that are broken are when a person looks at the output, so nothing here needs them to be
sound: keys and passwords are taken from the raw texts and the files they name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from mm_bot.observe.redact import Redactor

_KEY_VARIABLES = (
    "MM_OWNER_PRIVATE_KEY",
    "MM_SIGNER_PRIVATE_KEY",
    "MM_INT_TAKER_OWNER_PRIVATE_KEY",
    "MM_INT_TAKER_SIGNER_PRIVATE_KEY",
    "MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_API_KEY",
)
_PASSWORD_FILES = ("MM_OWNER_KEYSTORE_PASSWORD_FILE", "MM_SIGNER_KEYSTORE_PASSWORD_FILE")
_KEY_IN_PATH = 16
"""A part of a path as long as this is a provider's key, not a word."""
_KEY_IN_QUERY = 8


def redactor_for(environment: Mapping[str, str]) -> Redactor:
    """One that knows all secrets of this environment."""
    redactor = Redactor()
    for secret in secrets(environment):
        redactor.add(secret)
    return redactor


def secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Keys, passwords, and what in a URL may be one."""
    yield from (environment[name] for name in _KEY_VARIABLES if name in environment)
    for name in _PASSWORD_FILES:
        if name in environment:
            yield from _first_line(Path(environment[name]))
    for name, text in environment.items():
        if name == "DATABASE_URL" or name.startswith("MM_"):
            yield from _in_url(text)


def _first_line(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(errors="replace").strip()
    except (OSError, ValueError):
        return
    if text:
        yield text


def _in_url(text: str) -> Iterator[str]:
    try:
        parts = urlsplit(text.strip())
        password = parts.password
    except ValueError:
        return
    for word in text.split():  # key=value form of a connection string
        if word.startswith("password="):
            yield word.removeprefix("password=").strip("'")
    if not parts.netloc:
        return
    if password:
        yield from {password, unquote(password)}
    yield from (each for each in parts.path.split("/") if len(each) >= _KEY_IN_PATH)
    yield from (each for _, each in parse_qsl(parts.query) if len(each) >= _KEY_IN_QUERY)

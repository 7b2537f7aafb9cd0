"""Texts of variables: what of them may be seen, and URLs, whose parts may be secret."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import urlsplit

HIDDEN = "***"
_KEY_LIKE = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_PLAIN_OPTIONS = {"host", "port", "dbname", "user", "sslmode", "application_name"}


def refuse(takes: str) -> NoReturn:
    raise ValueError(f"give {takes}")


def hide_keys(text: str) -> str:
    """The text without anything that looks like a key."""
    return _KEY_LIKE.sub(HIDDEN, text)


def show_text(text: str) -> str:
    """The text, cut to a line, without anything that looks like a key."""
    text = hide_keys(text)
    return text if len(text) <= 120 else text[:119] + "…"


def show_nothing(text: str) -> str:
    return HIDDEN


def http_url(text: str) -> str:
    return _host_url(text, ("http", "https"), "an http:// or https:// URL with a host")


def websocket_url(text: str) -> str:
    return _host_url(text, ("ws", "wss"), "a ws:// or wss:// URL with a host")


def node_url(text: str) -> str:
    schemes = ("http", "https", "ws", "wss")
    return _host_url(text, schemes, "an http(s):// or ws(s):// URL with a host")


def redis_url(text: str) -> str:
    return _host_url(text, ("redis", "rediss"), "a redis:// or rediss:// URL with a host")


def _host_url(text: str, schemes: tuple[str, ...], takes: str) -> str:
    _check_url(text, schemes, takes)
    return text if urlsplit(text).hostname else refuse(takes)


def base_url(text: str) -> str:
    url = http_url(text)
    if "?" in url:
        refuse("the base URL alone, without a query")
    return url.rstrip("/")


def database_url(text: str) -> str:
    _check_url(text, ("postgres", "postgresql"), "a postgres:// or postgresql:// URL")
    return text


def _check_url(text: str, schemes: tuple[str, ...], takes: str) -> None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is no number
    except ValueError:
        refuse(takes + "; its port must be a number, other signs percent-encoded")
    if parts.scheme not in schemes or "://" not in text or re.search(r"\s", text):
        refuse(takes)
    if "@" in parts.path + parts.query + parts.fragment or "#" in text:
        refuse(takes + ", with @, # and / in its user or password percent-encoded")


def show_url(text: str) -> str:
    """A URL without user, password and query."""
    before, at, rest = text.rpartition("@")
    scheme = before.partition("://")[0] + "://" if "://" in before else ""
    rest = f"{scheme}{HIDDEN}@{rest}" if at else rest
    if "[" not in rest:  # "user:password" whose @ was forgotten looks like host:port
        rest = re.sub(r"(//[^/:]*|^[^/:]*):(?!\d*(/|\?|$)|//).*", rf"\1:{HIDDEN}", rest)
    return show_text(re.sub(r"[?#].*", f"?{HIDDEN}", rest, flags=re.DOTALL))


def show_host(text: str) -> str:
    """A URL without its path too: nodes' providers put the key there."""
    before, separator, rest = show_url(text).rpartition("://")
    host, slash, path = rest.partition("/")
    return before + separator + host + slash + (HIDDEN if path else "")


def show_database(text: str) -> str:
    try:
        database_url(text)
    except ValueError:
        return HIDDEN
    parts = urlsplit(text)
    user, _, _ = parts.netloc.rpartition("@")
    who = "" if not user else user.partition(":")[0] + (f":{HIDDEN}" if ":" in user else "") + "@"
    options = [
        option if option.partition("=")[0] in _PLAIN_OPTIONS else HIDDEN
        for option in parts.query.split("&")
    ]
    query = "?" + "&".join(options) if parts.query else ""
    where = parts.netloc.rpartition("@")[2]
    return show_text(f"{parts.scheme}://{who}{where}{parts.path}{query}")

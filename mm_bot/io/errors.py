"""Where foreign exceptions become ours: the one mapping, for every client.

    httpx.HTTPError, InvalidURL, StreamError, CookieConflict   ┐
    orjson.JSONDecodeError, UnicodeError                       ├─>  EdgeError(source, reason)
    OSError (TimeoutError and ssl.SSLError are some)           │
    psycopg.Error (known by its name: most clients never       ┘
    import psycopg)

The reason says what happened and, where a person can do something about it, what. It is made from
a closed set: foreign text may carry a user name, a URL with a password, or a key in a query.
What a service itself answered is shown by `excerpt`, which is cut and blanks whatever could be a
key; where a redirect leads by `target`.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol
from urllib.parse import urlsplit

import httpx
import orjson

from mm_bot.errors import EdgeError

FOREIGN: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
    orjson.JSONDecodeError,
    OSError,
    UnicodeError,  # a host name that is none, a text that is no UTF-8
)
NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
"""Raised before the first byte of a request left us: it certainly did not arrive."""
EXCERPT_CHARACTERS: Final = 160

_COULD_BE_A_KEY: Final = re.compile(r"(?!0x[0-9a-fA-F]{40}\b)(?=\S*[A-Za-z])[A-Za-z0-9_\-+/=]{20,}")
"""Long and not a number alone; an address is no secret."""
_URL: Final = re.compile(r"\b[a-z][a-z0-9+.\-]*://\S+", re.IGNORECASE)
_TAG: Final = re.compile(r"<(script|style)\b.*?</\1>|<[^<>]{0,400}>", re.IGNORECASE | re.DOTALL)


@contextmanager
def edge(source: str) -> Iterator[None]:
    """Turn what an outside library raises inside into an `EdgeError` of this source."""
    try:
        yield
    except FOREIGN as error:
        raise EdgeError(source, describe(error)) from None


def describe(error: BaseException) -> str:
    """What happened and what helps, without the foreign text."""
    name = type(error).__name__
    if isinstance(error, UnsentError):
        return _own_words(error)
    if isinstance(error, httpx.ConnectError):
        cause = error.__cause__
        return f"no connection: {_of_connecting(cause) if cause else name}"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return f"no answer in time ({name})"
    if isinstance(error, httpx.RemoteProtocolError | httpx.LocalProtocolError):
        # Our transport's own words; no other client of ours raises these.
        return f"no usable answer: {_own_words(error) or name}"
    if isinstance(error, orjson.JSONDecodeError):
        return "the answer is no JSON"
    if type(error).__module__.split(".")[0] == "psycopg":
        return _of_postgres(error)
    if isinstance(error, UnicodeError):
        return f"a name or text that is none ({name})"
    if isinstance(error, OSError):
        return _of_connecting(error)
    return name


def _of_postgres(error: BaseException) -> str:
    """By SQLSTATE where the server gave one; what libpq says of a connection that never was, by
    its words. Neither users nor what is in quotes is shown."""
    name, text = type(error).__name__, str(error)
    code = getattr(error, "sqlstate", None)
    if code:
        found = _DENIED.search(text)
        about = f" {found[1]}" if found else ""
        known = f"{_SQLSTATES[code]}{about}: " if code in _SQLSTATES else ""
        return f"{known}{name} (SQLSTATE {code})"
    lower = text.lower()
    for words, meaning in _LOGINS:
        if words in lower:
            return meaning
    said = _QUOTED.sub('"…"', text.rpartition("FATAL:")[2] if "FATAL:" in text else "")
    return f"{name}: {excerpt(said)}" if said.strip() else name


_DENIED: Final = re.compile(
    r"(?:permission denied for|relation|column) "
    r"(?:(?:table|view|schema|function|sequence|relation|database) )?\"?([A-Za-z0-9_.]{1,63})"
)
_QUOTED: Final = re.compile(r'"[^"]*"')
_SQLSTATES: Final = {
    "42501": "this role has no permission, GRANT it SELECT, on",
    "42P01": "is this the exchange's database? It has no table",
    "42703": "is this the exchange's database? It has no column",
    "53300": "the server's connection limit is reached; end sessions or raise it",
    "57P01": "the server ended the session: it is shutting down or was told to",
    "57P03": "the server is starting up or shutting down",
    "57014": "the server cancelled the query; is the role's statement_timeout too short?",
    "57P02": "the server crashed",
    "57P05": "the server ended the idle session; set idle_session_timeout to 0 for this role",
    "55P03": "another session holds a lock on the table",
    "53100": "the server's disk is full",
    "53200": "the server is out of memory",
    "25006": "the server is read only: a standby?",
}
_CONNECTION_LIMIT: Final = "the connection limit is reached; end sessions or raise the limit"
_PASSWORD: Final = (
    "the user or its password is wrong: check user, password and database in MM_DATABASE_URL"
)
_LOGINS: Final = (
    ("password authentication failed", _PASSWORD),
    ("auth failed", _PASSWORD),  # pgbouncer
    ("authentication failed", "the login is refused; check user, password and pg_hba.conf"),
    ("no password supplied", "the server wants a password and MM_DATABASE_URL has none"),
    ("is not permitted to log in", "this role may not log in"),
    ("permission denied for database", "this role may not connect to that database"),
    ("no pg_hba.conf entry", "the server's pg_hba.conf lets us in from nowhere like here: another "
     "user, database, address, or TLS (sslmode=require) is wanted"),
    ("too many connections", _CONNECTION_LIMIT),
    ("too many clients", _CONNECTION_LIMIT),
    ("remaining connection slots", _CONNECTION_LIMIT),
    ("server does not support ssl", "the server has no TLS, and sslmode demands it"),
    ("root certificate file", "the file that sslrootcert names is not there"),
    ("certificate verify failed", "its certificate is of an authority that is not trusted here; "
     "sslrootcert names the file of those that are"),
    ("does not match host name", "its certificate is for another host name"),
    ("negotiation", "something other than Postgres listens at that port"),
    ("server closed the connection unexpectedly", "the connection was closed while logging in; is "
     "that port Postgres?"),
    ("expected authentication request", "something other than Postgres listens at that port"),
    ("role", "no such user; check it in MM_DATABASE_URL"),
    ("database", "no such database; check its name in MM_DATABASE_URL"),
    ("starting up", "the server is starting up"),
    ("shutting down", "the server is shutting down"),
    ("could not translate host name", "no such host; is its name spelled right?"),
    ("connection refused", "nothing listens at that port"),
    ("no route to host", "no route to that host"),
    ("timeout expired", "no answer in time"),
)  # fmt: skip
"""What libpq or the server says when no session came about, and what it means. The first that is
found counts."""


def _of_connecting(error: BaseException) -> str:
    """Why no connection came about: names, TLS, ports."""
    name = type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATES.get(error.verify_code, f"its certificate is refused ({name})")
    if isinstance(error, ssl.SSLError):
        return _TLS.get(error.reason or "", f"TLS failed ({error.reason or name})")
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return "the name server does not answer; is DNS reachable from here?"
        return "no such host; is its name spelled right, and known from here?"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at that port (ConnectionRefusedError)"
    if isinstance(error, TimeoutError):
        return f"no answer in time ({name})"
    return _own_words(error) if isinstance(error, NoConnectionError) else name


class NoConnectionError(OSError):
    """Our own reason why nothing was connected; its text is ours and shown."""


class UnsentError(httpx.ConnectError):
    """We did not send it; the text is our own reason and shown."""


class AskedToWaitError(UnsentError):
    """The service asked to be left alone for longer."""


def _own_words(error: BaseException) -> str:
    return str(error)[:EXCERPT_CHARACTERS]


_UNKNOWN_AUTHORITY: Final = (
    "its certificate is of an authority that is not trusted here; SSL_CERT_FILE names the file of "
    "those that are"
)
_CERTIFICATES: Final = {
    # OpenSSL's X509_V_ERR_* numbers.
    9: "its certificate is not valid yet; is this machine's clock right?",
    10: "its certificate has expired",
    18: _UNKNOWN_AUTHORITY,
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    62: "its certificate is for another host name",
    64: "its certificate is for another address",
}
_NO_TLS: Final = "that port does not speak TLS; is it http rather than https, or another port?"
_TLS: Final = dict.fromkeys(
    ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"), _NO_TLS
)


def excerpt(text: str | bytes) -> str:
    """A service's own words, fit to be shown: one line, cut, and nothing that could be a key."""
    # Cut first: what follows costs time by its length.
    shown = text[: 20 * EXCERPT_CHARACTERS]
    if isinstance(shown, bytes):
        shown = shown.decode("utf-8", "replace")
    shown = _TAG.sub(" ", shown)
    shown = _URL.sub(lambda found: redact(found[0]), shown)
    shown = _COULD_BE_A_KEY.sub("…", shown)
    shown = " ".join("".join(c if c.isprintable() else " " for c in shown).split())
    return shown if len(shown) <= EXCERPT_CHARACTERS else shown[:EXCERPT_CHARACTERS] + "…"


class Answered(Protocol):
    """An answer: httpx's own, or the lean client's."""

    @property
    def status_code(self) -> int: ...
    @property
    def content(self) -> bytes: ...
    @property
    def headers(self) -> httpx.Headers: ...
    @property
    def request(self) -> httpx.Request: ...


def answered(response: Answered, text: str | None) -> str:
    """An answer that is not the wanted one, in words: its status, where it leads, what the service
    says (`text`, where its own form of an error was found), and the usual slip that explains it."""
    said = excerpt(response.content) if text is None else text[:200]
    words = f"answered {response.status_code}"
    location = response.headers.get("location")
    if 300 <= response.status_code < 400 and location:
        words += f" and points to {target(response.request.url, location)}; name that one instead"
    words += f": {said or 'no error text'}"
    if "/v1/v1/" in response.request.url.path:
        words += " (the base URL ends in /v1, which is added here: take it off)"
    return words


def target(url: httpx.URL, location: str) -> str:
    """Where a redirect leads: scheme, host, port and path; no user, query, or part of the path that
    could be a key."""
    try:
        joined = url.join(location)
        parts = (
            "…" if _COULD_BE_A_KEY.fullmatch(part) else part for part in joined.path.split("/")
        )
        return redact(str(joined)) + "/".join(parts)[:EXCERPT_CHARACTERS]
    except (httpx.InvalidURL, ValueError):
        return "<malformed url>"


def redact(url: str) -> str:
    """Scheme, host and port of a URL: no user, no password, and neither path nor query, where node
    providers put their keys."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "<malformed url>"
    if not parts.scheme or not host:
        return "<malformed url>"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")

"""A running bot, asked over its own pages. Needs no setting but the address."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

import orjson

from mm_bot.errors import SettingsError, UnreachableError
from mm_bot.settings import read_sound

_ANY_HOST = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
_TIMEOUT_S = 2.0
_NAME = "MM_METRICS_ADDR"
MOST_BYTES = 16 << 20

Status = Mapping[str, object]


def bot_url(environment: Mapping[str, str], url: str | None) -> str:
    """Where the bot of this environment serves its pages; `url` overrides it.

    Raises:
        SettingsError: where MM_METRICS_ADDR is no address.
    """
    if url is not None:
        shown = url if "://" in url else f"http://{url}"
        try:
            parts = urlsplit(shown)
            usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise SettingsError([f"--url {url!r}: give http://host:port of the bot's pages"])
        return shown.rstrip("/")
    host, port = read_sound(environment, lambda given: given.observe.metrics_addr, _NAME)
    host = _ANY_HOST.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def ask(url: str, *, needed: str = "not_ready_because", page: str = "/status") -> dict[str, object]:
    """What the bot there says on a page; what has no member `needed` is none.

    Raises:
        UnreachableError: where nothing answers, or what answers is no bot.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=_TIMEOUT_S
    )
    try:
        connection.request("GET", parts.path.rstrip("/") + page)
        answer = connection.getresponse()
        content: object = orjson.loads(answer.read(MOST_BYTES))  # has a bound on nesting
    except OSError as error:
        raise UnreachableError(
            f"no bot answers at {url}: {error.strerror or type(error).__name__}; start it, or name "
            f"its address with --url or {_NAME}"
        ) from None
    except (ValueError, http.client.HTTPException):
        content = None
    finally:
        connection.close()
    if not isinstance(content, dict) or needed not in content:
        raise UnreachableError(
            f"what answers at {url} is no bot; name the bot's address with --url or {_NAME}"
        )
    return content


def ask_if_there(
    url: str, *, needed: str = "not_ready_because", page: str = "/status"
) -> dict[str, object] | None:
    """The same; None where no bot answers."""
    try:
        return ask(url, needed=needed, page=page)
    except UnreachableError:
        return None


def members(value: object) -> Mapping[str, object]:
    """A JSON object; empty for anything else."""
    return value if isinstance(value, dict) else {}


def entries(value: object) -> list[Mapping[str, object]]:
    """The objects in a JSON list; empty for anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def same_bot(status: Status, *, chain_id: int, market: str, subaccount_id: int) -> bool:
    """Whether a status is of the bot of these settings, and not of another on that port."""
    ours = {"chain_id": chain_id, "market": market, "subaccount_id": subaccount_id}
    return all(status.get(name) == value for name, value in ours.items())

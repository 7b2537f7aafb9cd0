"""The variables of Coinbase, and the adapter's configuration made of them: `resolve`."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from pydantic import Secret

from mm_bot.clock import Clock
from mm_bot.core.exact import Price
from mm_bot.fields.kinds import (
    BASE_URL,
    BOOLEAN,
    PATH,
    POSITIVE,
    PREFIXES,
    WEBSOCKET_URL,
    Kind,
    decimal,
    mapped,
    token,
    whole,
)
from mm_bot.fields.model import Model, Reading, Section, variable
from mm_bot.fields.texts import show_nothing
from mm_bot.venues.base import LiveVenue
from mm_bot.venues.coinbase.config import (
    MARKET_SOCKET_URL,
    REQUESTS_PER_HOUR,
    REST_URL,
    USER_SOCKET_URL,
    CoinbaseConfig,
)
from mm_bot.venues.coinbase.token import scalar_of
from mm_bot.venues.prefixes import check_prefixes

REQUEST_TIMEOUT_MS = 5_000
"""Answers are slow in storms."""
_PEM: Final = Kind(
    takes="an EC P-256 private key in PEM",
    parse=lambda text: Secret(scalar_of(text)),
    show=show_nothing,
)


class CoinbaseSettings(Model, title="Coinbase, and who trades there"):
    """As they are given."""

    key_name: Annotated[
        str,
        token(
            "the key's name, organizations/.../apiKeys/..., or its UUID", r"[A-Za-z0-9/_-]{8,200}"
        ),
    ] = variable("MM_COINBASE_KEY_NAME", "The API key's name.", required=True)
    key: Annotated[Secret[bytes], _PEM] = variable(
        "MM_COINBASE_PRIVATE_KEY",
        "Its private key, made with ECDSA; line breaks may be written as \\n. Give the key the "
        "rights to view and to trade, never to transfer.",
        required=True,
    )
    portfolio: Annotated[
        str | None, token("a UUID", r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
    ] = variable(
        "MM_COINBASE_PORTFOLIO", "Checked against the key's portfolio.", absent="the key's"
    )
    rest_url: Annotated[str, BASE_URL] = variable(
        "MM_COINBASE_REST_URL", "The HTTP API, without its path.", default=REST_URL
    )
    market_socket_url: Annotated[str, WEBSOCKET_URL] = variable(
        "MM_COINBASE_MARKET_SOCKET_URL", "The WebSocket of markets.", default=MARKET_SOCKET_URL
    )
    user_socket_url: Annotated[str, WEBSOCKET_URL] = variable(
        "MM_COINBASE_USER_SOCKET_URL", "The WebSocket of our own orders.", default=USER_SOCKET_URL
    )
    protected_prefixes: Annotated[tuple[str, ...], PREFIXES] = variable(
        "MM_PROTECTED_ORDER_ID_PREFIXES",
        "Orders with such client ids are never cancelled and never adopted.",
        default="validation:,test:,smoke:,manual:",
    )
    price_tick: Annotated[Price | None, mapped(decimal("the quote", POSITIVE), Price)] = variable(
        "MM_PRICE_TICK", "The grid of prices, a multiple of the market's.", absent="the market's"
    )
    requests_per_hour: Annotated[int, whole(least=1_000, most=100_000)] = variable(
        "MM_COINBASE_REQUESTS_PER_HOUR",
        "This process's share of what the key may ask; markets of one key share it.",
        default=str(REQUESTS_PER_HOUR),
    )
    resend: Annotated[bool, BOOLEAN] = variable(
        "MM_COINBASE_RESEND",
        "Send an order of unknown outcome again. Only once you have proven that the same client id "
        "posted twice makes one order; else such an order's side is silent for up to a minute.",
        default="false",
    )
    lock_file: Annotated[Path | None, PATH] = variable(
        "MM_COINBASE_LOCK_FILE",
        "Locked by the one writer of this market on this machine; the exchange has no lock.",
        absent="one in the temporary folder, named after key and market",
    )


SECTION = Section(model=CoinbaseSettings)


def resolve(
    reading: Reading, given: CoinbaseSettings, market_symbol: str | None, *, wait_for_lock: bool
) -> CoinbaseConfig | None:
    """The adapter's configuration; None after a fault."""
    if market_symbol is not None:
        reading.check(lambda: check_prefixes(reading, given.protected_prefixes, market_symbol))
    if reading.faults:
        return None
    assert market_symbol is not None, "else a fault"
    who = hashlib.sha256(given.key_name.encode()).hexdigest()[:12]
    name = f"mm-bot-coinbase-{who}-{market_symbol}.lock"
    return CoinbaseConfig(
        rest_url=given.rest_url,
        market_socket_url=given.market_socket_url,
        user_socket_url=given.user_socket_url,
        key_name=given.key_name,
        key=given.key.get_secret_value(),
        portfolio=(given.portfolio or "").lower(),
        market_symbol=market_symbol,
        price_tick=given.price_tick,
        protected_prefixes=given.protected_prefixes,
        lock_file=given.lock_file or Path(tempfile.gettempdir()) / name,
        requests_per_hour=given.requests_per_hour,
        resend=given.resend,
        dry_run=False,
        wait_for_lock=wait_for_lock,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


def build(config: CoinbaseConfig, clock: Clock, *, dry_run: bool) -> LiveVenue:
    """The venue, nothing of it contacted yet."""
    from mm_bot.venues.coinbase.venue import CoinbaseVenue  # heavier than all the settings

    return CoinbaseVenue(replace(config, dry_run=dry_run), clock)

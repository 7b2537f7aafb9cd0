"""The variables of Derive, and the adapter's configuration made of them: `resolve`."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Secret

from mm_bot.clock import Clock
from mm_bot.core.exact import Price
from mm_bot.fields.keys import address_of
from mm_bot.fields.kinds import (
    ACCOUNT_ID,
    ADDRESS,
    BASE_URL,
    PATH,
    POSITIVE,
    PREFIXES,
    PRIVATE_KEY,
    WEBSOCKET_URL,
    Range,
    decimal,
    mapped,
    one_of,
    whole,
)
from mm_bot.fields.model import Model, Reading, Section, variable
from mm_bot.venues.base import LiveVenue
from mm_bot.venues.derive.config import NETWORKS, REQUESTS_PER_MINUTE, DeriveConfig
from mm_bot.venues.prefixes import check_prefixes

REQUEST_TIMEOUT_MS = 2_000
_OF_THE_NETWORK = "the network's own"


class DeriveSettings(Model, title="Derive, and who trades there"):
    """As they are given."""

    network: Annotated[str, one_of(*NETWORKS)] = variable(
        "MM_DERIVE_NETWORK", "Which of the vendor's networks.", default="mainnet"
    )
    socket_url: Annotated[str | None, WEBSOCKET_URL] = variable(
        "MM_DERIVE_SOCKET_URL", "The WebSocket.", absent=_OF_THE_NETWORK
    )
    http_url: Annotated[str | None, BASE_URL] = variable(
        "MM_DERIVE_HTTP_URL", "The same methods by HTTP.", absent=_OF_THE_NETWORK
    )
    owner_address: Annotated[str, ADDRESS] = variable(
        "MM_OWNER_ADDRESS", "The wallet that owns the subaccount.", required=True
    )
    signer_private_key: Annotated[Secret[bytes], PRIVATE_KEY] = variable(
        "MM_SIGNER_PRIVATE_KEY",
        "A session key with the scope of trading alone, or the owner's.",
        required=True,
    )
    subaccount_id: Annotated[int, ACCOUNT_ID] = variable(
        "MM_SUBACCOUNT_ID", "The subaccount that trades.", required=True
    )
    protected_prefixes: Annotated[tuple[str, ...], PREFIXES] = variable(
        "MM_PROTECTED_ORDER_ID_PREFIXES",
        "Orders with such labels are never cancelled and never adopted.",
        default="validation:,test:,smoke:,manual:",
    )
    price_tick: Annotated[Price | None, mapped(decimal("USDC", POSITIVE), Price)] = variable(
        "MM_PRICE_TICK", "The grid of prices.", absent="the market's own"
    )
    initial_margin_rate: Annotated[
        Decimal, decimal("", Range(above=Decimal(0), at_most=Decimal(1)))
    ] = variable(
        "MM_INITIAL_MARGIN_RATE",
        "Part of an order's worth that its margin is taken to be.",
        default="0.2",
    )
    requests_per_minute: Annotated[int, whole(least=6)] = variable(
        "MM_DERIVE_REQUESTS_PER_MINUTE",
        "This bot's part of the account's limit; by default all that a trader has.",
        default=str(REQUESTS_PER_MINUTE),
    )
    lock_file: Annotated[Path | None, PATH] = variable(
        "MM_DERIVE_LOCK_FILE",
        "Locked by the one writer of this market on this machine; the exchange has no lock.",
        absent="one in the temporary folder, named after subaccount and market",
    )


SECTION = Section(model=DeriveSettings)


def resolve(
    reading: Reading, given: DeriveSettings, market_symbol: str | None, *, wait_for_lock: bool
) -> DeriveConfig | None:
    """The adapter's configuration; None after a fault."""
    if market_symbol is not None:
        reading.check(lambda: check_prefixes(reading, given.protected_prefixes, market_symbol))
    if reading.faults:
        return None
    assert market_symbol is not None, "else a fault"
    network, key = NETWORKS[given.network], given.signer_private_key.get_secret_value()
    name = f"mm-bot-derive-{given.subaccount_id}-{market_symbol}.lock"
    return DeriveConfig(
        socket_url=given.socket_url or network.socket_url,
        http_url=given.http_url or network.http_url,
        chain_id=network.chain_id,
        owner=given.owner_address,
        signer_key=key,
        signer=address_of(key),
        subaccount_id=given.subaccount_id,
        market_symbol=market_symbol,
        price_tick=given.price_tick,
        margin_rate=given.initial_margin_rate,
        protected_prefixes=given.protected_prefixes,
        lock_file=given.lock_file or Path(tempfile.gettempdir()) / name,
        requests_per_minute=given.requests_per_minute,
        dry_run=False,
        wait_for_lock=wait_for_lock,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


def build(config: DeriveConfig, clock: Clock, *, dry_run: bool) -> LiveVenue:
    """The venue, nothing of it contacted yet."""
    from mm_bot.venues.derive.venue import DeriveVenue  # heavier than all the settings

    return DeriveVenue(replace(config, dry_run=dry_run), clock)

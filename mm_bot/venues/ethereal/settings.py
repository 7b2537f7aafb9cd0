"""The variables of Ethereal, and the adapter's configuration made of them: `resolve`."""

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
    token,
    whole,
)
from mm_bot.fields.model import Model, Reading, Section, variable
from mm_bot.venues.base import LiveVenue
from mm_bot.venues.ethereal.codec import client_prefix, fits
from mm_bot.venues.ethereal.config import NETWORKS, WRITES_PER_MINUTE, EtherealConfig
from mm_bot.venues.prefixes import check_prefixes

REQUEST_TIMEOUT_MS = 2_000
_OF_THE_NETWORK = "the network's own"


class EtherealSettings(Model, title="Ethereal, and who trades there"):
    """As they are given."""

    network: Annotated[str, one_of(*NETWORKS)] = variable(
        "MM_ETHEREAL_NETWORK", "Which of the vendor's networks.", default="mainnet"
    )
    rest_url: Annotated[str | None, BASE_URL] = variable(
        "MM_ETHEREAL_REST_URL", "The HTTP API, without /v1.", absent=_OF_THE_NETWORK
    )
    socket_url: Annotated[str | None, WEBSOCKET_URL] = variable(
        "MM_ETHEREAL_SOCKET_URL", "The WebSocket, version 2.", absent=_OF_THE_NETWORK
    )
    owner_address: Annotated[str, ADDRESS] = variable(
        "MM_OWNER_ADDRESS", "The wallet that owns the subaccount.", required=True
    )
    signer_private_key: Annotated[Secret[bytes], PRIVATE_KEY] = variable(
        "MM_SIGNER_PRIVATE_KEY",
        "The key of a linked signer, which can trade and not withdraw, or the owner's.",
        required=True,
    )
    subaccount: Annotated[
        str, token("a name of up to 31 letters, digits, '-', '_'", r"[A-Za-z0-9_-]{1,31}")
    ] = variable(
        "MM_ETHEREAL_SUBACCOUNT",
        "The subaccount's name, in the case it was first deposited to.",
        default="primary",
    )
    protected_prefixes: Annotated[tuple[str, ...], PREFIXES] = variable(
        "MM_PROTECTED_ORDER_ID_PREFIXES",
        "Orders with such client ids are never cancelled and never adopted. Client ids have no "
        "colons here, so one at a prefix's end counts for nothing.",
        default="validation,test,smoke,manual",
    )
    price_tick: Annotated[Price | None, mapped(decimal("USD", POSITIVE), Price)] = variable(
        "MM_PRICE_TICK", "The grid of prices, a multiple of the market's.", absent="the market's"
    )
    initial_margin_rate: Annotated[
        Decimal, decimal("", Range(above=Decimal(0), at_most=Decimal(1)))
    ] = variable(
        "MM_INITIAL_MARGIN_RATE",
        "Part of an order's worth that its margin is taken to be.",
        default="0.2",
    )
    writes_per_minute: Annotated[int, whole(least=10, most=WRITES_PER_MINUTE)] = variable(
        "MM_ETHEREAL_WRITES_PER_MINUTE",
        "This process's share of what the address may write; markets of one address share it.",
        default=str(WRITES_PER_MINUTE),
    )
    lock_file: Annotated[Path | None, PATH] = variable(
        "MM_ETHEREAL_LOCK_FILE",
        "Locked by the one writer of this market on this machine; the exchange has no lock.",
        absent="one in the temporary folder, named after owner, subaccount and market",
    )


SECTION = Section(model=EtherealSettings)


def resolve(
    reading: Reading, given: EtherealSettings, market_symbol: str | None, *, wait_for_lock: bool
) -> EtherealConfig | None:
    """The adapter's configuration; None after a fault."""
    if market_symbol is not None:
        reading.check(lambda: _check_ids(reading, given.protected_prefixes, market_symbol))
    if reading.faults:
        return None
    assert market_symbol is not None, "else a fault"
    network, key = NETWORKS[given.network], given.signer_private_key.get_secret_value()
    name = f"mm-bot-ethereal-{given.owner_address}-{given.subaccount}-{market_symbol}.lock"
    return EtherealConfig(
        rest_url=given.rest_url or network.rest_url,
        socket_url=given.socket_url or network.socket_url,
        chain_id=network.chain_id,
        contract=network.contract,
        owner=given.owner_address,
        signer_key=key,
        signer=address_of(key),
        subaccount=given.subaccount,
        market_symbol=market_symbol,
        price_tick=given.price_tick,
        margin_rate=given.initial_margin_rate,
        protected_prefixes=tuple(prefix.rstrip(":") for prefix in given.protected_prefixes),
        lock_file=given.lock_file or Path(tempfile.gettempdir()) / name,
        writes_per_minute=given.writes_per_minute,
        dry_run=False,
        wait_for_lock=wait_for_lock,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


def _check_ids(reading: Reading, prefixes: tuple[str, ...], market_symbol: str) -> None:
    """Our ids must fit into a client id, and none be protected."""
    if not fits(market_symbol):
        reading.fault(
            "MM_MARKET_SYMBOL",
            f"{market_symbol!r} cannot be a ticker here: give up to 10 letters and digits, as in "
            "BTCUSD",
        )
    check_prefixes(reading, prefixes, market_symbol)
    ours = client_prefix(market_symbol)
    for prefix in prefixes:
        bare = prefix.rstrip(":")
        if not bare or ours.startswith(bare) or bare.startswith(ours):
            reading.fault(
                "MM_PROTECTED_ORDER_ID_PREFIXES",
                f"{prefix!r} would protect the bot's own orders, {ours!r}: take it out",
            )


def build(config: EtherealConfig, clock: Clock, *, dry_run: bool) -> LiveVenue:
    """The venue, nothing of it contacted yet."""
    from mm_bot.venues.ethereal.venue import EtherealVenue  # heavier than all the settings

    return EtherealVenue(replace(config, dry_run=dry_run), clock)

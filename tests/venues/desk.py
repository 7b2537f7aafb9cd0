"""What the venue's tests trade with: markets, a configuration, a signed owner."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from integration_harness.stack.up import LocalExchange
from mm_bot.core.commands import NewOrder, Watch
from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Instrument, Kind, Margin, Side
from mm_bot.core.orders import OrderId
from mm_bot.strategies.trial import SPOT
from mm_bot.venues.base import LiveVenue
from mm_bot.venues.checks import Check, Checks
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.units import AssetRef
from mm_bot.venues.numo.wire import CAPABILITIES

CNGN = "0x" + "11" * 20
FUTURE = "0x" + "22" * 20

SPOT_MARKET = dataclasses.replace(
    SPOT, capabilities=CAPABILITIES, venue_ref=AssetRef(asset=CNGN, sub_id=0)
)
FUTURE_MARKET = Instrument(
    symbol="USDCcNGN-NOV30-2026",
    base="USDC",
    quote="cNGN",
    kind=Kind.FUTURE,
    price_tick=Price.of(1),
    size_step=Size.of("0.001"),
    multiplier=Decimal(10_000),
    margin=Margin.BASE,
    margin_rate=Decimal("0.2"),
    collateral="USDC",
    expiry_ms=1795996800_000,
    capabilities=CAPABILITIES,
    venue_ref=AssetRef(asset=FUTURE, sub_id=1795996800),
)

_nonces = itertools.count(time.time_ns() // 500)


def venue_config(running: LocalExchange, symbol: str, **changes: Any) -> NumoConfig:
    """The maker's configuration for a market of the local exchange."""
    maker, subaccount_id = running.account_for(running.instrument(symbol))
    key = bytes.fromhex(maker.private_key.removeprefix("0x"))
    addresses = running.deployment.addresses
    config = NumoConfig(
        api_base_url=running.api_url,
        rpc_url=running.rpc_url,
        database_url=running.database_url,
        chain_id=running.chain_id,
        matching=addresses.matching,
        trade=addresses.trade,
        sub_accounts=addresses.sub_accounts,
        owner_key=key,
        signer_key=key,
        owner=maker.address,
        signer=maker.address,
        subaccount_id=subaccount_id,
        recipient_id=subaccount_id,
        worst_fee=0,
        market_symbol=symbol,
        price_tick=None,
        contract_size=Decimal(10_000),
        margin_rate=Decimal("0.2"),
        protected_prefixes=("manual:",),
        service_name="market-maker",
        dry_run=False,
        wait_for_lock=False,
        request_timeout_ms=2000,
    )
    return dataclasses.replace(config, **changes)


def new_order(market: Instrument, side: Side, price: str, size: str, life_s: int = 60) -> NewOrder:
    """An order of the market's own convention, under a nonce that no test used before."""
    nonce = next(_nonces)
    human_price, human_size = Price.of(price), Size.of(size)
    return NewOrder(
        order_id=str(OrderId(market.symbol, side, nonce)),
        side=side,
        price=human_price,
        size=human_size,
        notional=market.notional(human_price, human_size),
        nonce=nonce,
        expiry_s=int(time.time()) + life_s,
    )


def found_by(made: Callable[[], LiveVenue]) -> dict[str, Check]:
    """What a check of that venue finds, by name."""

    async def run() -> dict[str, Check]:
        venue, checks = made(), Checks()
        try:
            await venue.check(checks)
            return {check.name: check for check in checks.found}
        finally:
            await venue.aclose()

    return asyncio.run(run())


def watch(**changes: Any) -> Watch:
    """Nothing beside our live orders, unless told otherwise."""
    nothing = Watch(order_ids=(), nonces=(), fills_after=None, include_unexpired=False)
    return dataclasses.replace(nothing, **changes)


def whole(amount: str) -> Amount:
    """An amount from its text."""
    return Amount.of(amount)

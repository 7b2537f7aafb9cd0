"""Where the simulated exchange is: addresses, keys, listed markets, and our configuration."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import orjson

from mm_bot.core.exact import plain
from mm_bot.core.instrument import Instrument
from mm_bot.host.persistent import StateIdentity
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.units import FUTURE_LOT, AssetRef, ref
from mm_bot.venues.numo.wire import SPOT_SPEC, parse_listings, to_market
from mm_bot.venues.signing import Domain, Signer
from tests.core import builders
from tests.sim.model import US

API: Final = "http://127.0.0.1:8080"
NODE: Final = "http://127.0.0.1:8545/key"
DATABASE: Final = "postgresql:///exchange?host=/simulated"  # a path: no name is looked up
CHAIN_ID: Final = 8453
SUBACCOUNT: Final = 17
TIMEOUT_MS: Final = 1_000
CONTRACT_SIZE: Final = Decimal(10_000)
MARGIN_RATE: Final = Decimal("0.2")
CNGN: Final = "0x" + "11" * 20
FUTURE: Final = "0x" + "22" * 20
CASH: Final = "0x" + "33" * 20
MATCHING: Final = "0x" + "44" * 20
TRADE: Final = "0x" + "55" * 20
SUB_ACCOUNTS: Final = "0x" + "66" * 20
_OWNER_KEY: Final = bytes([7]) * 32
_SIGNER_KEY: Final = bytes([8]) * 32
OWNER: Final = Signer(_OWNER_KEY).address
SIGNER: Final = Signer(_SIGNER_KEY).address
DOMAIN: Final = Domain(chain_id=CHAIN_ID, matching=MATCHING)
ADDRESSES: Final = {US: OWNER, "taker": "0x" + "77" * 20, "maker": "0x" + "88" * 20}
"""By the owners' names in the model."""
OTHER_SPOT: Final = replace(
    builders.SPOT, symbol="USDCcNGN-SPOT-2", venue_ref=AssetRef(asset=CNGN, sub_id=2)
)
"""Only there to hold cNGN of ours."""
OTHER_FUTURE: Final = replace(
    builders.FUTURE,
    symbol="USDCcNGN-MAY31-2035",
    venue_ref=AssetRef(asset=FUTURE, sub_id=2_064_960_000),
    expiry_ms=2_064_960_000_000,
)
"""Only there to hold cash of ours."""


def listed_as(market: Instrument) -> Instrument:
    """The market as the adapter learns it from the listing."""
    (listing,) = parse_listings(orjson.dumps([_listing(market)]))
    return to_market(listing, price_tick=None, contract_size=CONTRACT_SIZE, margin_rate=MARGIN_RATE)


def markets(market: Instrument) -> bytes:
    """The body of `/v1/markets`."""
    every = (market, OTHER_SPOT, OTHER_FUTURE)
    return orjson.dumps([_listing(each) for each in every])


def config(market: Instrument) -> NumoConfig:
    """Ours there; a session key signs the orders."""
    return NumoConfig(
        api_base_url=API,
        rpc_url=NODE,
        database_url=DATABASE,
        chain_id=CHAIN_ID,
        matching=MATCHING,
        trade=TRADE,
        sub_accounts=SUB_ACCOUNTS,
        owner_key=_OWNER_KEY,
        signer_key=_SIGNER_KEY,
        owner=OWNER,
        signer=SIGNER,
        subaccount_id=SUBACCOUNT,
        recipient_id=SUBACCOUNT,
        worst_fee=0,
        market_symbol=market.symbol,
        price_tick=None,
        contract_size=CONTRACT_SIZE,
        margin_rate=MARGIN_RATE,
        protected_prefixes=("validation:", "test:", "smoke:", "manual:"),
        service_name="market-maker",
        dry_run=False,
        wait_for_lock=True,
        request_timeout_ms=TIMEOUT_MS,
    )


def identity(market: Instrument) -> StateIdentity:
    """Whose state our file is."""
    return StateIdentity(
        chain_id=CHAIN_ID, owner=OWNER, market=market.symbol, subaccount_id=SUBACCOUNT
    )


def _listing(market: Instrument) -> dict[str, Any]:
    if market.venue_ref is not None:
        where = ref(market)
    elif market.is_spot:
        where = AssetRef(asset=CNGN, sub_id=0)
    else:
        assert market.expiry_ms is not None
        where = AssetRef(asset=FUTURE, sub_id=market.expiry_ms // 1000)
    entry: dict[str, Any] = {
        "market": market.symbol,
        "contract_type": "spot" if market.is_spot else "deliverable_fx_future",
        "base_asset_symbol": "USDC",
        "quote_asset_symbol": "cNGN",
        "tick_size": "0.000000000000000001" if market.is_spot else plain(market.price_tick.value),
        "asset_address": where.asset,
        "sub_id": str(where.sub_id),
        "last_trade_timestamp": None,
    }
    if market.is_spot:
        return entry | {"order_entry_spec": SPOT_SPEC, "expiry_timestamp": None}
    assert market.expiry_ms is not None
    return entry | {"expiry_timestamp": market.expiry_ms // 1000, "min_size": str(FUTURE_LOT)}

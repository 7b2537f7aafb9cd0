"""Our account on the fake of Derive, and the variables that lead there."""

from __future__ import annotations

from pathlib import Path

from eth_account import Account

from integration_harness.venues.derive.server import DeriveServer

OWNER = Account.from_key("0x" + "a1" * 32).address
SESSION_KEY = "0x" + "b2" * 32
SIGNER = Account.from_key(SESSION_KEY).address
SUBACCOUNT = 75723


def environment(server: DeriveServer, folder: Path) -> dict[str, str]:
    """Everything that is required, around a fixed price of 3000; the lock is in `folder`."""
    return {
        "MM_VENUE": "derive",
        "MM_DERIVE_NETWORK": "testnet",
        "MM_DERIVE_SOCKET_URL": server.socket_url,
        "MM_DERIVE_HTTP_URL": server.http_url,
        "MM_DERIVE_LOCK_FILE": str(folder / "lock"),
        "MM_OWNER_ADDRESS": OWNER,
        "MM_SIGNER_PRIVATE_KEY": SESSION_KEY,
        "MM_SUBACCOUNT_ID": str(SUBACCOUNT),
        "MM_MARKET_SYMBOL": server.symbol,
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "3000",
        "MM_ANCHOR_MIN_PRICE": "100",
        "MM_ANCHOR_MAX_PRICE": "100000",
    }

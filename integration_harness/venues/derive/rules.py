"""What a signed order must satisfy: signature, life, nonce, grids, band and fee."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data

from integration_harness.venues.derive.model import (
    LEAST,
    MOST,
    STEP,
    TICK,
    Json,
    RpcError,
    Trader,
)

CHAIN_ID: Final = 11155111
MATCHING: Final = "0xeB8d770ec18DB98Db922E9D83260A585b9F0DeAD"
TRADE_MODULE: Final = "0xB8D20c2B7a1Ad2EE33Bc50eF10876eD3035b5e7b"
ASSET: Final = "0xaf65752c4643e25c02f693f9d4fe19cf23a095e3"
DOMAIN: Final = {
    "name": "Matching",
    "version": "1.0",
    "chainId": CHAIN_ID,
    "verifyingContract": MATCHING,
}
DOMAIN_SEPARATOR: Final = "0x24d674cd5f2b9d564691c51e9d88f649b99246a2244dd74ce27b96578d773e85"
ACTION: Final = {
    "Action": [
        {"name": "subaccountId", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "module", "type": "address"},
        {"name": "data", "type": "bytes"},
        {"name": "expiry", "type": "uint256"},
        {"name": "owner", "type": "address"},
        {"name": "signer", "type": "address"},
    ]
}
ONE: Final = 10**18
NONCE_WINDOW_NS: Final = 3600 * 10**9
LEAST_LIFE_S: Final = 300
LONGEST_LIFE_S: Final = 10_368_000
STAMP_WITHIN_S: Final = 60
TAKER_FEE: Final = Decimal("0.0003")
BASE_FEE: Final = Decimal("0.1")

Band = tuple[Decimal, Decimal]


def stamp_signer(stamp: str, signature: str, now_s: float) -> str | None:
    """Who signed the time of a login, lower case; None where it is not now or nobody did."""
    try:
        found: str = Account.recover_message(encode_defunct(text=stamp), signature=signature)
        fresh = abs(int(stamp) / 1000 - now_s) < STAMP_WITHIN_S
    except Exception:  # eth-account raises whatever its parts raise
        return None
    return found.lower() if fresh else None


def recovered(trader: Trader, params: Json) -> str:
    """Who signed an order, by eth-account's own typed data; lower case."""
    words = (
        bytes.fromhex(ASSET[2:]).rjust(32, b"\0"),
        (0).to_bytes(32),
        int(Decimal(params["limit_price"]) * ONE).to_bytes(32, signed=True),
        int(Decimal(params["amount"]) * ONE).to_bytes(32, signed=True),
        int(Decimal(params["max_fee"]) * ONE).to_bytes(32),
        trader.subaccount_id.to_bytes(32),
        int(params["direction"] == "buy").to_bytes(32),
    )
    message = {
        "subaccountId": trader.subaccount_id,
        "nonce": int(params["nonce"]),
        "module": TRADE_MODULE,
        "data": b"".join(words),
        "expiry": params["signature_expiry_sec"],
        "owner": trader.owner,
        "signer": params["signer"],
    }
    typed = encode_typed_data(DOMAIN, ACTION, message)
    found: str = Account.recover_message(typed, signature=params["signature"])
    return found.lower()


def check_order(trader: Trader, params: Json, now_s: float, band: Band | None) -> None:
    """Raises RpcError with the documented code of the first rule that is broken."""
    if recovered(trader, params) not in trader.signers:
        raise RpcError(14014, "invalid signature")
    if params["nonce"] in trader.nonces:
        raise RpcError(11017, "nonce not unique")
    if not LEAST_LIFE_S <= params["signature_expiry_sec"] - now_s <= LONGEST_LIFE_S:
        raise RpcError(11011, "invalid signature expiry")
    if abs(int(params["nonce"]) - int(now_s * 10**9)) > NONCE_WINDOW_NS:
        raise RpcError(11018, "nonce date outside of the window")
    price, amount = Decimal(params["limit_price"]), Decimal(params["amount"])
    if amount % STEP or not LEAST <= amount <= MOST:
        raise RpcError(11012, "invalid amount")
    outside = band is not None and not band[0] <= price <= band[1]
    if price % TICK or price <= 0 or outside:
        raise RpcError(11013, "invalid limit price")
    if Decimal(params["max_fee"]) < price * TAKER_FEE + BASE_FEE / amount:
        raise RpcError(11023, "signed max fee too low")

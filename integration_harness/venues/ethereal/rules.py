"""What a write must satisfy: signature, signer, nonce, budget, and the terms of an order."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from eth_account import Account
from eth_account.messages import encode_typed_data

from integration_harness.venues.ethereal.model import (
    PRODUCTS,
    ApiError,
    Faults,
    Json,
    Product,
    Trader,
)

DOMAIN: Final = {
    "name": "Ethereal",
    "version": "1",
    "chainId": 13374202,
    "verifyingContract": "0x1F0327A80e43FEF1Cd872DC5d38dCe4A165c0643",
}
TYPES: Final = {
    "TradeOrder": "address sender, bytes32 subaccount, uint128 quantity, uint128 price, "
    "bool reduceOnly, uint8 side, uint8 engineType, uint32 productId, uint64 nonce, "
    "uint64 signedAt",
    "CancelOrder": "address sender, bytes32 subaccount, uint64 nonce",
}
WRITES_PER_MINUTE: Final = 220
NONCE_WINDOW_NS: Final = 600 * 10**9
SIGNED_WITHIN_S: Final = 60
LONGEST_LIFE_S: Final = 6_652_800
_BILLION: Final = 10**9
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Rules:
    """Each method raises ApiError where a write breaks its rule."""

    def __init__(
        self, faults: Faults, traders: dict[int, Trader], now_ms: Callable[[], int]
    ) -> None:
        self.faults = faults
        self.traders = traders
        self.now_ms = now_ms
        self._nonces: set[tuple[str, str]] = set()
        self._writes: dict[int, deque[float]] = {}

    def signed(self, name: str, data: Json, signature: str) -> Trader:
        """Whose it is, by the signature alone."""
        fields = [f.split(" ") for f in TYPES[name].split(", ")]
        types = {name: [{"name": each, "type": kind} for kind, each in fields]}
        message: Json = {
            "sender": data["sender"],
            "subaccount": data["subaccount"],
            "nonce": int(data["nonce"]),
        }
        if name == "TradeOrder":
            message |= {
                "quantity": int(Decimal(data["quantity"]) * _BILLION),
                "price": int(Decimal(data.get("price") or 0) * _BILLION),
                "reduceOnly": data["reduceOnly"],
                "side": data["side"],
                "engineType": data["engineType"],
                "productId": data["onchainId"],
                "signedAt": data["signedAt"],
            }
            if abs(data["signedAt"] - self.now_ms() / 1000) > SIGNED_WITHIN_S:
                raise ApiError(400, "signedAt is too far from now")
        typed = encode_typed_data(DOMAIN, types, message)
        found = Account.recover_message(typed, signature=signature).lower()
        if found != data["sender"].lower():
            raise ApiError(401, "invalid signature")
        for trader in self.traders.values():
            if trader.word == data["subaccount"] and trader.may_sign(found, self.now_ms()):
                return trader
        raise ApiError(422, "InvalidSigner")

    def may_write(self) -> None:
        if self.faults.maintenance:
            raise ApiError(503, "maintenance")
        if self.faults.suspended:
            raise ApiError(422, "ExchangeSuspended")

    def use_nonce(self, data: Json) -> None:
        key = (data["sender"].lower(), data["nonce"])
        if abs(int(data["nonce"]) - self.now_ms() * 10**6) > NONCE_WINDOW_NS:
            raise ApiError(400, "nonce is outside of the window")
        if key in self._nonces:
            raise ApiError(422, "NonceAlreadyUsed")
        self._nonces.add(key)

    def count_write(self, trader: Trader) -> None:
        sent = self._writes.setdefault(trader.subaccount_id, deque())
        now = time.monotonic()
        while sent and now - sent[0] >= 60:
            sent.popleft()
        if len(sent) >= WRITES_PER_MINUTE:
            raise ApiError(429, "too many requests", "RATE_LIMIT_ACCOUNT", 1)
        sent.append(now)

    def writes_left(self, sender: str) -> int:
        for trader in self.traders.values():
            if sender.lower() in trader.signers:
                return WRITES_PER_MINUTE - len(self._writes.get(trader.subaccount_id, ()))
        return 0

    def check_terms(self, data: Json) -> Product:
        product = next((p for p in PRODUCTS.values() if p.onchain_id == data["onchainId"]), None)
        if product is None:
            raise ApiError(404, "product not found")
        price, amount = Decimal(data["price"]), Decimal(data["quantity"])
        client = data.get("clientOrderId")
        if client and not _CLIENT_ID.fullmatch(client):
            raise ApiError(400, "clientOrderId must be a UUID or up to 32 letters and digits")
        if data["type"] != "LIMIT" or data["timeInForce"] not in ("GTD", "IOC", "FOK"):
            raise ApiError(400, "only limit orders here")
        if price <= 0 or price % product.tick:
            raise ApiError(400, "price is no multiple of the tick size")
        if not 0 < amount <= product.most or amount % product.lot:
            raise ApiError(422, "InvalidQuantity")
        life_s = data.get("expiresAt", data["signedAt"] + 1) - self.now_ms() / 1000
        if not 0 < life_s <= LONGEST_LIFE_S:
            raise ApiError(422, "InvalidExpireTime")
        return product


def reduces(trader: Trader, product: Product, data: Json) -> bool:
    """Whether an order leads a position back, and no further than to nothing."""
    held = trader.positions.get(product.ticker, Decimal(0))
    size = Decimal(data["quantity"])
    return 0 < size <= (held if data["side"] else -held)

"""Signed orders and cancels for takers, seeding and tests, and a small client to send them.

Written from the exchange's own contract and signed with an independent typed-data library: what
this module signs, the API and the chain check. People speak human here: price in cNGN per USDC,
size in USDC for spot and contracts for futures.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import httpx
from eth_account import Account as EthAccount
from eth_account.messages import encode_typed_data

from integration_harness.stack.deployment import Account, Deployment
from integration_harness.stack.instruments import Instrument
from integration_harness.stack.quantities import (
    Side,
    decimal_text,
    engine_side,
    engine_spot_ticks,
    parse_amount,
)
from integration_harness.stack.signed_data import TradeData, encode_trade_data

_BLINK_SECONDS: Final = 1.0
"""Longer than the matcher looks at an order that it does not match."""
_CANCEL_SECONDS: Final = 120
_DOMAIN_TYPE: Final = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_ACTION_TYPE: Final = [
    {"name": "subaccountId", "type": "uint256"},
    {"name": "nonce", "type": "uint256"},
    {"name": "module", "type": "address"},
    {"name": "data", "type": "bytes"},
    {"name": "expiry", "type": "uint256"},
    {"name": "owner", "type": "address"},
    {"name": "signer", "type": "address"},
]
_CANCEL_TYPE: Final = [
    {"name": "owner", "type": "address"},
    {"name": "signer", "type": "address"},
    {"name": "nonce", "type": "uint256"},
    {"name": "expiry", "type": "uint256"},
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTicket:
    """What somebody wants, in human words."""

    instrument: Instrument
    side: Side
    price: Decimal
    size: Decimal
    lifetime_seconds: int = 300
    nonce: int | None = None
    order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLevel:
    """One listed order, the human way round."""

    order_id: str
    owner_address: str
    price: Fraction
    size: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanBook:
    """Best first; `bids` are people who want USDC (or a long future)."""

    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]


class Signer:
    """Signs one owner's orders; `key` may be a session key instead of the owner's own."""

    def __init__(
        self,
        deployment: Deployment,
        account: Account,
        *,
        subaccount_id: int | None = None,
        recipient_id: int | None = None,
        session_private_key: str | None = None,
    ) -> None:
        self.owner: Final = account.address.lower()
        self.subaccount_id: Final = (
            account.subaccount_ids[0] if subaccount_id is None else subaccount_id
        )
        self._recipient_id = recipient_id or self.subaccount_id
        self._owner_key = account.private_key
        self._key = session_private_key or account.private_key
        self.signer: Final = str(EthAccount.from_key(self._key).address).lower()
        self._module = deployment.addresses.trade
        self._domain = {
            "name": "Matching",
            "version": "1.0",
            "chainId": deployment.chain_id,
            "verifyingContract": deployment.addresses.matching,
        }

    def order_body(self, ticket: OrderTicket) -> dict[str, Any]:
        """The body of `POST /v1/orders`."""
        instrument = ticket.instrument
        side, ticks, amount_steps = engine_terms(ticket)
        nonce = fresh_nonce() if ticket.nonce is None else ticket.nonce
        expiry = int(time.time()) + ticket.lifetime_seconds
        trade = TradeData(
            asset=instrument.asset_address,
            sub_id=instrument.sub_id,
            limit_price=instrument.chain_price(ticks),
            desired_amount=instrument.chain_amount(amount_steps),
            worst_fee=0,
            recipient_id=self._recipient_id,
            is_bid=side == "buy",
        )
        data = encode_trade_data(trade)
        message = {
            "subaccountId": self.subaccount_id,
            "nonce": nonce,
            "module": self._module,
            "data": data,
            "expiry": expiry,
            "owner": self.owner,
            "signer": self.signer,
        }
        return {
            "order_id": ticket.order_id or f"stack:{nonce}",
            "owner_address": self.owner,
            "signer_address": self.signer,
            "subaccount_id": str(self.subaccount_id),
            "recipient_id": str(self._recipient_id),
            "nonce": str(nonce),
            "side": side,
            "asset_address": instrument.asset_address,
            "sub_id": str(instrument.sub_id),
            "desired_amount": decimal_text(amount_steps * Fraction(instrument.amount_step)),
            "filled_amount": "0",
            "limit_price": decimal_text(ticks * Fraction(instrument.tick_size)),
            "worst_fee": "0",
            "expiry": expiry,
            "action_json": {
                "subaccount_id": str(self.subaccount_id),
                "nonce": str(nonce),
                "module": self._module,
                "data": "0x" + data.hex(),
                "expiry": str(expiry),
                "owner": self.owner,
                "signer": self.signer,
            },
            "signature": self._sign("Action", _ACTION_TYPE, message, self._key),
        }

    def cancel_body(self, nonce: int, *, reason: str = "", service: str = "") -> dict[str, str]:
        """The body of `POST /v1/orders/cancel`: always signed by the owner."""
        expiry = int(time.time()) + _CANCEL_SECONDS
        message = {"owner": self.owner, "signer": self.owner, "nonce": nonce, "expiry": expiry}
        return {
            "owner_address": self.owner,
            "signer_address": self.owner,
            "nonce": str(nonce),
            "expiry": str(expiry),
            "signature": self._sign("Cancel", _CANCEL_TYPE, message, self._owner_key),
            "reason": reason,
            "service": service,
        }

    def _sign(
        self, primary: str, members: list[dict[str, str]], message: dict[str, Any], key: str
    ) -> str:
        signable = encode_typed_data(
            full_message={
                "types": {"EIP712Domain": _DOMAIN_TYPE, primary: members},
                "primaryType": primary,
                "domain": self._domain,
                "message": message,
            }
        )
        return "0x" + bytes(EthAccount.sign_message(signable, key).signature).hex()


class ExchangeClient:
    """A plain client of the public API; raises httpx.HTTPStatusError where it refuses."""

    def __init__(self, api_url: str) -> None:
        self._client = httpx.Client(base_url=api_url, timeout=5)

    def place(self, body: dict[str, Any]) -> dict[str, Any]:
        """Post an order and return it as stored."""
        return self._order(self._client.post("/v1/orders", json=body))

    def cancel(self, body: dict[str, str]) -> dict[str, Any]:
        """Cancel an order and return it as stored. One that the matcher holds at that moment is
        answered with a 404, and tried again until it lets go."""
        give_up_at = time.monotonic() + _BLINK_SECONDS
        while True:
            answer = self._client.post("/v1/orders/cancel", json=body)
            if answer.status_code != 404 or time.monotonic() > give_up_at:
                return self._order(answer)
            time.sleep(0.01)

    def order(self, order_id: str) -> dict[str, Any]:
        """The status of an order."""
        return self._get(f"/v1/orders/{order_id}", {})

    def trades(self, symbol: str, limit: int = 50) -> list[dict[str, Any]]:
        """Fills of a market, newest first, engine-side."""
        trades: list[dict[str, Any]] = self._get(
            "/v1/trades", {"symbol": symbol, "limit": str(limit)}
        )["trades"]
        return trades

    def book(self, instrument: Instrument) -> HumanBook:
        """The listed orders, the human way round."""
        answer = self._get("/v1/book", {"symbol": instrument.symbol})
        assert answer["market_presentation"]["market"] == instrument.symbol
        sides = [tuple(_level(o, instrument) for o in answer[name]) for name in ("bids", "asks")]
        if instrument.is_spot:
            sides.reverse()
        return HumanBook(bids=sides[0], asks=sides[1])

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def __enter__(self) -> ExchangeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        response = self._client.get(path, params=query)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def _order(self, response: httpx.Response) -> dict[str, Any]:
        response.raise_for_status()
        order: dict[str, Any] = response.json()["order"]
        return order


def fresh_nonce() -> int:
    """A nonce nobody used: far fewer than 2^62 are ever drawn."""
    return secrets.randbits(62) | 1 << 62


def engine_terms(ticket: OrderTicket) -> tuple[Side, int, int]:
    """Engine side, price in ticks and amount in steps; never worse than the ticket's price."""
    price, size = Fraction(ticket.price), Fraction(ticket.size)
    assert price > 0, "a price is positive"
    instrument = ticket.instrument
    if instrument.is_spot:
        side = engine_side(ticket.side)
        ticks, amount = engine_spot_ticks(side, price), size * price
    else:
        side, amount = ticket.side, size
        ticks = price.numerator // price.denominator
        if side == "sell" and price.denominator != 1:
            ticks += 1
    amount_steps = int(amount / Fraction(instrument.amount_step))
    assert amount_steps > 0, "the size is below one step"
    return side, ticks, amount_steps


def _level(order: dict[str, Any], instrument: Instrument) -> BookLevel:
    price, remaining = Fraction(order["limit_price"]), parse_amount(order["desired_amount"])
    filled = parse_amount(order["filled_amount"])
    assert remaining is not None
    assert filled is not None
    remaining -= filled
    spot = instrument.is_spot
    return BookLevel(
        order_id=order["order_id"],
        owner_address=order["owner_address"],
        price=1 / price if spot else price,
        size=remaining * price if spot else remaining * Fraction(instrument.amount_step),
    )

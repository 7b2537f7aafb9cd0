"""What the vendor's own tools sign, we sign: byte for byte."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from mm_bot.core.commands import NewOrder
from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.venues.ethereal import codec, wire
from mm_bot.venues.ethereal.api import EtherealApi
from mm_bot.venues.ethereal.config import NETWORKS, EtherealConfig
from mm_bot.venues.ethereal.orders import OrderEntry
from mm_bot.venues.ethereal.signing import CancelOrder, Domain, TradeOrder
from mm_bot.venues.signing import Signer

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
ORDERS = [case for case in VECTORS["vectors"] if case["primaryType"] == "TradeOrder"]
CANCELS = [case for case in VECTORS["vectors"] if case["primaryType"] == "CancelOrder"]
NONCE = 1764897077655477722


def domain(network: str) -> Domain:
    known = NETWORKS[network]
    return Domain(chain_id=known.chain_id, contract=known.contract)


def signer(key: str) -> Signer:
    return Signer(bytes.fromhex(key.removeprefix("0x")))


def word(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def trade_order(message: dict[str, Any]) -> TradeOrder:
    return TradeOrder(
        sender=message["sender"].lower(),
        subaccount=word(message["subaccount"]),
        quantity=int(message["quantity"]),
        price=int(message["price"]),
        reduce_only=message["reduceOnly"],
        side=message["side"],
        product_id=message["productId"],
        nonce=int(message["nonce"]),
        signed_at_s=message["signedAt"],
    )


@pytest.mark.parametrize("case", ORDERS, ids=lambda case: case["case"])
def test_the_vendor_s_orders_are_ours(case: dict[str, Any]) -> None:
    """Separator, digest and signature of each recorded order."""
    ours = domain(case["network"])
    assert "0x" + ours.separator.hex() == case["domain_separator"]
    signed = trade_order(case["signed_message"])
    assert "0x" + ours.order_digest(signed).hex() == case["digest"]
    assert ours.sign_order(signer(case["signing_key"]), signed) == case["signature"]


def test_the_independent_client_s_order_is_ours() -> None:
    """A second implementation's published digest and signature, on the test network."""
    case = VECTORS["independent_rust_vector"]
    ours, signed = domain(case["network"]), trade_order(case["message"])
    assert "0x" + ours.order_digest(signed).hex() == case["published_digest"]
    assert ours.sign_order(signer(case["private_key"]), signed) == case["signature"]


@pytest.mark.parametrize("case", CANCELS, ids=lambda case: f"{case['network']} {case['case'][:20]}")
def test_the_vendor_s_cancels_are_ours(case: dict[str, Any]) -> None:
    """Which orders a cancel names is not signed: one signature for each nonce."""
    message, ours = case["signed_message"], domain(case["network"])
    cancel = CancelOrder(
        sender=message["sender"].lower(),
        subaccount=word(message["subaccount"]),
        nonce=int(message["nonce"]),
    )
    assert "0x" + ours.cancel_digest(cancel).hex() == case["digest"]
    assert ours.sign_cancel(signer(case["signing_key"]), cancel) == case["signature"]


class FixedClock:
    """The vector's time."""

    def now_ms(self) -> int:
        return 1764897077 * 1000

    def monotonic_ms(self) -> float:
        return 0.0

    async def sleep_ms(self, duration_ms: float) -> None:
        raise NotImplementedError


def config(tmp_path: Path) -> EtherealConfig:
    network, key = NETWORKS["mainnet"], word(VECTORS["owner_private_key"])
    return EtherealConfig(
        rest_url=network.rest_url,
        socket_url=network.socket_url,
        chain_id=network.chain_id,
        contract=network.contract,
        owner=VECTORS["owner"].lower(),
        signer_key=key,
        signer=Signer(key).address,
        subaccount="primary",
        market_symbol="BTCUSD",
        price_tick=None,
        margin_rate=Decimal("0.2"),
        protected_prefixes=("manual",),
        lock_file=tmp_path / "lock",
        writes_per_minute=220,
        dry_run=False,
        wait_for_lock=False,
        request_timeout_ms=1000,
    )


PRODUCT = {
    "id": "bc7d5575-3711-4532-a000-312bfacfb767",
    "ticker": "BTCUSD",
    "engineType": 0,
    "onchainId": 1,
    "status": "ACTIVE",
    "baseTokenName": "BTC",
    "quoteTokenName": "USD",
    "tickSize": "1",
    "lotSize": "0.00001",
    "minQuantity": "0.00001",
}


def test_the_body_of_a_quote_is_the_vendor_s(tmp_path: Path) -> None:
    """An order of the core becomes the recorded body, signature and client id included."""
    settings = config(tmp_path)
    entry = OrderEntry(settings, EtherealApi(settings), FixedClock(), lane=0)
    market = wire.instrument(PRODUCT, price_tick=None, margin_rate=settings.margin_rate)
    price, size = Price.of("65000"), Size.of("0.00123")
    order = NewOrder(
        order_id=f"mm:BTCUSD:buy:{NONCE}",
        side=Side.BUY,
        price=price,
        size=size,
        notional=market.notional(price, size),
        nonce=NONCE,
        expiry_s=1764897137,
    )
    prepared = entry.prepare(order, market)
    assert orjson.loads(prepared.body) == ORDERS[0]["body"]
    entry.ahead_ms = 60_000  # their clock a minute ahead: what it compares moves with it
    ahead = orjson.loads(entry.prepare(order, market).body)["data"]
    assert ahead["signedAt"] == ORDERS[0]["body"]["data"]["signedAt"] + 60
    assert ahead["expiresAt"] == 1764897137 + 60
    assert ahead["nonce"] == str(NONCE + 60 * 10**9)
    assert ahead["clientOrderId"] == "mmBTCUSDb1764897077655477722"
    with pytest.raises(ValueError, match="more than 9 decimals"):
        entry.prepare(replace(order, price=Price.of("0.0000000001")), market)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("ticker", ["BTCUSD", "b", "s1", "AAAAAAAAAA"])
def test_an_id_comes_back_as_it_went(side: Side, ticker: str) -> None:
    """The client id of an order of ours is legal there, and gives our id back."""
    ours = f"mm:{ticker}:{side.value}:{NONCE}"
    client = codec.client_id(ours)
    assert client.isalnum()
    assert len(client) <= 32
    assert codec.order_id(client, ticker) == ours
    assert codec.nonce_of(ours) == NONCE


@pytest.mark.parametrize(
    "client",
    [
        "mmBTCUSDb176489707765547772",  # 18 digits
        "mmBTCUSDb17648970776554777222",  # 20
        "mmBTCUSDb0764897077655477722",  # a leading zero would come back changed
        "mmBTCUSDx1764897077655477722",
        "mmETHUSDb1764897077655477722",
        "mmBTCUSDb176489707765547772٢",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "",
    ],
)
def test_no_other_client_id_is_taken_for_ours(client: str) -> None:
    """Whatever is not exactly of our form stays what it is."""
    assert codec.order_id(client, "BTCUSD") == client
    assert codec.nonce_of(client) == 0

"""The baseline: a market maker as the libraries' own examples lead to it.

Blocking calls, one after the other: the anchor, book and trades with httpx, own orders and fills
with psycopg, balances with web3, orders and cancels signed by eth-account's typed data. What a
look finds changed is cancelled and placed again, order by order.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Any

import httpx
import psycopg
from web3 import HTTPProvider, Web3

from integration_harness.stack import contracts
from integration_harness.stack.deployment import Deployment
from integration_harness.stack.instruments import Instrument
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.quantities import Side

Quotes = Mapping[tuple[Side, int], Decimal]
"""A wanted price for each side and level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where its exchange is."""

    api_url: str
    rpc_url: str
    database_url: str


class PlainMaker:
    """Quotes one market for the local exchange's first taker."""

    def __init__(
        self, at: Addresses, deployment: Deployment, instrument: Instrument, size: Decimal
    ) -> None:
        account = deployment.takers[0]
        self._instrument = instrument
        self._size = size
        self._subaccount_id = account.subaccount_ids[0]
        self._signer = Signer(deployment, account)
        self._api = httpx.Client(base_url=at.api_url)
        self._orders = ExchangeClient(at.api_url)
        self._database = psycopg.connect(at.database_url, autocommit=True)
        self._web3 = Web3(HTTPProvider(at.rpc_url))
        self._sub_accounts: Any = self._web3.eth.contract(
            address=Web3.to_checksum_address(deployment.addresses.sub_accounts),
            abi=contracts.load("SubAccounts").abi,
        )
        self._live: dict[tuple[Side, int], tuple[int, Decimal]] = {}
        """Nonce and price of what rests, by side and level."""
        self._tick = Decimal("0.01") if instrument.is_spot else Decimal(instrument.tick_size)

    def sign(self, side: Side, price: Decimal) -> dict[str, Any]:
        """An order's signed body."""
        ticket = OrderTicket(instrument=self._instrument, side=side, price=price, size=self._size)
        return self._signer.order_body(ticket)

    def anchor(self, url: str) -> Decimal:
        """One read of the anchor."""
        return Decimal(str(self._api.get(url).raise_for_status().json()["price"]))

    def read(self) -> dict[Side, Decimal]:
        """Book, trades, own orders, own fills, balances; the best price of others a side. What is
        not live any more is forgotten."""
        query = {"symbol": self._instrument.symbol}
        self._api.get("/v1/trades", params=query).raise_for_status().json()
        book = self._orders.book(self._instrument)
        where = (self._signer.owner, self._subaccount_id, self._instrument.asset_address)
        rows = self._database.execute(
            "SELECT * FROM active_orders WHERE owner_address = %s AND subaccount_id = %s"
            " AND asset_address = %s AND status IN ('active', 'matching')",
            where,
        ).fetchall()
        self._database.execute(
            "SELECT f.*, o.side FROM trade_fills f JOIN active_orders o"
            " ON o.order_id IN (f.maker_order_id, f.taker_order_id)"
            " WHERE o.owner_address = %s AND o.subaccount_id = %s AND f.asset_address = %s",
            where,
        ).fetchall()
        self._sub_accounts.functions.getAccountBalances(self._subaccount_id).call()
        self._web3.eth.get_block("latest")
        live = {row[0] for row in rows}
        self._live = {k: v for k, v in self._live.items() if f"stack:{v[0]}" in live}
        sides: tuple[tuple[Side, Any], ...] = (("buy", book.bids), ("sell", book.asks))
        return {
            side: _decimal(levels[0].price)
            for side, orders in sides
            if (levels := [each for each in orders if each.owner_address != self._signer.owner])
        }

    def requote(self, quotes: Quotes) -> None:
        """Cancels and replaces whatever rests at another price, or does not rest."""
        for slot, price in quotes.items():
            side = slot[0]
            if slot in self._live:
                nonce, resting = self._live[slot]
                if resting == price:
                    continue
                self.cancel(nonce)
                del self._live[slot]
            body = self.sign(side, price)
            self._orders.place(body)
            self._live[slot] = (int(body["nonce"]), price)

    def cancel(self, nonce: int) -> None:
        """Until it is gone, whoever took it."""
        body = self._signer.cancel_body(nonce)
        give_up_at = time.monotonic() + 1
        while True:
            try:
                self._orders.cancel(body)
                return
            except httpx.HTTPStatusError as error:  # the matcher holds it for a moment
                if error.response.status_code != httpx.codes.NOT_FOUND:
                    raise
                if time.monotonic() > give_up_at:
                    return  # filled meanwhile
                time.sleep(0.005)

    def cancel_all(self) -> None:
        for nonce, _ in self._live.values():
            self.cancel(nonce)
        self._live.clear()

    def around(self, price: Decimal, others: Mapping[Side, Decimal]) -> Quotes:
        """25 bps away, but no better than one tick before the best of others."""
        away = price * 25 / 10_000
        bid = ((price - away) / self._tick).to_integral_value(ROUND_FLOOR) * self._tick
        ask = ((price + away) / self._tick).to_integral_value(ROUND_CEILING) * self._tick
        if "buy" in others:
            bid = min(bid, others["buy"] + self._tick)
        if "sell" in others:
            ask = max(ask, others["sell"] - self._tick)
        return {("buy", 0): bid, ("sell", 0): ask}

    def close(self) -> None:
        """Let go of the connections."""
        self._api.close()
        self._orders.close()
        self._database.close()


def _decimal(price: Fraction) -> Decimal:
    return Decimal(price.numerator) / Decimal(price.denominator)

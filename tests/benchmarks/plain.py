"""The baseline: a market maker's cycle as the libraries' own examples lead to it.

Blocking calls, one after the other: book and trades with httpx, own orders and fills with psycopg,
balances with web3, orders and cancels signed by eth-account's typed data.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import httpx
import psycopg
from web3 import HTTPProvider, Web3

from integration_harness.stack import contracts
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.quantities import Side
from integration_harness.stack.up import LocalExchange

SIZE = Decimal(100)


class PlainMaker:
    """Quotes the spot market for the local exchange's first taker."""

    def __init__(self, exchange: LocalExchange) -> None:
        account = exchange.deployment.takers[0]
        self._instrument = exchange.spot
        self._subaccount_id = account.subaccount_ids[0]
        self._signer = Signer(exchange.deployment, account)
        self._api = httpx.Client(base_url=exchange.api_url)
        self._orders = ExchangeClient(exchange.api_url)
        self._database = psycopg.connect(exchange.database_url, autocommit=True)
        self._web3 = Web3(HTTPProvider(exchange.rpc_url))
        self._sub_accounts: Any = self._web3.eth.contract(
            address=Web3.to_checksum_address(exchange.deployment.addresses.sub_accounts),
            abi=contracts.load("SubAccounts").abi,
        )
        self._live: dict[Side, int] = {}

    def sign(self, side: Side, price: Decimal) -> dict[str, Any]:
        """An order's signed body."""
        ticket = OrderTicket(instrument=self._instrument, side=side, price=price, size=SIZE)
        return self._signer.order_body(ticket)

    def read(self) -> None:
        """Book, trades, own orders, own fills, balances."""
        query = {"symbol": self._instrument.symbol}
        self._api.get("/v1/book", params=query).raise_for_status().json()
        self._api.get("/v1/trades", params=query).raise_for_status().json()
        where = (self._signer.owner, self._subaccount_id, self._instrument.asset_address)
        self._database.execute(
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

    def requote(self, bid: Decimal, ask: Decimal) -> None:
        """Cancels and replaces each side."""
        sides: tuple[tuple[Side, Decimal], ...] = (("buy", bid), ("sell", ask))
        for side, price in sides:
            if side in self._live:
                self._cancel(self._live.pop(side))
            body = self.sign(side, price)
            self._orders.place(body)
            self._live[side] = int(body["nonce"])

    def _cancel(self, nonce: int) -> None:
        body = self._signer.cancel_body(nonce)
        while True:
            try:
                self._orders.cancel(body)
                return
            except httpx.HTTPStatusError as error:  # the matcher holds it for a moment
                if error.response.status_code != httpx.codes.NOT_FOUND:
                    raise
                time.sleep(0.005)

    def close(self) -> None:
        """Let go of the connections."""
        self._api.close()
        self._orders.close()
        self._database.close()

"""The order table of a real Postgres, with the rows that a test writes."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg

from integration_harness.stack.up import LocalExchange
from mm_bot.core.commands import Watch
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.snapshot import OwnOrders
from mm_bot.io.postgres import Session
from mm_bot.venues.numo.order_rows import OwnAccount
from mm_bot.venues.numo.order_table import OrderTable
from mm_bot.venues.numo.units import AssetRef, ref
from tests.venues.desk import FUTURE_MARKET, SPOT_MARKET, watch

T = TypeVar("T")
THEM = "0x" + "b2" * 20
NONCES = itertools.count(time.time_ns())


class Table:
    """Rows in markets that nobody else trades, so that tests do not meet."""

    def __init__(self, running: LocalExchange) -> None:
        self.running = running
        cngn, future = ("0x" + secrets.token_hex(20) for _ in range(2))
        self.owner = "0x" + secrets.token_hex(20)
        self.spot = dataclasses.replace(SPOT_MARKET, venue_ref=AssetRef(asset=cngn, sub_id=0))
        self.future = dataclasses.replace(
            FUTURE_MARKET,
            venue_ref=AssetRef(asset=future, sub_id=ref(FUTURE_MARKET).sub_id),
        )

    def add(
        self,
        market: Instrument,
        *,
        side: str = "buy",
        price: str = "1600",
        desired: str = "100",
        filled: str = "0",
        status: str = "active",
        owner: str | None = None,
        subaccount: int = 7,
        order_id: str | None = None,
        life_s: int = 300,
        human: Side | None = None,
    ) -> tuple[str, int]:
        """One row; `human` gives it an id of our convention."""
        nonce = next(NONCES)
        text = order_id or f"x:{nonce}"
        if human is not None:
            text = f"mm:{market.symbol}:{human.value}:{nonce}"
        self.execute(
            "INSERT INTO active_orders (order_id, owner_address, signer_address, subaccount_id,"
            " recipient_id, nonce, side, asset_address, sub_id, desired_amount, filled_amount,"
            " limit_price, limit_price_ticks, worst_fee, expiry, action_json, signature, status)"
            " VALUES (%s, %s, 'x', %s, 1, %s, %s, %s, %s, %s, %s, %s, %s, '0', %s, '{}', 'x', %s)",
            (
                text,
                owner or self.owner,
                subaccount,
                nonce,
                side,
                ref(market).asset,
                ref(market).sub_id,
                desired,
                filled,
                price,
                price if price[:1].isdigit() else "1",
                int(time.time()) + life_s,
                status,
            ),
        )
        return text, nonce

    def fill(self, market: Instrument, maker: str, taker: str, price: str, size: str) -> int:
        """One trade."""
        rows = self.execute(
            "INSERT INTO trade_fills (asset_address, sub_id, price, size, aggressor_side,"
            " taker_order_id, maker_order_id) VALUES (%s, %s, %s, %s, 'buy', %s, %s)"
            " RETURNING trade_id",
            (ref(market).asset, ref(market).sub_id, price, size, taker, maker),
        )
        return int(rows[0][0])

    def execute(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.running.admin_database_url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def account(self, market: Instrument) -> OwnAccount:
        others = tuple(m for m in (self.spot, self.future) if m is not market)
        return OwnAccount(
            owner=self.owner,
            subaccount_id=7,
            market=market,
            others=others,
            protected_prefixes=("manual:",),
        )

    def read(self, market: Instrument, asked: Watch | None = None) -> OwnOrders:
        """One read by a bot on that market."""

        async def use(table: OrderTable) -> OwnOrders:
            return (await table.read(asked or watch())).orders

        return self.run(market, use)

    def run(self, market: Instrument, use: Callable[[OrderTable], Awaitable[T]]) -> T:
        """Do something with the table of a bot on that market."""

        async def run() -> T:
            session = Session(self.running.database_url, "mm-bot test", 2000)
            try:
                return await use(OrderTable(session, self.account(market), takes_lock=False))
            finally:
                await session.aclose()

        return asyncio.run(run())

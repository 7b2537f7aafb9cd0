"""Coinbase as the loop sees it.

The truth is what is asked by HTTP: open orders, an order by its id, fills, wallets. The sockets
wake the loop and bring the book and public trades; where the market's is down both are polled.

Nothing but its end time ends an order of a process that died: the exchange has no other dead man's
switch. Nothing of an unknown outcome is sent twice: what is said of the same client id posted again
is not proven, so the lists or time close the question.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from mm_bot.clock import Clock
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Watch
from mm_bot.core.exact import Amount, Size
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Balances, ClockReading, Observation, OwnOrders, Part
from mm_bot.errors import EdgeError
from mm_bot.venues import answers
from mm_bot.venues.checks import Checks
from mm_bot.venues.coinbase import proving
from mm_bot.venues.coinbase.account import AccountReads, reserved
from mm_bot.venues.coinbase.api import CoinbaseApi
from mm_bot.venues.coinbase.config import CoinbaseConfig
from mm_bot.venues.coinbase.market import MarketView
from mm_bot.venues.coinbase.orders import OrderEntry
from mm_bot.venues.coinbase.stream import Event, Socket
from mm_bot.venues.coinbase.token import Tokens
from mm_bot.venues.coinbase.wire import COINBASE, Lens, Wallet
from mm_bot.venues.contained import Contained
from mm_bot.venues.file_locked import FileLockedVenue
from mm_bot.venues.levels import OwnLevels
from mm_bot.venues.names import Names

CLOCK_EVERY_S: Final = 30.0


class CoinbaseVenue(FileLockedVenue[CoinbaseConfig]):
    """One spot market of one portfolio. Nonces are ours alone: the client id is all that carries
    them."""

    def __init__(self, config: CoinbaseConfig, clock: Clock) -> None:
        super().__init__(config, clock, name=COINBASE, whose=f"key {config.key_name}")
        self._tokens = Tokens(config.key_name, config.key)
        self._api = CoinbaseApi(config, self._tokens)
        names = Names()
        self._entry = OrderEntry(self._api, names)
        self._reads = AccountReads(self._api, self._lens, names, self._their_ms)
        self._own_levels = OwnLevels()
        self._market = MarketView(self._api, clock, self._own_levels, self._lens)
        self._contained = Contained()
        self._sockets: dict[str, Socket] = {}
        self._clock_asked_s = 0.0

    # Commands

    async def own_orders(self, watch: Watch) -> OwnOrders:
        """See `LiveVenue.own_orders`."""
        return await self._reads.own(watch, {})

    async def events(
        self, on_event: Callable[[], None], on_source: Callable[[str, str], None]
    ) -> None:
        """See `LiveVenue.events`: by the socket of our orders."""
        self._wake = self._market.changed = on_event
        socket = self._sockets["user"]
        await answers.hear(socket, on_event, on_source)

    async def aclose(self) -> None:
        for socket in self._sockets.values():
            await socket.aclose()
        await self._api.aclose()
        self._lock.release()

    # The loop

    async def observe(self, watch: Watch) -> Observation:
        began_ms = self._clock.now_ms()
        await self._follow_clock()
        held = asyncio.ensure_future(self._reads.wallets())
        problem = await self._market.look(self._sockets.get("market"))
        orders: Part[OwnOrders] = Part(value=None, as_of_ms=None)
        try:
            own = await self._reads.own(watch, self._market.trades_by_name)
            orders = Part(value=own, as_of_ms=began_ms)
            self._own_levels.seen(own.rows, watch.order_ids, int(self._clock.monotonic_ms()))
            orders = Part(value=self._note_wallets(await held, own, began_ms), as_of_ms=began_ms)
        except EdgeError as error:
            await asyncio.gather(held, return_exceptions=True)
            self._balances_unread(error)
            if orders.value is None:
                orders = replace(orders, error=error.reason)
        return self._observed(
            book=self._market.book(problem),
            trades=self._market.trades(problem),
            orders=orders,
            clocks=(ClockReading(name="api", ahead_ms=self._entry.ahead_ms),),
        )

    def prepare(self, order: NewOrder) -> PreparedOrder:
        return self._entry.prepare(order, self.instrument)

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        placing = self._entry.place(prepared, may_send)
        return await self._own_levels.placing(prepared.order, placing)

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        return await self._entry.cancel(order_id, self._reads)

    # Inside

    async def _learn(self, checks: Checks) -> bool:
        ahead_ms = await proving.clock(self._api, checks)
        if ahead_ms is None:
            return False
        self._set_ahead(ahead_ms)
        market = await proving.learn(self._api, self._config, checks)
        if market is None:
            return False
        self.instrument = market
        return True

    async def _prove(self, checks: Checks) -> None:
        if not await self._learn(checks):
            return
        config, api = self._config, self._api
        await proving.rights(api, config, checks)
        proving.trading(self.instrument, checks)
        await proving.fees(api, checks)
        timeout_s = config.request_timeout_ms / 1000
        symbol, tokens = config.market_symbol, self._tokens
        market = Socket(
            config.market_socket_url,
            ("heartbeats", "market_trades", "level2"),
            symbol,
            tokens,
            self._market.heard,
            first="l2_data",
            timeout_s=timeout_s,
        )
        user = Socket(
            config.user_socket_url,
            ("heartbeats", "user"),
            symbol,
            tokens,
            self._heard_of_ours,
            first="user",
            timeout_s=timeout_s,
        )
        self._sockets = {"market": market, "user": user}
        await proving.sockets(self._sockets, config, checks)

    async def _rows(self, order_ids: Sequence[str]) -> tuple[RestingOrder, ...]:
        return await self._reads.rows(order_ids)

    def _heard_of_ours(self, channel: str, event: Event) -> None:
        if channel == "user":
            self._wake()

    def _lens(self) -> Lens:
        return Lens(
            market=self.instrument,
            protected=self._config.protected_prefixes,
            ahead_ms=self._entry.ahead_ms,
        )

    def _their_ms(self) -> int:
        return self._clock.now_ms() + self._entry.ahead_ms

    def _set_ahead(self, ahead_ms: int) -> None:
        self._entry.ahead_ms, self._tokens.ahead_s = ahead_ms, round(ahead_ms / 1000)
        self._clock_asked_s = time.monotonic()

    async def _follow_clock(self) -> None:
        """Where no answer comes the clocks are taken to stand as they did."""
        if time.monotonic() - self._clock_asked_s < CLOCK_EVERY_S:
            return
        self._clock_asked_s = time.monotonic()
        try:
            self._set_ahead(await proving.clock_ahead_ms(self._api))
        except EdgeError:
            return

    def _note_wallets(
        self, wallets: dict[str, Wallet], orders: OwnOrders, began_ms: int
    ) -> OwnOrders:
        """Keeps the balances, and gives the orders with what else holds some of them."""
        market, none = self.instrument, Wallet()
        settled = self._contained.of(
            orders.rows, self._reads.recent_fills, 0, 0, int(self._clock.monotonic_ms())
        )
        seen = Balances(
            base=Size(wallets.get(market.base, none).total),
            quote=Amount(wallets.get(market.quote, none).total),
            block_number=began_ms,
            block_time_ms=began_ms,
            settled=settled,
        )
        self._keep_balances(seen, began_ms)
        return replace(orders, reserved_elsewhere=reserved(market, wallets, orders.rows))

"""Ethereal as the loop sees it.

The truth is what is asked by HTTP: working and pending orders, an order by its id, fills, positions
and the balance. The socket wakes the loop and brings the book and public trades; where it is silent
or down both are polled.

Nothing but its expiry ends an order of a process that died: the exchange has no other dead man's
switch. Times of the exchange are put on our clock, and ours on its, by what `GET /v1/time` says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from mm_bot.clock import Clock
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Watch
from mm_bot.core.exact import Amount
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Balances, ClockReading, Observation, OwnOrders, Part
from mm_bot.errors import EdgeError
from mm_bot.venues import answers
from mm_bot.venues.checks import Checks
from mm_bot.venues.contained import Contained
from mm_bot.venues.ethereal import proving, wire
from mm_bot.venues.ethereal.account import AccountReads
from mm_bot.venues.ethereal.api import EtherealApi
from mm_bot.venues.ethereal.config import EtherealConfig
from mm_bot.venues.ethereal.market import MarketView
from mm_bot.venues.ethereal.orders import OrderEntry
from mm_bot.venues.ethereal.stream import Stream
from mm_bot.venues.ethereal.wire import ETHEREAL, Lens, Position, listing
from mm_bot.venues.file_locked import FileLockedVenue
from mm_bot.venues.levels import OwnLevels

CLOCK_EVERY_S: Final = 30.0


class EtherealVenue(FileLockedVenue[EtherealConfig]):
    """One perpetual of one subaccount."""

    def __init__(self, config: EtherealConfig, clock: Clock) -> None:
        whose = f"subaccount {config.subaccount} of {config.owner}"
        super().__init__(config, clock, name=ETHEREAL, whose=whose)
        self._api = EtherealApi(config)
        self._entry = OrderEntry(config, self._api, clock)
        self._account: AccountReads | None = None
        self._stream: Stream | None = None
        self._own_levels = OwnLevels()
        self._market = MarketView(self._api, clock, self._own_levels)
        self._contained = Contained()
        self._clock_asked_s = 0.0

    # Commands

    async def own_orders(self, watch: Watch) -> OwnOrders:
        """See `LiveVenue.own_orders`."""
        return await self._reads.own(watch)

    async def events(
        self, on_event: Callable[[], None], on_source: Callable[[str, str], None]
    ) -> None:
        """See `LiveVenue.events`."""
        self._wake, stream = on_event, self._stream
        assert stream is not None, "events come after open"
        await answers.hear(stream, on_event, on_source)

    async def aclose(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()
        await self._api.aclose()
        self._lock.release()

    # The loop

    async def observe(self, watch: Watch) -> Observation:
        began_ms = self._clock.now_ms()
        await self._follow_clock()
        held = asyncio.ensure_future(self._holdings())
        problem = await self._market.look(self._stream, self._lens())
        orders: Part[OwnOrders] = Part(value=None, as_of_ms=None)
        try:
            mine = self._stream.own_trades if self._stream is not None else ()
            trades = self._market.trades(problem)
            own = await self._reads.own(watch, trades.value or (), mine)
            orders = Part(value=own, as_of_ms=began_ms)
            self._own_levels.seen(own.rows, watch.order_ids, int(self._clock.monotonic_ms()))
            self._note_balances(*await held, own, began_ms)
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

    @property
    def _reads(self) -> AccountReads:
        assert self._account is not None, "reads come after connect"
        return self._account

    async def _learn(self, checks: Checks) -> bool:
        market = await proving.learn(self._api, self._config, checks)
        if market is None:
            return False
        found = await proving.account(self._api, self._config, checks)
        if found is None:
            return False
        self.instrument = market
        self._entry.ahead_ms, self._clock_asked_s = found.ahead_ms, time.monotonic()
        self._account = AccountReads(
            self._api, found.subaccount_id, self._lens, self._entry.names, self._entry.their_ms
        )
        return True

    async def _prove(self, checks: Checks) -> None:
        config, api = self._config, self._api
        checks.ok("keys", self._entry.signer, "signs, and is recovered from its signature")
        is_ours = await proving.domain(api, config, checks)
        if not await self._learn(checks) or not is_ours:
            return
        account = self._reads
        await proving.state(api, self.instrument, account.subaccount_id, checks)
        await proving.link(api, config, self._entry.signer, account.subaccount_id, checks)
        await proving.signing(config, self._entry.signer, checks, self._entry.probe)
        self._stream = Stream(
            config.socket_url,
            config.market_symbol,
            account.subaccount_id,
            lambda: self._wake(),
            timeout_s=config.request_timeout_ms / 1000,
        )
        await proving.stream(self._stream, config, checks)

    async def _rows(self, order_ids: Sequence[str]) -> tuple[RestingOrder, ...]:
        return await self._reads.rows(order_ids)

    def _lens(self) -> Lens:
        return Lens(
            market=self.instrument,
            protected=self._config.protected_prefixes,
            ahead_ms=self._entry.ahead_ms,
        )

    async def _follow_clock(self) -> None:
        """Where no answer comes the clocks are taken to stand as they did."""
        if time.monotonic() - self._clock_asked_s < CLOCK_EVERY_S:
            return
        self._clock_asked_s = time.monotonic()
        try:
            self._entry.ahead_ms = await proving.clock_ahead_ms(self._api)
        except EdgeError:
            return

    async def _holdings(self) -> tuple[Position, Amount | EdgeError]:
        """Position and free collateral, or why that alone cannot be told; raises EdgeError."""
        who = {"subaccountId": self._reads.subaccount_id}
        positions, free = await asyncio.gather(
            self._api.all("position", open="true", **who), self._collateral(who)
        )
        return wire.position(positions, listing(self.instrument).product_id), free

    async def _collateral(self, who: Mapping[str, str]) -> Amount | EdgeError:
        try:
            money = await self._api.all("subaccount/balance", **who)
            return wire.collateral(money, self.instrument.collateral)
        except EdgeError as error:
            return error

    def _note_balances(
        self, position: Position, free: Amount | EdgeError, orders: OwnOrders, began_ms: int
    ) -> None:
        """Where the collateral alone could not be read it is as it was, with its age."""
        error: str | None = None
        quote_ms: int | None = None
        if isinstance(free, EdgeError):
            known = self._balances.value
            if known is None:
                raise free
            error, quote_ms = free.reason, known.quote_as_of_ms or known.block_time_ms
            free = known.quote
        settled = self._contained.of(
            orders.rows,
            self._reads.recent_fills,
            position.updated_ms,
            self._entry.ahead_ms,
            int(self._clock.monotonic_ms()),
        )
        seen = Balances(
            base=position.size,
            quote=free,
            block_number=began_ms,
            block_time_ms=began_ms,
            settled=settled,
            quote_as_of_ms=quote_ms,
        )
        self._keep_balances(seen, began_ms, error)

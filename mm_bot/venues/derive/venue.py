"""Derive as the loop sees it.

The truth is what is asked (`account.py`); what the socket pushes wakes the loop, and brings the
book and the public trades, which cannot be asked for. Cancel-on-disconnect is armed in every
session and looked at; nothing is placed while the socket is down, for then nothing would end an
order but its signature's five minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from mm_bot.clock import Clock
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Replaced, Verdict, Watch
from mm_bot.core.exact import Amount
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Balances, Observation, OwnOrders, Part
from mm_bot.errors import EdgeError
from mm_bot.venues import answers
from mm_bot.venues.checks import Checks
from mm_bot.venues.derive import proving, wire
from mm_bot.venues.derive.account import Account, AccountReads
from mm_bot.venues.derive.api import DERIVE, DeriveApi
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.market import MarketView
from mm_bot.venues.derive.orders import OrderEntry
from mm_bot.venues.derive.session import SETTLEMENT_FAILED, Session
from mm_bot.venues.derive.their_clock import TheirClock
from mm_bot.venues.file_locked import FileLockedVenue

CLOCK_EVERY_MS: Final = 30_000


class DeriveVenue(FileLockedVenue[DeriveConfig]):
    """One perpetual of one subaccount."""

    def __init__(self, config: DeriveConfig, clock: Clock) -> None:
        super().__init__(config, clock, name=DERIVE, whose=f"subaccount {config.subaccount_id}")
        self._their_clock = TheirClock()
        self._api = DeriveApi(config, self._their_clock, self._pushed)
        self._reads = AccountReads(
            api=self._api,
            config=config,
            clock=clock,
            their_clock=self._their_clock,
            market=lambda: self.instrument,
            public=lambda: self._market.trades().value or (),
            venue_ids={},
        )
        self._entry = OrderEntry(config, self._api, self._their_clock, self._reads)
        self._session = Session(
            api=self._api, config=config, our_clock=clock, clock=self._their_clock
        )
        self._market = MarketView(
            clock=clock, their_clock=self._their_clock, wake=lambda: self._wake()
        )

    # Commands

    async def own_orders(self, watch: Watch) -> OwnOrders:
        """See `LiveVenue.own_orders`."""
        return await self._reads.own(watch, await self._reads.account())

    async def events(
        self, on_event: Callable[[], None], on_source: Callable[[str, str], None]
    ) -> None:
        """See `LiveVenue.events`: our own orders and trades, the book and the public trades."""
        self._wake = on_event
        await answers.hear(self._api, on_event, on_source)

    async def aclose(self) -> None:
        await self._api.aclose()
        self._lock.release()

    # The loop

    async def observe(self, watch: Watch) -> Observation:
        if self._clock.monotonic_ms() - self._session.clock_asked_ms >= CLOCK_EVERY_MS:
            with suppress(EdgeError):  # the clocks are taken to stand as they did
                await self._session.ask_clock(self._api.read)
        began_ms = self._clock.now_ms()
        try:
            account = await self._reads.account()
            orders = Part(value=await self._reads.own(watch, account), as_of_ms=began_ms)
            self._note_balances(account, began_ms)
        except EdgeError as error:
            orders = Part(value=None, as_of_ms=None, error=error.reason)
            self._balances_unread(error)
        problem = None if self._api.up.is_set() else self._api.problem
        book = self._market.book(self._reads.rows, problem)
        seen = self._observed(
            book=book,
            trades=self._market.trades(),
            orders=orders,
            clocks=(self._their_clock.reading,),
        )
        limits = self._market.price_limits
        return replace(seen, alarms=self._reads.unsettled, price_limits=limits)

    def prepare(self, order: NewOrder) -> PreparedOrder:
        """The params of `private/order`, signed."""
        return self._entry.prepare(order, self.instrument)

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        return await self._entry.place(prepared, self._why_not(may_send))

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        return await self._entry.cancel(order_id, nonce)

    async def replace(
        self,
        prepared: PreparedOrder,
        order_id: str,
        left: Amount | None,
        may_send: Callable[[], bool],
    ) -> Replaced:
        """See `Replacing`: `private/replace`."""
        why = self._why_not(may_send)
        if why is not None:
            return Replaced.neither(Verdict.REFUSED, f"not sent: {why}")
        return await self._entry.replace(prepared, order_id, left)

    # Inside

    def _why_not(self, may_send: Callable[[], bool]) -> str | None:
        """Why no order may be sent now."""
        if not self._api.up.is_set() or not self._session.armed:
            return self._api.problem or "cancel-on-disconnect is not armed"
        return None if may_send() else "no longer allowed to"

    def _note_balances(self, account: Account, began_ms: int) -> None:
        position, cash = wire.holdings(account, self.instrument)
        seen = Balances(base=position, quote=cash, block_number=began_ms, block_time_ms=began_ms)
        self._keep_balances(seen, began_ms)

    def _pushed(self, channel: str, data: object) -> None:
        if self._market.heard(channel.split(".")[0], data):
            return
        if channel.endswith(SETTLEMENT_FAILED):
            self._reads.note_unsettled(wire.pushed_unsettled(data))
        self._wake()

    async def _begin(self) -> None:
        self._market.begin()
        await self._session.begin()

    async def _learn(self, checks: Checks) -> bool:
        found = await proving.learn(self._api, self._config, checks)
        if found is not None:
            self.instrument = found
        return found is not None

    async def _rows(self, order_ids: Sequence[str]) -> tuple[RestingOrder, ...]:
        return await self._reads.rows_of(await self._reads.account(), order_ids)

    async def _prove(self, checks: Checks) -> None:
        checks.ok("keys", self._entry.signer, "signs, and is recovered from its signature")
        if not await self._learn(checks):
            return
        up = await proving.socket(self._api, self._config, checks, self._session, self._begin)
        if up:
            now_ms = self._clock.now_ms()
            await proving.signing(self._api, self._entry, self.instrument, now_ms, checks)

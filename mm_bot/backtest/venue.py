"""The bot's `Venue` over the engine: one market of one account, in which nothing is lost.

Orders are post-only, so a fill is always a maker's. What the bot is shown is what had reached us by
then. Prices and sizes are whole ticks and lots on this side of the engine: nothing floating enters
the core. The row of an order is kept here; the engine's order is only where it is read from.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable
from decimal import Decimal

from mm_bot.backtest.engine import (
    ASKED,
    SPARE,
    Engine,
    EngineOrder,
    Status,
    filled_lots,
)
from mm_bot.backtest.ledger import Ledger
from mm_bot.backtest.loop import EngineClock
from mm_bot.backtest.rows import TRADE_ID, Row, Shown, book, resting, told, whole
from mm_bot.backtest.tape import NS_A_MS
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict, Watch
from mm_bot.core.exact import Amount, Price, Size, multiply
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import OrderStatus
from mm_bot.core.snapshot import (
    Balances,
    Fill,
    IdLookup,
    Observation,
    OwnOrders,
    Part,
    Reserved,
    Trade,
)

ACCEPTED = Outcome(verdict=Verdict.ACCEPTED)
REFUSED = Outcome(verdict=Verdict.REFUSED, detail="would take: orders are post-only")
NOT_SENT = Outcome(verdict=Verdict.REFUSED, detail="not sent", unjudged=True)
GONE = Outcome(verdict=Verdict.UNKNOWN, detail="404")
OVER = Outcome(verdict=Verdict.UNKNOWN, detail="the tape ended before an answer")
TRADES_SHOWN = 8
IDS_KEPT = 10_000


class EngineVenue:
    """`ended` is called once, at the end of the tape."""

    def __init__(
        self,
        engine: Engine,
        clock: EngineClock,
        ledger: Ledger,
        *,
        quote: Amount,
        shown: Shown,
        on_end: Callable[[], None],
    ) -> None:
        self.rows: dict[str, Row] = {}
        self.served: int | None = None
        """The newest trade id that an observation has shown."""
        self.over = False
        self._engine, self._clock, self._ledger = engine, clock, ledger
        self._quote, self._shown, self._on_end = quote, shown, on_end
        self._live: dict[str, Row] = {}
        self._waiting = self._numbers = self._trade_ids = 0
        self._trades: deque[Trade] = deque(maxlen=TRADES_SHOWN)
        self._ids_at: dict[int, int] = {}
        """Ids of trades by the exchange's time: a print and our fill by it are one trade."""
        self._fills: list[Fill] = []
        market = ledger.instrument
        self._tick, self._lot = market.price_tick.value, market.size_step.value

    def live(self, side: Side) -> list[Row]:
        """Our live orders of that side."""
        return [row for row in self._live.values() if row.order.side is side]

    @property
    def waiting(self) -> bool:
        return self._waiting > 0

    def absorb(self) -> None:
        """Take over what the engine knows of our orders."""
        for row in tuple(self._live.values()):
            order = self._engine.order(row.number)
            if order is not None:
                self._take(row, order)
        self._engine.forget_dead()

    def ended(self) -> None:
        self.over = True
        self.absorb()
        for row in self._live.values():
            row.unheard = row.answer is not None
            self._answer(row)
        self._on_end()

    @property
    def instrument(self) -> Instrument:
        return self._ledger.instrument

    async def observe(self, watch: Watch) -> Observation:
        self.absorb()
        self._hear_trades()
        now_ms = self._clock.now_ms()
        self.served = self._trade_ids
        return Observation(
            book=Part(
                value=book(self._engine, self._live.values(), self.instrument, self._shown),
                as_of_ms=now_ms,
            ),
            trades=Part(value=tuple(reversed(self._trades)), as_of_ms=now_ms),
            orders=Part(value=self._own(watch, now_ms), as_of_ms=now_ms),
            balances=Part(value=self._balances(watch, now_ms), as_of_ms=now_ms),
            balances_read_ms=now_ms,
            lock_held=True,
        )

    def prepare(self, order: NewOrder) -> PreparedOrder:
        return PreparedOrder(order=order, body=order.order_id.encode())

    async def holds_lock(self) -> bool:
        return True

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        order = prepared.order
        if not may_send():
            return NOT_SENT
        if self.over:
            return OVER
        self._numbers += 1
        row = Row(
            order=order,
            number=self._numbers,
            lots=whole(order.size.value, self._lot),
            accepted_ns=self._engine.now_ns,
        )
        self.rows[order.order_id] = self._live[order.order_id] = row
        price_tick = whole(order.price.value, self._tick)
        quantity = (row.lots + SPARE) * self._engine.lot
        self._engine.submit(row.number, order.side, price_tick, quantity)
        await self._answered(row)
        if row.refused:
            return REFUSED
        if row.unheard:
            return OVER
        row.accepted_ns = self._engine.now_ns
        left_ms = row.expiry_ms - self._clock.now_ms()
        asyncio.get_running_loop().call_later(max(0, left_ms) / 1_000, self._expire, row)
        return ACCEPTED

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        row = self.rows.get(order_id)
        if row is None or not row.status.live:
            return GONE
        if self.over:
            return OVER
        if row.answer is None:
            self._engine.cancel(row.number)
        await self._answered(row)
        if row.unheard:
            return OVER
        if row.status is OrderStatus.FILLED:
            return GONE
        left = row.left(self.instrument)
        worth = self.instrument.notional(row.order.price, left)
        return Outcome(verdict=Verdict.ACCEPTED, left=worth)

    async def _answered(self, row: Row) -> None:
        if row.answer is None:
            row.answer = asyncio.get_running_loop().create_future()
            self._waiting += 1
        await asyncio.shield(row.answer)

    def _answer(self, row: Row) -> None:
        answer, row.answer = row.answer, None
        if answer is not None:
            self._waiting -= 1
            if not answer.done():
                answer.set_result(None)

    def _expire(self, row: Row) -> None:
        if row.status.live and row.answer is None and not self.over:
            row.ends_as = OrderStatus.EXPIRED
            self._engine.cancel(row.number)
            row.answer = asyncio.get_running_loop().create_future()
            self._waiting += 1

    def _take(self, row: Row, order: EngineOrder) -> None:
        asked = order.req in ASKED
        status = Status(order.status)
        filled = filled_lots(order, row.lots, self._engine.lot)
        if filled > row.filled:
            self._filled(row, filled, order.exch_timestamp)
        if row.filled == row.lots:
            row.status = OrderStatus.FILLED
            if not asked and status in (Status.NEW, Status.PARTLY_FILLED):
                self._engine.cancel(row.number)  # the spare part of it
        elif status is Status.CANCELLED:
            row.status = row.ends_as
        elif status in (Status.EXPIRED, Status.REJECTED) and not asked:
            row.status, row.refused = OrderStatus.CANCELLED, True
        if not row.status.live:
            self._live.pop(row.order.order_id, None)
        if not asked or not row.status.live:
            self._answer(row)

    def _filled(self, row: Row, filled: int, at_ns: int) -> None:
        size = self._size(filled - row.filled)
        row.filled = filled
        order, trade_id = row.order, self._trade_id(at_ns)
        if trade_id == row.last_trade_id:  # a second print of that very moment
            self._trade_ids = trade_id = self._trade_ids + 1
        row.last_trade_id = trade_id
        booked = self._ledger.book(
            order_id=order.order_id,
            side=order.side,
            price=order.price,
            size=size,
            at_ns=at_ns,
            trade_id=trade_id,
            left_lots=row.lots - filled,
            waited_ms=max(0, at_ns - row.accepted_ns) // NS_A_MS,
        )
        insort(self._fills, told(booked, self.instrument.size_step), key=TRADE_ID)

    def _trade_id(self, at_ns: int) -> int:
        if at_ns not in self._ids_at:
            self._trade_ids += 1
            self._ids_at[at_ns] = self._trade_ids
            if len(self._ids_at) > IDS_KEPT:
                self._ids_at.pop(next(iter(self._ids_at)))
        return self._ids_at[at_ns]

    def _hear_trades(self) -> None:
        for at_ns, tick, lots in self._engine.take_trades():
            self._trades.append(
                Trade(
                    trade_id=self._trade_id(at_ns),
                    price=self._price(tick),
                    size=self._size(lots),
                    at_ms=at_ns // NS_A_MS,
                    maker_order_id="tape",
                    taker_order_id="tape",
                )
            )

    def _own(self, watch: Watch, now_ms: int) -> OwnOrders:
        shown = dict(self._live)
        for order_id in watch.order_ids:
            if order_id in self.rows:
                shown[order_id] = self.rows[order_id]
        after = watch.fills_after
        fills = (
            self._fills[bisect_right(self._fills, after, key=TRADE_ID) :]
            if after is not None
            else []
        )
        by_nonce = {row.order.nonce: row for row in self._live.values()} if watch.nonces else {}
        return OwnOrders(
            rows=tuple(resting(row, self.instrument) for row in shown.values() if not row.refused),
            lookups=tuple(
                IdLookup(order_id=by_nonce[n].order.order_id, nonce=n, foreign=False)
                for n in watch.nonces
                if n in by_nonce
            ),
            fills=tuple(fills),
            own_trade_ids=frozenset(fill.trade_id for fill in self._fills[-100:]),
            newest_trade_id=self._trade_ids,
            others=(),
            reserved_elsewhere=Reserved(),
        )

    def _balances(self, watch: Watch, now_ms: int) -> Balances:
        settled = {
            order_id: self.rows[order_id].filled
            for order_id, _ in watch.settling
            if order_id in self.rows
        }
        return Balances(
            base=self._ledger.position,
            quote=self._quote + self._ledger.cash,
            block_number=now_ms,
            block_time_ms=now_ms,
            settled=settled,
        )

    def _price(self, tick: int) -> Price:
        return Price(multiply(Decimal(tick), self._tick))

    def _size(self, lots: int) -> Size:
        return Size(multiply(Decimal(lots), self._lot))

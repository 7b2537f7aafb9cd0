"""The bot's `Venue` over the engine: one market of one account, in which nothing is lost.

Orders are post-only, so a fill is always a maker's. What the bot is shown is what had reached us by
then. Prices and sizes are whole ticks and lots on this side of the engine: nothing floating enters
the core. The row of an order is kept here; the engine's order is only where it is read from.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.backtest.engine import (
    ASKED,
    SPARE,
    Engine,
    EngineOrder,
    Status,
    filled_lots,
)
from mm_bot.backtest.ledger import Booked, Ledger
from mm_bot.backtest.loop import EngineClock
from mm_bot.backtest.tape import NS_A_MS
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict, Watch
from mm_bot.core.exact import Amount, Price, Size, multiply
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder
from mm_bot.core.snapshot import (
    Balances,
    Book,
    BookOrder,
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
NOT_SENT = Outcome(verdict=Verdict.REFUSED, detail="not sent")
GONE = Outcome(verdict=Verdict.UNKNOWN, detail="404")
OVER = Outcome(verdict=Verdict.UNKNOWN, detail="the tape ended before an answer")
TRADES_SHOWN = 20


@dataclass(slots=True, kw_only=True)
class Row:
    """One order of ours as the exchange's table has it."""

    order: NewOrder
    number: int
    """Of the engine."""
    lots: int
    accepted_ns: int
    filled: int = 0
    status: OrderStatus = OrderStatus.ACTIVE
    ends_as: OrderStatus = OrderStatus.CANCELLED
    """What a cancel under way makes of it: ours, or that of its expiry."""
    answer: asyncio.Future[None] | None = None
    refused: bool = False
    unheard: bool = False
    """The tape ended before the last answer."""

    @property
    def expiry_ms(self) -> int:
        return self.order.expiry_s * 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How much of the book the bot is shown."""

    levels: int = 5
    reach_ticks: int = 100


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
        self._waiting = 0
        self._numbers = 0
        self._trade_ids = 0
        self._trades: deque[Trade] = deque(maxlen=TRADES_SHOWN)
        self._fills: list[Fill] = []
        market = ledger.instrument
        self._tick, self._lot = market.price_tick.value, market.size_step.value

    def best_own(self, side: Side) -> Row | None:
        """Our best live order of that side."""
        rows = [row for row in self._live.values() if row.order.side is side]
        return min(rows, key=lambda row: side.best_first(row.order.price), default=None)

    # What the loop tells us.

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

    # The venue.

    @property
    def instrument(self) -> Instrument:
        return self._ledger.instrument

    async def observe(self, watch: Watch) -> Observation:
        self.absorb()
        self._hear_trades()
        now_ms = self._clock.now_ms()
        self.served = self._trade_ids
        return Observation(
            book=Part(value=self._book(), as_of_ms=now_ms),
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
            lots=_whole(order.size.value, self._lot),
            accepted_ns=self._engine.now_ns,
        )
        self.rows[order.order_id] = self._live[order.order_id] = row
        price_tick = _whole(order.price.value, self._tick)
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
        left = self._size(row.lots - row.filled)
        return Outcome(
            verdict=Verdict.ACCEPTED, left=self.instrument.notional(row.order.price, left)
        )

    # How it is done.

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
        self._trade_ids += 1
        order = row.order
        booked = self._ledger.book(
            order_id=order.order_id,
            side=order.side,
            price=order.price,
            size=size,
            at_ns=at_ns,
            trade_id=self._trade_ids,
            left_lots=row.lots - filled,
            waited_ms=max(0, at_ns - row.accepted_ns) // NS_A_MS,
        )
        self._fills.append(_told(booked))

    def _hear_trades(self) -> None:
        for at_ns, tick, lots in self._engine.take_trades():
            self._trade_ids += 1
            self._trades.append(
                Trade(
                    trade_id=self._trade_ids,
                    price=self._price(tick),
                    size=self._size(lots),
                    at_ms=at_ns // NS_A_MS,
                    maker_order_id="tape",
                    taker_order_id="tape",
                )
            )

    def _book(self) -> Book:
        sides = {side: self._others(side) for side in Side}
        for row in self._live.values():
            sides[row.order.side].append(self._listed(row))
        for side, orders in sides.items():
            orders.sort(key=lambda order: side.best_first(order.price))
        return Book(bids=tuple(sides[Side.BUY]), asks=tuple(sides[Side.SELL]))

    def _others(self, side: Side) -> list[BookOrder]:
        levels = self._engine.levels(side, self._shown.levels, self._shown.reach_ticks)
        return [
            BookOrder(
                order_id=f"tape:{side.value}:{tick}",
                side=side,
                price=self._price(tick),
                size=self._size(lots),
                ours=False,
            )
            for tick, lots in levels
        ]

    def _listed(self, row: Row) -> BookOrder:
        order = row.order
        return BookOrder(
            order_id=order.order_id,
            side=order.side,
            price=order.price,
            size=self._size(row.lots - row.filled),
            ours=True,
        )

    def _own(self, watch: Watch, now_ms: int) -> OwnOrders:
        shown = dict(self._live)
        for order_id in watch.order_ids:
            if order_id in self.rows:
                shown[order_id] = self.rows[order_id]
        after = watch.fills_after
        fills: list[Fill] = []
        for fill in reversed(self._fills):
            if after is None or fill.trade_id <= after:
                break
            fills.append(fill)
        by_nonce = {row.order.nonce: row for row in self._live.values()} if watch.nonces else {}
        return OwnOrders(
            rows=tuple(self._resting(row) for row in shown.values() if not row.refused),
            lookups=tuple(
                IdLookup(order_id=by_nonce[n].order.order_id, nonce=n, foreign=False)
                for n in watch.nonces
                if n in by_nonce
            ),
            fills=tuple(reversed(fills)),
            own_trade_ids=frozenset(fill.trade_id for fill in self._fills[-100:]),
            newest_trade_id=self._trade_ids,
            others=(),
            reserved_elsewhere=Reserved(),
        )

    def _resting(self, row: Row) -> RestingOrder:
        order, left = row.order, self._size(row.lots - row.filled)
        return RestingOrder(
            order_id=order.order_id,
            side=order.side,
            price=order.price,
            size=left,
            notional=self.instrument.notional(order.price, left),
            original_size=order.size,
            lot=self.instrument.size_step,
            status=row.status,
            nonce=order.nonce,
            created_ms=row.accepted_ns // NS_A_MS,
            expiry_ms=row.expiry_ms,
            ownership=Ownership.MANAGED,
            filled_steps=row.filled,
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


def _whole(value: Decimal, step: Decimal) -> int:
    number, rest = divmod(value, step)
    assert not rest, f"{value} is not on the grid of {step}"
    return int(number)


def _told(fill: Booked) -> Fill:
    return Fill(
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        side=fill.side,
        price=fill.price,
        size=fill.size,
        notional=fill.notional,
        fee=fill.fee,
        at_ms=fill.at_ns // NS_A_MS,
        is_maker=True,
        completes_order=not fill.left_lots,
    )

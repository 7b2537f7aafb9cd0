"""The exchange's own truth: rows, the matcher, fills, the chain. Human units, no faults.

Everything here happens at once, at the virtual instant it is called; waiting and failing are the
edge's business. `changed` hears of every accepted, cancelled and filled order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder, classify
from mm_bot.core.snapshot import Balances, Book, BookOrder, Reserved, Trade
from tests.sim.virtual_time import VirtualClock

US = "us"
PROTECTED = ("validation:", "test:", "smoke:", "manual:")
GRID = Decimal("0.000001")


@dataclass(slots=True, kw_only=True)
class Row:
    """One row of `active_orders`."""

    order_id: str
    nonce: int
    owner: str
    side: Side
    price: Price
    size: Size
    created_ms: int
    expiry_ms: int
    filled: Size = field(default_factory=lambda: Size.of(0))
    status: OrderStatus = OrderStatus.ACTIVE

    @property
    def left(self) -> Size:
        return self.size - self.filled

    @property
    def live(self) -> bool:
        return self.status.live


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One row of `trade_fills`; ours are named by `own`, as (order id, side)."""

    trade_id: int
    price: Price
    size: Size
    at_ms: int
    maker: str
    taker: str
    own: tuple[tuple[str, Side], ...]
    own_completed: bool


class Model:
    """The order table, the fills, the chain."""

    def __init__(self, market: Instrument, clock: VirtualClock, random: Random) -> None:
        self.market = market
        self.clock = clock
        self.random = random
        self.rows: dict[str, Row] = {}
        self.nonces: dict[tuple[str, int], str] = {}
        self.matches: list[Match] = []
        self.base = Decimal(10_000 if market.is_spot else 0)
        self.quote = Decimal(20_000_000 if market.is_spot else 200_000_000)
        self.changed: Callable[[str, Row], None] = lambda what, row: None
        self.settling = Decimal(0)
        """What the chain has already moved and the rows do not show yet."""
        self.blink_ms = (2, 15)
        self.poll_ms = 250
        self.executor_fails = 0.0
        self.late_rows = 0.0
        """How often a match commits after others with higher ids."""
        self.late_ms = (500, 8_000)
        self.held: set[str] = set()
        """Orders that a match holds whose transaction has not committed yet: `matching`."""
        self.reserved_elsewhere = Reserved()
        self._trade_ids = 0
        self._late: set[asyncio.Task[None]] = set()
        self.executor_ms = (10, 600)

    def accept(self, row: Row) -> bool:
        """Insert a row; False for a conflict of id or (owner, nonce)."""
        if row.order_id in self.rows or (row.owner, row.nonce) in self.nonces:
            return False
        self.rows[row.order_id] = row
        self.nonces[row.owner, row.nonce] = row.order_id
        self.changed("accepted", row)
        return True

    def cancel(self, owner: str, nonce: int) -> Row | None:
        """The row that was cancelled; None for the 404, also while it is `matching`."""
        row = self.rows.get(self.nonces.get((owner, nonce), ""))
        if row is None or row.status is not OrderStatus.ACTIVE:
            return None
        row.status = OrderStatus.CANCELLED
        self.changed("cancelled", row)
        return row

    def live(self, owner: str | None = None) -> list[Row]:
        """Live rows, of one owner or of all. An expired row is live until somebody lists it, but
        can trade no more."""
        return [r for r in self.rows.values() if r.live and owner in (None, r.owner)]

    def others(self) -> list[Row]:
        now_ms = self.clock.now_ms()
        return [r for r in self.live() if r.owner != US and r.expiry_ms > now_ms]

    def book(self) -> Book:
        """What the public endpoint lists: `active` rows only. Listing expires what is past."""
        now_ms = self.clock.now_ms()
        for each in self.live():
            if each.status is OrderStatus.ACTIVE and each.expiry_ms <= now_ms:
                each.status = OrderStatus.EXPIRED
                self.changed("expired", each)
        active = [r for r in self.rows.values() if r.status is OrderStatus.ACTIVE]
        return Book(bids=self._listed(active, Side.BUY), asks=self._listed(active, Side.SELL))

    def _listed(self, rows: Iterable[Row], side: Side) -> tuple[BookOrder, ...]:
        mine = ranked((r for r in rows if r.side is side), side)
        return tuple(listed(r) for r in mine[: self.market.capabilities.book_depth])

    def trades(self) -> tuple[Trade, ...]:
        return tuple(
            Trade(
                trade_id=m.trade_id,
                price=m.price,
                size=m.size,
                at_ms=m.at_ms,
                maker_order_id=m.maker,
                taker_order_id=m.taker,
            )
            for m in sorted(self.matches, key=lambda m: -m.trade_id)[:50]
        )

    def balances(self) -> Balances:
        block_ms = self.clock.now_ms() // 2_000 * 2_000
        return Balances(
            base=Size(self.base),
            quote=Amount(self.quote),
            block_number=block_ms // 2_000,
            block_time_ms=block_ms,
        )

    def resting(self, row: Row) -> RestingOrder:
        """A row of ours as the order table's reader gives it."""
        at = row.price
        return RestingOrder(
            order_id=row.order_id,
            side=row.side,
            price=at,
            size=row.left,
            notional=self.market.notional(at, row.left),
            original_size=row.size,
            lot=Size(GRID) if self.market.is_spot else self.market.size_step,
            status=row.status,
            nonce=row.nonce,
            created_ms=row.created_ms,
            expiry_ms=row.expiry_ms,
            ownership=self.ownership(row),
        )

    def ownership(self, row: Row) -> Ownership:
        return classify(row.order_id, row.side, row.nonce, self.market.symbol, PROTECTED)

    async def match_forever(self) -> None:
        """The matcher: the blink, and the fill where the best orders cross."""
        while True:
            await self.clock.sleep_ms(self.random.uniform(0.5, 1.5) * self.poll_ms)
            pair = [self._best(side) for side in Side]
            held = [row for row in pair if row is not None]
            if not held:
                continue
            for row in held:
                row.status = OrderStatus.MATCHING
            await self.clock.sleep_ms(self.random.uniform(*self.blink_ms))
            bid, ask = pair
            if bid is not None and ask is not None and bid.price >= ask.price:
                await self.clock.sleep_ms(self.random.uniform(*self.executor_ms))
                if self.random.random() < self.late_rows:
                    task = asyncio.create_task(self._settle(bid, ask, late=True))
                    self._late.add(task)
                    task.add_done_callback(self._late.discard)
                    continue
                if self.random.random() >= self.executor_fails:
                    await self._settle(bid, ask)
            for row in held:
                if row.status is OrderStatus.MATCHING:
                    row.status = OrderStatus.ACTIVE

    def _best(self, side: Side) -> Row | None:
        now_ms = self.clock.now_ms()
        rows = (r for r in self.rows.values() if r.side is side and r.expiry_ms > now_ms)
        best = ranked((r for r in rows if r.status is OrderStatus.ACTIVE), side)
        return best[0] if best else None

    async def _settle(self, bid: Row, ask: Row, late: bool = False) -> None:
        """The chain first; the order table follows in one transaction a moment later, which has
        its id from the start."""
        self._trade_ids += 1
        trade_id = self._trade_ids
        maker, taker = sorted((bid, ask), key=lambda r: (r.created_ms, r.order_id))
        size = min(bid.left, ask.left)
        own = [row for row in (bid, ask) if row.owner == US]
        for row in own:
            self.base += size.value * row.side.sign
            if self.market.is_spot:
                self.quote -= (maker.price * size).value * row.side.sign
        self.settling += size.value if own else Decimal(0)
        self.held |= {bid.order_id, ask.order_id}
        await self.clock.sleep_ms(self.random.uniform(*self.late_ms if late else (0, 30)))
        self.held -= {bid.order_id, ask.order_id}
        self.settling -= size.value if own else Decimal(0)
        for row in (bid, ask):
            row.filled += size
            row.status = OrderStatus.ACTIVE if row.left else OrderStatus.FILLED
        self.matches.append(
            Match(
                trade_id=trade_id,
                price=maker.price,
                size=size,
                at_ms=self.clock.now_ms(),
                maker=maker.order_id,
                taker=taker.order_id,
                own=tuple((row.order_id, row.side) for row in own),
                own_completed=all(not row.left for row in own),
            )
        )
        for row in (bid, ask):
            self.changed("filled", row)


def ranked(rows: Iterable[Row], side: Side) -> list[Row]:
    """Price, then time."""
    return sorted(rows, key=lambda r: (side.best_first(r.price), r.created_ms, r.order_id))


def listed(row: Row) -> BookOrder:
    return BookOrder(
        order_id=row.order_id,
        side=row.side,
        price=row.price,
        size=row.left,
        ours=row.owner == US,
    )

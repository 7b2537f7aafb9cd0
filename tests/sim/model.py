"""The exchange's own truth: rows, the matcher, fills, the chain. Human units, no faults.

Everything here happens at once, at the virtual instant it is called; waiting and failing are the
edge's business. `changed` hears of every accepted, cancelled and filled order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from mm_bot.core.exact import Amount, Price, Size, floor_to_step
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder, classify
from mm_bot.core.snapshot import Book, BookOrder, Reserved, Trade
from tests.sim.chain import Chain
from tests.sim.virtual_time import VirtualClock

US = "us"
PROTECTED = ("validation:", "test:", "smoke:", "manual:")
LIVE = tuple(status for status in OrderStatus if status.live)
UNSEEN_MS = 25_000
"""A node's lag, a slow read and a slow post together."""
GRAIN = Decimal(1).scaleb(-18)
GRID = Decimal("0.000001")
"""The smallest size that people think in."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One row of `active_orders`."""

    order_id: str
    nonce: int
    owner: str
    side: Side
    price: Price
    steps: int
    unit: Size
    """One step as a size: `unit_of`."""
    created_ms: int
    expiry_ms: int
    filled: int = 0
    """In steps."""
    status: OrderStatus = OrderStatus.ACTIVE

    @property
    def size(self) -> Size:
        return self.unit.times(Decimal(self.steps))

    @property
    def left(self) -> Size:
        return self.unit.times(Decimal(self.left_steps))

    @property
    def left_steps(self) -> int:
        return self.steps - self.filled

    @property
    def live(self) -> bool:
        return self.status.live


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One row of `trade_fills`; ours are named by `own`, as (order id, side)."""

    trade_id: int
    price: Price
    size: Size
    notional: Amount
    """cNGN that changed hands."""
    at_ms: int
    maker: str
    taker: str
    own: tuple[tuple[str, Side], ...]
    own_completed: bool
    steps: int
    """What it filled of each, in whole steps."""
    reverts: bool = False
    """It is booked, and the chain never has it."""


class Model:
    """The order table, the fills, the chain."""

    def __init__(self, market: Instrument, clock: VirtualClock, random: Random) -> None:
        self.market = market
        self.clock = clock
        self.random = random
        self.rows: dict[str, Row] = {}
        self._open: dict[str, Row] = {}
        """Those of `rows`, in their order, that were live when they were last looked at."""
        self._ownerships: dict[str, Ownership] = {}
        self.nonces: dict[tuple[str, int], str] = {}
        self.matches: list[Match] = []
        self.base = Decimal(10_000 if market.is_spot else 0)
        """With every match that was booked and does not revert, on the chain yet or not."""
        self.quote = Decimal(20_000_000 if market.is_spot else 200_000_000)
        self.writer = 0
        """The process that holds the one-writer lock, by its number; 0 for none."""
        self.lock_lost_ms = 0
        self.chain = Chain(clock, Random(random.random()), self.base, self.quote)
        self.changed: Callable[[str, Row], None] = lambda what, row: None
        self.settling = Decimal(0)
        """What the chain has already moved and the rows do not show yet."""
        self.reverted: dict[str, int] = {}
        """By order of ours, the steps that never settle."""
        self.stuck: set[str] = set()
        """Orders of ours that the matcher never gives back."""
        self.held: set[str] = set()
        """Orders that a match holds whose transaction has not committed yet: `matching`."""
        self.reserved_elsewhere = Reserved()
        self._judged: dict[int, bool] = {}
        self._moved: list[tuple[int, Decimal]] = []
        """When base was paid in or out, and how much."""

    def pay(self, base: Decimal, quote: Decimal) -> None:
        """The operator moves what is there."""
        self.base, self.quote = self.base + base, self.quote + quote
        self._moved.append((self.clock.now_ms(), base))
        self.chain.moved(base, quote)

    def unseen(self, side: Side) -> Decimal:
        """Base that was moved so lately that nobody need know, as far as it narrows that side."""
        since_ms = self.clock.now_ms() - UNSEEN_MS
        moved = (base * side.sign for at_ms, base in self._moved if at_ms > since_ms)
        return sum((base for base in moved if base > 0), Decimal(0))

    def drop_lock(self) -> None:
        """The server ended the holder's session."""
        self.writer, self.lock_lost_ms = 0, self.clock.now_ms()

    def refuses(self, nonce: int, share: float) -> bool:
        """Whether the bytes under a nonce are refused, as such a share is, for what they say: what
        was judged once is judged the same for ever."""
        return self._judged.setdefault(nonce, nonce % 97 < share * 97)

    def accept(self, row: Row) -> bool:
        """Insert a row; False for a conflict of id or (owner, nonce)."""
        if row.order_id in self.rows or (row.owner, row.nonce) in self.nonces:
            return False
        self.rows[row.order_id] = self._open[row.order_id] = row
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
        rows = self._open.values()
        over = [r.order_id for r in rows if r.status not in LIVE]
        for order_id in over:
            del self._open[order_id]
        return [r for r in rows if owner is None or r.owner == owner]

    def others(self) -> list[Row]:
        now_ms = self.clock.now_ms()
        return [r for r in self.live() if r.owner != US and r.expiry_ms > now_ms]

    def book(self) -> Book:
        """What the public endpoint lists: `active` rows only."""
        self.expire()
        active = [r for r in self.live() if r.status is OrderStatus.ACTIVE]
        return Book(bids=self._listed(active, Side.BUY), asks=self._listed(active, Side.SELL))

    def expire(self) -> None:
        """Listing the book expires what is past."""
        now_ms = self.clock.now_ms()
        for each in self.live():
            if each.status is OrderStatus.ACTIVE and each.expiry_ms <= now_ms:
                each.status = OrderStatus.EXPIRED
                self.changed("expired", each)

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

    def resting(self, row: Row) -> RestingOrder:
        """A row of ours as the order table's reader gives it."""
        at = row.price
        return RestingOrder(
            order_id=row.order_id,
            side=row.side,
            price=at,
            size=row.left,
            notional=worth(self.market, at, row.left_steps),
            original_size=row.size,
            lot=row.unit,
            filled_steps=row.filled,
            status=row.status,
            nonce=row.nonce,
            created_ms=row.created_ms,
            expiry_ms=row.expiry_ms,
            ownership=self.ownership(row),
        )

    def ownership(self, row: Row) -> Ownership:
        known = self._ownerships.get(row.order_id)
        if known is None:
            known = classify(row.order_id, row.side, row.nonce, self.market.symbol, PROTECTED)
            self._ownerships[row.order_id] = known
        return known


def unit_of(market: Instrument, price: Price) -> Size:
    """One step of an order at that price: on spot what one cNGN buys, else a lot."""
    if not market.is_spot:
        return market.size_step
    return Size(floor_to_step(Decimal(1), price.value, GRAIN))


def steps_of(market: Instrument, price: Price, size: Size) -> int:
    return int(size.value / unit_of(market, price).value)


def worth(market: Instrument, price: Price, steps: int) -> Amount:
    """What so many steps are worth in cNGN."""
    if market.is_spot:
        return Amount(Decimal(steps))
    return market.notional(price, market.size_step.times(Decimal(steps)))


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

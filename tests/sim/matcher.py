"""The matcher: it looks at the best pair, and has what crosses settled, as it can.

It holds the pair as `matching` while it looks. Its executor may be slow, commit a row after later
ones, book a match that never settles on the chain, or die with orders in its hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from random import Random

from mm_bot.core.exact import Amount, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderStatus
from tests.sim.model import US, Match, Model, Row, ranked, worth
from tests.sim.script import Script

BLINK_MS = (2, 15)
POLL_MS = 250
EXECUTOR_MS = (10, 600)
LATE_MS = (500, 8_000)
VERY_LATE_MS = (125_000, 160_000)
"""Longer than the fills' cursor waits for late rows, twice."""


class Matcher:
    def __init__(self, model: Model, random: Random) -> None:
        self._model = model
        self._random = random
        self.late_rows = 0.0
        """How often a match commits after others with higher ids."""
        self.very_late = 0.0
        """How often such a one takes minutes."""
        self.reverts = 0.0
        """How often a match of ours is booked and never settles."""
        self.dies = 0.0
        """How often it dies in its window: what it held stays `matching` for ever."""
        self.script = Script()
        self._trade_ids = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self.commits: Callable[[float], None] = lambda within_ms: None
        """Told when a match begins to settle that takes minutes, and how many."""

    async def run(self) -> None:
        """The matcher: the blink, and the fill where the best orders cross."""
        while True:
            await self._model.clock.sleep_ms(self._random.uniform(0.5, 1.5) * POLL_MS)
            pair = [self.best(side) for side in Side]
            held = [row for row in pair if row is not None]
            if not held:
                continue
            for row in held:
                row.status = OrderStatus.MATCHING
            await self._model.clock.sleep_ms(self._random.uniform(*BLINK_MS))
            bid, ask = pair
            if self._dies(held):
                await self._model.clock.sleep_ms(self._random.uniform(500, 3_000))
                continue
            if bid is not None and ask is not None and bid.price >= ask.price:
                await self._model.clock.sleep_ms(self._random.uniform(*EXECUTOR_MS))
                if self.script.strikes("late_row", self._random, self.late_rows):
                    self._aside(bid, ask, self._lateness_ms())
                    continue
                await self._settle(bid, ask, self._random.uniform(0, 30))
            for row in held:
                if row.status is OrderStatus.MATCHING:
                    row.status = OrderStatus.ACTIVE

    @property
    def unfinished(self) -> bool:
        """Whether a match has not committed yet."""
        return bool(self._under_way)

    def strike(self, target: Row, taker: Row, *, late: bool = False) -> None:
        """These two were found a moment ago, or where it is `late` will commit in some minutes."""
        for row in (target, taker):
            row.status = OrderStatus.MATCHING
        bid, ask = (target, taker) if target.side is Side.BUY else (taker, target)
        self._aside(bid, ask, self._minutes_ms() if late else 2)

    def _aside(self, bid: Row, ask: Row, lasts_ms: float = 2) -> None:
        """Settles these while the matcher goes on with others."""
        task = asyncio.create_task(self._settle(bid, ask, lasts_ms))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _dies(self, held: list[Row]) -> bool:
        """Only where an order of ours is in it that expires before long; the others go on."""
        ours = [
            r for r in held if r.owner == US and r.expiry_ms - self._model.clock.now_ms() < 60_000
        ]
        if not ours or not self.script.strikes("matcher_dies", self._random, self.dies):
            return False
        for row in held:
            row.status = OrderStatus.MATCHING if row in ours else OrderStatus.ACTIVE
        self._model.stuck |= {row.order_id for row in ours}
        return True

    def best(self, side: Side) -> Row | None:
        now_ms = self._model.clock.now_ms()
        rows = (r for r in self._model.live() if r.side is side and r.expiry_ms > now_ms)
        best = ranked((r for r in rows if r.status is OrderStatus.ACTIVE), side)
        return best[0] if best else None

    async def _settle(self, bid: Row, ask: Row, lasts_ms: float) -> None:
        """The chain first; the order table follows in one transaction a moment later, which has
        its id from the start."""
        self._trade_ids += 1
        trade_id = self._trade_ids
        maker, taker = sorted((bid, ask), key=lambda r: (r.created_ms, r.order_id))
        steps = min(bid.left_steps, ask.left_steps)
        size = maker.unit.times(Decimal(steps))
        notional = worth(self._model.market, maker.price, steps)
        own = [row for row in (bid, ask) if row.owner == US]
        reverts = bool(own) and self.script.strikes("revert", self._random, self.reverts)
        after = self._model.chain.delay_ms is not None
        if not reverts and not after:
            self._moved(own, steps, size, notional)
        self._model.settling += size.value if own else Decimal(0)
        self._model.held |= {bid.order_id, ask.order_id}
        await self._model.clock.sleep_ms(lasts_ms)
        self._model.held -= {bid.order_id, ask.order_id}
        self._model.settling -= size.value if own else Decimal(0)
        if reverts:
            self._model.reverted |= {
                r.order_id: self._model.reverted.get(r.order_id, 0) + steps for r in own
            }
        elif after:
            self._moved(own, steps, size, notional)
        for row in (bid, ask):
            row.filled += steps
            row.status = OrderStatus.ACTIVE if row.left_steps else OrderStatus.FILLED
        self._model.matches.append(
            Match(
                trade_id=trade_id,
                price=maker.price,
                size=size,
                notional=notional,
                at_ms=self._model.clock.now_ms(),
                maker=maker.order_id,
                taker=taker.order_id,
                own=tuple((row.order_id, row.side) for row in own),
                own_completed=all(not row.left_steps for row in own),
                steps=steps,
                reverts=reverts,
            )
        )
        for row in (bid, ask):
            self._model.changed("filled", row)

    def flood(self, maker: Row, taker: Row) -> None:
        """All of `taker` at once, in fills of one step each that one transaction commits."""
        count, one = taker.steps, maker.unit
        worth_of_one = worth(self._model.market, maker.price, 1)
        total = worth(self._model.market, maker.price, count)
        self._moved([maker], count, one.times(Decimal(count)), total)
        for row in (maker, taker):
            row.filled += count
            row.status = OrderStatus.ACTIVE if row.left_steps else OrderStatus.FILLED
        for number in range(count):
            self._trade_ids += 1
            self._model.matches.append(
                Match(
                    trade_id=self._trade_ids,
                    price=maker.price,
                    size=one,
                    notional=worth_of_one,
                    at_ms=self._model.clock.now_ms(),
                    maker=maker.order_id,
                    taker=taker.order_id,
                    own=((maker.order_id, maker.side),),
                    own_completed=not maker.left_steps and number == count - 1,
                    steps=1,
                )
            )
        for row in (maker, taker):
            self._model.changed("filled", row)

    def _lateness_ms(self) -> float:
        if self._random.random() >= self.very_late:
            return self._random.uniform(*LATE_MS)
        return self._minutes_ms()

    def _minutes_ms(self) -> float:
        lasts_ms = self._random.uniform(*VERY_LATE_MS)
        self.commits(lasts_ms)
        return lasts_ms

    def _moved(self, own: list[Row], steps: int, size: Size, notional: Amount) -> None:
        for row in own:
            base = size.value * row.side.sign
            quote = -notional.value * row.side.sign if self._model.market.is_spot else Decimal(0)
            self._model.base += base
            self._model.quote += quote
            self._model.chain.settle(row.order_id, steps, base, quote)

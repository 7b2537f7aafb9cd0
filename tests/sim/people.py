"""Everybody but the bot: takers, other makers, the anchor, and what rests before the first start.

Each method does one thing at the present virtual instant; `World` decides when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from random import Random

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import ID_PREFIX, OrderId, OrderStatus
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.host.nonces import NonceBlocks, nonce_of
from tests.sim.matcher import Matcher
from tests.sim.model import GRID, US, Model, Row, ranked, steps_of, unit_of
from tests.sim.scenario import FIRST_PRICE, Scenario

FLOOD = 1_040
"""Fills: a page of the adapter holds a thousand."""


class People:
    def __init__(self, model: Model, scenario: Scenario, random: Random) -> None:
        self._model = model
        self._scenario = scenario
        self._random = random
        self._anchor = FIRST_PRICE
        self._anchor_frozen_ms: int | None = None
        self._count = 0
        self.jumps: Random | None = None
        """Where it is set, the anchor jumps now and then by more than a shock."""
        self.done: set[str] = set()
        """What of their deeds a feature is for."""

    def anchor_quote(self) -> AnchorQuote:
        at_ms = self._anchor_frozen_ms or self._model.clock.now_ms()
        return AnchorQuote(price=Price(self._anchor), as_of_ms=at_ms, source="simulated")

    def rest(self) -> None:
        """The anchor answers again, and where the others' orders are."""
        self._anchor_frozen_ms = None
        best = {side: self._best(side) for side in Side}
        bid, ask = best[Side.BUY], best[Side.SELL]
        if bid is not None and ask is not None:
            self._anchor = self._on_tick((bid.price.value + ask.price.value) / 2)

    def _best(self, side: Side) -> Row | None:
        return self._best_of(self._model.others(), side)

    def _best_of(self, rows: Iterable[Row], side: Side) -> Row | None:
        found = ranked((r for r in rows if r.side is side), side)
        return found[0] if found else None

    def before_start(self) -> None:
        """Own orders of every sort; they never meet each other."""
        self._model.base += self._size(Decimal("0.1")).value * self._random.choice((-1, 0, 1))
        self._model.chain.start = (self._model.base, self._model.quote)
        for index in range(self._scenario.unmanaged):
            side = self._random.choice(tuple(Side))
            away = Decimal(self._random.choice((20, 25, 26, 80, 300))) + index
            symbol, nonce = self._model.market.symbol, 1_000 + index
            sort = self._random.randrange(7)
            order_id = str(OrderId(symbol, side, nonce))
            if sort == 0:
                order_id = f"manual:{nonce}"
            elif sort == 1:
                order_id = f"web-{nonce}"
            elif sort == 2:
                order_id = f"{ID_PREFIX}:{symbol}:up:{nonce}"
            elif sort == 3:
                order_id = str(OrderId("OTHER", side, nonce))
            self._add(US, side, self._away(side, away), self._size(Decimal(1)), order_id, nonce)

    def squat(self, nonces: NonceBlocks) -> None:
        """Now and then a nonce that the bot is about to use belongs to something else of ours."""
        if self._random.random() < 0.1 and not self._scenario.quiet:
            nonce = nonce_of(nonces._next_step + 1, 7)
            price = self._away(Side.BUY, Decimal(900))
            self._add(US, Side.BUY, price, self._size(Decimal("0.01")), f"manual:{nonce}", nonce)

    def take(self) -> None:
        """Cross the best of one side, often ours, for a part of it, a whole or more."""
        side = self._random.choice(tuple(Side))
        target = self._best_of_all(side)
        if target is None:
            return
        size = self._size(Decimal(self._random.choice(("0.1", "0.5", "1", "1.7"))))
        if self._scenario.alone:
            if self._model.others():
                return  # two takers would trade with each other: a local price without us
            size = min(size, target.left)
        row = self._add("taker", side.opposite, target.price.value, size)
        life_s = self._random.uniform(0.5, 2.5)
        asyncio.get_running_loop().call_later(life_s, self._model.cancel, row.owner, row.nonce)

    def flood(self, matcher: Matcher) -> bool:
        """More fills of one order of ours at once than a page holds; False where none is there that
        is large enough and best."""
        for side in Side:
            best = self._best_of(self._model.live(), side)
            now_ms = self._model.clock.now_ms()
            if best is None or best.owner != US or best.status is not OrderStatus.ACTIVE:
                continue
            if best.left_steps > FLOOD and best.expiry_ms > now_ms:
                row = self._add("taker", side.opposite, best.price.value, best.unit)
                row.steps = FLOOD
                matcher.flood(best, row)
                return True
        return False

    def make(self) -> None:
        """Another maker's order, which leaves after a while."""
        if self._scenario.alone:
            return
        side = self._random.choice(tuple(Side))
        away = Decimal(self._random.choice((5, 15, 40, 150)))
        price = self._away(side, away)
        row = self._add("maker", side, price, self._size(Decimal(1)))
        life_s = self._random.choice((2.0, 10.0, 10_000.0))
        asyncio.get_running_loop().call_later(life_s, self._model.cancel, row.owner, row.nonce)

    def drift(self) -> None:
        """The anchor moves a little, jumps, or freezes."""
        if self._scenario.alone:
            return
        chance = self._random.random()
        if chance < 0.1 and self._anchor_frozen_ms is None:
            self._anchor_frozen_ms = self._model.clock.now_ms()
        elif chance < 0.7 and self._anchor_frozen_ms is not None:
            return
        else:
            self._anchor_frozen_ms = None
            bps = self._random.choice((1, 4, 10, 60)) * self._random.choice((-1, 1))
            if self.jumps is not None and self.jumps.random() < 0.15:
                bps = self.jumps.choice((-300, -250, 250, 300))
                self.done.add("price jump")
            self._anchor = self._on_tick(self._anchor * (1 + Decimal(bps) / 10_000))

    def informed(self) -> None:
        """Somebody takes what the anchor will say only later."""
        side = self._random.choice(tuple(Side))
        best = self._best_of_all(side)
        if best is None or self._scenario.alone:
            return
        self.done.add("informed taker")
        row = self._add("informed", side.opposite, best.price.value, best.left)
        loop = asyncio.get_running_loop()
        loop.call_later(2.0, self._model.cancel, row.owner, row.nonce)
        bps = Decimal(side.opposite.sign * self._random.choice((10, 30, 60)))
        loop.call_later(self._random.uniform(0.2, 1.5), self._move, bps)

    def _move(self, bps: Decimal) -> None:
        if self._anchor_frozen_ms is None:
            self._anchor = self._on_tick(self._anchor * (1 + bps / 10_000))

    def _best_of_all(self, side: Side) -> Row | None:
        now_ms = self._model.clock.now_ms()
        rows = [r for r in self._model.live() if r.side is side and r.expiry_ms > now_ms]
        return ranked(rows, side)[0] if rows else None

    def pay(self) -> None:
        """The operator moves one of the balances; now and then past the limit of inventory."""
        self.done.add("deposit or withdrawal")
        quote = self._scenario.policy.quote
        size, chance = quote.order_size.value, self._random.random()
        if chance < 0.3:
            past = quote.max_long.value - self._model.base + size * self._random.choice((1, 4))
            self._model.pay(max(past, size), Decimal(0))
        elif chance < 0.7:
            self._model.pay(size * self._random.choice((-4, -1, 1, 4)), Decimal(0))
        else:
            worth = self._scenario.market.notional(Price(FIRST_PRICE), quote.order_size).value
            self._model.pay(Decimal(0), worth * self._random.choice((-4, -1, 1, 4)))

    def overfill(self) -> None:
        """So much is paid in, or out of a future, that the inventory passes any hard limit."""
        self.done.add("deposit or withdrawal")
        quote, spot = self._scenario.policy.quote, self._scenario.market.is_spot
        far = quote.order_size.value * 4
        if spot or self._random.random() < 0.5:
            self._model.pay(max(quote.max_long.value + far - self._model.base, far), Decimal(0))
        else:
            self._model.pay(min(quote.max_short.value - far - self._model.base, -far), Decimal(0))

    def leap(self) -> None:
        """The anchor moves by more than a spread at once."""
        if not self._scenario.alone:
            self._move(Decimal(self._random.choice((-90, -60, 60, 90))))

    def strike(
        self, matcher: Matcher, order_id: str, *, whole: bool = False, late: bool = False
    ) -> None:
        """A taker has met that order of ours, or any that is the best of its side, and the executor
        is settling it, or all that is left of it, or will in some minutes."""
        side = self._random.choice(tuple(Side))
        known = self._model.rows.get(order_id)
        target = matcher.best(side if known is None else known.side)
        if target is None or target.owner != US or known not in (None, target):
            return
        if self._scenario.alone and self._model.others():
            return  # as in `take`
        part = Decimal(1) if whole else self._random.choice((Decimal("0.5"), Decimal(1)))
        size = target.unit.times(Decimal(max(1, int(target.left_steps * part))))
        taker = self._add("taker", side.opposite, target.price.value, size)
        matcher.strike(target, taker, late=late)

    def _add(
        self, owner: str, side: Side, price: Decimal, size: Size, name: str = "", nonce: int = 0
    ) -> Row:
        self._count += 1
        nonce = nonce or self._count
        now_ms = self._model.clock.now_ms()
        row = Row(
            order_id=name or f"{owner}-{self._count}",
            nonce=nonce,
            owner=owner,
            side=side,
            price=Price(price),
            steps=max(1, steps_of(self._model.market, Price(price), size)),
            unit=unit_of(self._model.market, Price(price)),
            created_ms=now_ms,
            expiry_ms=now_ms + 1_000_000_000,
        )
        self._model.accept(row)
        return row

    def _away(self, side: Side, bps: Decimal) -> Decimal:
        return self._on_tick(self._anchor * (1 - side.sign * bps / 10_000))

    def _on_tick(self, price: Decimal) -> Decimal:
        tick = self._model.market.price_tick.value
        return (price / tick).to_integral_value() * tick

    def _size(self, part: Decimal) -> Size:
        market, whole = self._model.market, self._scenario.policy.quote.order_size.value
        step = GRID if market.is_spot else market.size_step.value
        return Size((whole * part / step).to_integral_value() * step)

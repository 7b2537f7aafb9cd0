"""The loop's `Exchange` over the model: latency, lost replies, failed and frozen reads.

A request that left arrives whatever becomes of who sent it: a process that dies cannot take it
back. Each call suspends on the virtual clock, so that everything interleaves with everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeVar

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Replaced, Verdict, Watch
from mm_bot.core.exact import Amount
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import OrderId, OrderStatus
from mm_bot.core.snapshot import Balances, Fill, IdLookup, Observation, OwnOrders, Part
from tests.sim.checker import Checker
from tests.sim.model import US, Match, Model, Row, listed, ranked, steps_of, unit_of, worth
from tests.sim.script import Script
from tests.sim.virtual_time import VirtualClock
from tests.sim.weather import Weather

T = TypeVar("T")
TIMEOUT_MS = 1_000
SIGNED_SINCE_MS = 120_000
"""The first read asks for what expired so long ago too: the chain's clock may be behind."""
ACCEPTED = Outcome(verdict=Verdict.ACCEPTED)
UNKNOWN = Outcome(verdict=Verdict.UNKNOWN, detail="no answer")
BROKEN = Outcome(verdict=Verdict.UNKNOWN, detail="503")
REFUSED = Outcome(verdict=Verdict.REFUSED, detail="refused")
NOT_SENT = Outcome(verdict=Verdict.REFUSED, detail="not sent", unjudged=True)
CONFLICT = Outcome(verdict=Verdict.UNKNOWN, detail="409", conflict=True)
MISSING = Outcome(verdict=Verdict.UNKNOWN, detail="404", held=True)
NEITHER = Replaced.neither(Verdict.REFUSED, "neither")
BOTH_UNKNOWN = Replaced.neither(Verdict.UNKNOWN, "no answer")


class Edge:
    """One process's connection to the exchange."""

    def __init__(
        self,
        model: Model,
        weather: Weather,
        checker: Checker,
        random: Random,
        clock: VirtualClock,
        script: Script,
    ) -> None:
        self._script = script
        self.weather = weather
        self.generation = checker.generation
        self._model = model
        self._checker = checker
        self._random = random
        self._clock = clock
        """The process's own: what comes back to it waits for it to run."""
        self._last: dict[str, Part[object]] = {}
        self._frozen_until: dict[str, int] = {}
        self._block = 0
        """The newest that was used: an older one is refused."""

    @property
    def instrument(self) -> Instrument:
        return self._model.market

    async def observe(self, watch: Watch) -> Observation:
        model, begun_ms = self._model, self._clock.now_ms()
        self._checker.observing(self.generation)
        book, trades, (orders, balances) = await asyncio.gather(
            self._read("book", model.book),
            self._read("trades", model.trades),
            self._read_own(watch),
        )
        if orders.error is not None:
            orders = Part(value=None, as_of_ms=None, error=orders.error)
        if balances.value is not None:
            balances = replace(balances, as_of_ms=balances.value.block_time_ms)
        seen = Observation(
            book=book,
            trades=trades,
            orders=orders,
            balances=balances,
            balances_read_ms=None if balances.value is None else self._balances_read(begun_ms),
            lock_held=self._holds(),
        )
        self._checker.observed(seen, self.generation)
        return seen

    async def _read_own(self, watch: Watch) -> tuple[Part[OwnOrders], Part[Balances]]:
        """One after the other at first, as the exchange's edge does."""

        def orders() -> OwnOrders:
            return self._own_orders(watch)

        def balances() -> Balances:
            return self._model.chain.balances([order_id for order_id, _ in watch.settling])

        if watch.fills_after is None:
            rows = await self._read("orders", orders)
            return self._of(rows, watch), await self._read("balances", balances)
        both = self._read("orders", orders), self._read("balances", balances)
        rows, held = await asyncio.gather(*both)
        return self._of(rows, watch), held

    def _of(self, read: Part[OwnOrders], watch: Watch) -> Part[OwnOrders]:
        """A frozen table too answers what is asked now: no row that ended and was not asked for."""
        table, asked = read.value, set(watch.order_ids)
        if table is None or watch.include_unexpired:
            return read
        rows = tuple(row for row in table.rows if row.live or row.order_id in asked)
        if rows == table.rows:
            return read
        answer = replace(table, rows=rows)
        self._checker.looked_anew(table, answer)
        return replace(read, value=answer)

    def _balances_read(self, begun_ms: int) -> int:
        at_ms = self._last["balances"].as_of_ms
        return begun_ms if at_ms is None else at_ms

    async def _read(self, name: str, look: Callable[[], T]) -> Part[T]:
        """The value of a moment within the read. A failed one keeps the last good value; a frozen
        one gives an old value for a new one."""
        begun_ms = self._clock.now_ms()
        before = self._last.get(name)
        await self._wait(self.weather.delay_ms(self._random))
        value = look()
        await self._wait(self.weather.delay_ms(self._random))
        if self._strikes(f"{name}_fails", self.weather.read_fails):
            failed: Part[T] = Part(value=None, as_of_ms=None)
            old: Part[T] = before or failed  # type: ignore[assignment]
            return replace(old, error=f"{name} could not be read")
        if isinstance(value, Balances) and value.block_number < self._block:
            known: Part[T] = before or Part(value=None, as_of_ms=None)  # type: ignore[assignment]
            return replace(known, error="an older block than one used before")
        if name != "trades" and self._strikes(f"{name}_freezes", self.weather.freezes):
            frozen_ms = self._random.uniform(500, 15_000)
            self._frozen_until.setdefault(name, begun_ms + round(frozen_ms))
        if before is not None and before.value is not None:
            if self.weather.freezes and begun_ms < self._frozen_until.get(name, 0):
                value = before.value  # type: ignore[assignment]
            else:
                self._frozen_until.pop(name, None)
        if isinstance(value, Balances):
            self._block = max(self._block, value.block_number)
        part = Part(value=value, as_of_ms=begun_ms)
        self._last[name] = part  # type: ignore[assignment]
        return part

    def _own_orders(self, watch: Watch) -> OwnOrders:
        model, now_ms = self._model, self._model.clock.now_ms()
        asked = set(watch.order_ids)
        ours = [r for r in model.rows.values() if r.owner == US]
        since_ms = now_ms - SIGNED_SINCE_MS if watch.include_unexpired else None
        rows = [
            r
            for r in ours
            if r.live or r.order_id in asked or (since_ms is not None and r.expiry_ms > since_ms)
        ]
        after = watch.fills_after
        fresh = [m for m in model.matches if after is not None and m.trade_id > after]
        fresh.sort(key=lambda match: match.trade_id)
        read = OwnOrders(
            rows=tuple(model.resting(r) for r in rows),
            lookups=tuple(
                IdLookup(order_id=r.order_id, nonce=r.nonce, foreign=r.order_id not in asked)
                for r in ours
                if r.nonce in watch.nonces
            ),
            fills=tuple(f for m in fresh for f in fills_of(m)),
            own_trade_ids=frozenset(m.trade_id for m in model.matches[-100:] if m.own),
            newest_trade_id=max((m.trade_id for m in model.matches), default=None),
            others=tuple(
                listed(r)
                for side in Side
                for r in ranked((o for o in model.others() if o.side is side), side)[:2]
            ),
            reserved_elsewhere=model.reserved_elsewhere,
        )
        self._checker.looked(read, watch.fills_after)
        return read

    def prepare(self, order: NewOrder) -> PreparedOrder:
        self._checker.signed(order, self.generation)
        return PreparedOrder(order=order, body=str(order).encode())

    async def holds_lock(self) -> bool:
        await self._wait(self.weather.delay_ms(self._random))
        return self._holds()

    def _holds(self) -> bool:
        missed = self._strikes("lock_missed", self.weather.lock_lost)
        return not missed and self._model.writer == self.generation

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        if not may_send():
            return NOT_SENT
        self._checker.posted(prepared, self.generation)
        outcome = await self._placed(prepared)
        self._checker.answered(prepared.order, outcome, self.generation)
        return outcome

    def _strikes(self, site: str, chance: float) -> bool:
        return self._script.strikes(site, self._random, chance)

    async def _placed(self, prepared: PreparedOrder) -> Outcome:
        weather = self.weather
        if self._model.refuses(prepared.order.nonce, weather.place_refused):
            await self._wait(weather.delay_ms(self._random))
            return REFUSED
        if self._strikes("place_lost", weather.place_lost):
            await self._wait(TIMEOUT_MS)
            return UNKNOWN
        if self._strikes("place_delayed", weather.place_delayed):
            late_ms = self._random.uniform(TIMEOUT_MS, self._random.choice((4_000, 9_000)))
            self._checker.sent("slow post", prepared.order.order_id)
            self._later(late_ms, lambda: self._arrive(prepared.order))
            await self._wait(TIMEOUT_MS)
            return UNKNOWN
        answer = self._later(weather.delay_ms(self._random), lambda: self._arrive(prepared.order))
        lost = self._strikes("place_reply_lost", weather.place_reply_lost)
        return await self._reply(answer, lost)

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        self._checker.cancelling(order_id, nonce, reason, self.generation)
        outcome = await self._cancelled(nonce)
        self._checker.cancelled(order_id, outcome, self.generation)
        return outcome

    async def _cancelled(self, nonce: int) -> Outcome:
        weather = self.weather
        if self._strikes("cancel_lost", weather.cancel_lost):
            await self._wait(TIMEOUT_MS)
            return UNKNOWN
        answer = self._later(weather.delay_ms(self._random), lambda: self._cancel(nonce))
        lost = self._strikes("cancel_reply_lost", weather.cancel_reply_lost)
        return await self._reply(answer, lost)

    async def _reply(self, answer: asyncio.Future[Outcome], lost: bool) -> Outcome:
        if lost:
            await self._wait(TIMEOUT_MS)
            return UNKNOWN
        if self.weather.errors and self._strikes("error", self.weather.errors):
            await self._wait(self.weather.delay_ms(self._random))
            return BROKEN
        outcome = await answer
        await self._wait(self.weather.delay_ms(self._random))
        return outcome

    async def replace(
        self,
        prepared: PreparedOrder,
        order_id: str,
        left: Amount | None,
        may_send: Callable[[], bool],
    ) -> Replaced:
        if not may_send():
            return NEITHER
        self._checker.posted(prepared, self.generation)
        self._checker.cancelling(order_id, _nonce(order_id), "replaced", self.generation)
        done = await self._replaced(prepared.order, order_id, left)
        self._checker.cancelled(order_id, done.cancel, self.generation)
        self._checker.answered(prepared.order, done.place, self.generation)
        return done

    async def _replaced(self, order: NewOrder, order_id: str, left: Amount | None) -> Replaced:
        weather, chance = self.weather, self._random.random
        if chance() < weather.place_lost:
            await self._wait(TIMEOUT_MS)
            return BOTH_UNKNOWN

        def swap() -> Replaced:
            return self._swap(order, order_id, left)

        if chance() < weather.place_delayed:
            self._later(self._random.uniform(TIMEOUT_MS, 4_000), swap)
            await self._wait(TIMEOUT_MS)
            return BOTH_UNKNOWN
        answer = self._later(weather.delay_ms(self._random), swap)
        if chance() < weather.place_reply_lost:
            await self._wait(TIMEOUT_MS)
            return BOTH_UNKNOWN
        done = await answer
        await self._wait(weather.delay_ms(self._random))
        return done

    def _swap(self, order: NewOrder, order_id: str, left: Amount | None) -> Replaced:
        """Both or neither, but that the new order may be refused once the old one is gone."""
        row = self._model.rows.get(order_id)
        if row is None or row.owner != US or row.status is not OrderStatus.ACTIVE:
            return NEITHER
        if left is not None and worth(self.instrument, row.price, row.left_steps) < left:
            return NEITHER
        gone = self._cancel(row.nonce)
        if self._model.refuses(order.nonce, self.weather.place_refused):
            return Replaced(cancel=gone, place=REFUSED)
        return Replaced(cancel=gone, place=self._arrive(order))

    def _arrive(self, order: NewOrder) -> Outcome:
        now_ms = self._model.clock.now_ms()
        end_ms = self._model.market.expiry_ms
        if order.expiry_s * 1000 <= now_ms or (end_ms is not None and now_ms >= end_ms):
            return REFUSED
        row = Row(
            order_id=order.order_id,
            nonce=order.nonce,
            owner=US,
            side=order.side,
            price=order.price,
            steps=self._steps(order),
            unit=unit_of(self.instrument, order.price),
            created_ms=now_ms,
            expiry_ms=order.expiry_s * 1000,
        )
        return ACCEPTED if self._model.accept(row) else CONFLICT

    def _steps(self, order: NewOrder) -> int:
        if self.instrument.is_spot:
            return int(order.notional.value)
        return steps_of(self.instrument, order.price, order.size)

    def _cancel(self, nonce: int) -> Outcome:
        row = self._model.cancel(US, nonce)
        if row is None:
            return MISSING
        return replace(ACCEPTED, left=worth(self.instrument, row.price, row.left_steps))

    def _later(self, delay_ms: float, do: Callable[[], T]) -> asyncio.Future[T]:
        """Happens whether or not the caller lives to see it."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def happen() -> None:
            result = do()
            if not done.done():
                done.set_result(result)

        loop.call_later(delay_ms / 1000, happen)
        return done

    async def _wait(self, duration_ms: float) -> None:
        await self._clock.sleep_ms(duration_ms)


def fills_of(match: Match) -> tuple[Fill, ...]:
    return tuple(
        Fill(
            trade_id=match.trade_id,
            order_id=order_id,
            side=side,
            price=match.price,
            size=match.size,
            notional=match.notional,
            at_ms=match.at_ms,
            is_maker=order_id == match.maker,
            completes_order=match.own_completed,
            steps=match.steps,
        )
        for order_id, side in match.own
    )


def _nonce(order_id: str) -> int:
    parts = OrderId.parse(order_id)
    assert parts is not None, "only orders of ours are replaced"
    return parts.nonce

"""Known ways to get it wrong, each at an edge, and the claim by which the checker must see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Replaced, Verdict, Watch
from mm_bot.core.exact import Amount, Size
from mm_bot.core.instrument import Instrument
from mm_bot.core.orders import OrderStatus, Ownership
from mm_bot.core.snapshot import BookOrder, Fill, Observation, OwnOrders
from tests.sim.claims import Claim
from tests.sim.edge import Edge
from tests.sim.mutation import Mutation
from tests.sim.world import World

ACCEPTED = Outcome(verdict=Verdict.ACCEPTED)
REFUSED = Outcome(verdict=Verdict.REFUSED)


class Wrapped:
    """An exchange that passes everything on; mutations change one thing."""

    def __init__(self, inner: Edge, world: World) -> None:
        self.inner = inner
        self.world = world

    @property
    def instrument(self) -> Instrument:
        return self.inner.instrument

    async def observe(self, watch: Watch) -> Observation:
        return await self.inner.observe(watch)

    def prepare(self, order: NewOrder) -> PreparedOrder:
        return self.inner.prepare(order)

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        return await self.inner.place(prepared, may_send)

    async def holds_lock(self) -> bool:
        return await self.inner.holds_lock()

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        return await self.inner.cancel(order_id, nonce, reason)

    async def replace(
        self,
        prepared: PreparedOrder,
        order_id: str,
        left: Amount | None,
        may_send: Callable[[], bool],
    ) -> Replaced:
        return await self.inner.replace(prepared, order_id, left, may_send)


Change = Callable[[OwnOrders], OwnOrders]


class _Rows(Wrapped):
    """Changes what is read of the order table."""

    change: Change

    async def observe(self, watch: Watch) -> Observation:
        seen = await self.inner.observe(watch)
        if seen.orders.value is None:
            return seen
        return replace(seen, orders=replace(seen.orders, value=self.change(seen.orders.value)))


def _rows(change: Change) -> Callable[[Edge, World], Wrapped]:
    def wrap(edge: Edge, world: World) -> Wrapped:
        wrapped = _Rows(edge, world)
        wrapped.change = change
        return wrapped

    return wrap


def _only_active(read: OwnOrders) -> OwnOrders:
    return replace(read, rows=tuple(r for r in read.rows if r.status is not OrderStatus.MATCHING))


def _matching_means_dead(read: OwnOrders) -> OwnOrders:
    rows = (
        replace(r, status=OrderStatus.FILLED) if r.status is OrderStatus.MATCHING else r
        for r in read.rows
    )
    return replace(read, rows=tuple(rows))


def _everything_is_managed(read: OwnOrders) -> OwnOrders:
    return replace(read, rows=tuple(replace(r, ownership=Ownership.MANAGED) for r in read.rows))


def _half_is_left(read: OwnOrders) -> OwnOrders:
    return replace(
        read, rows=tuple(replace(r, size=r.size.times(Decimal("0.5"))) for r in read.rows)
    )


def _fills_twice(read: OwnOrders) -> OwnOrders:
    again = tuple(replace(f, order_id=f.order_id + "'") for f in read.fills)
    return replace(read, fills=read.fills + again)


class _VanishedIsFilled(Wrapped):
    """Counts an order that is no longer live as filled."""

    _live: frozenset[str] = frozenset()
    _made: tuple[Fill, ...] = ()

    async def observe(self, watch: Watch) -> Observation:
        seen = await self.inner.observe(watch)
        read = seen.orders.value
        if read is None:
            return seen
        live = frozenset(r.order_id for r in read.rows if r.live)
        gone = [r for r in read.rows if r.order_id in self._live - live]
        self._live = live
        self._made += tuple(
            Fill(
                trade_id=1_000_000 + r.nonce,
                order_id=r.order_id,
                side=r.side,
                price=r.price,
                size=r.size,
                notional=r.notional,
                at_ms=0,
                is_maker=True,
                completes_order=True,
                steps=0,
            )
            for r in gone
            if r.status is not OrderStatus.FILLED
        )
        mixed = replace(read, fills=read.fills + self._made)
        return replace(seen, orders=replace(seen.orders, value=mixed))


class _OwnAreOthers(Wrapped):
    """Forms the mid from our own orders too."""

    async def observe(self, watch: Watch) -> Observation:
        seen = await self.inner.observe(watch)
        book = seen.book.value
        if book is None:
            return seen

        def foreign(orders: tuple[BookOrder, ...]) -> tuple[BookOrder, ...]:
            return tuple(replace(o, ours=False) for o in orders)

        mixed = replace(book, bids=foreign(book.bids), asks=foreign(book.asks))
        return replace(seen, book=replace(seen.book, value=mixed))


class _StraysUnseen(Wrapped):
    """Sees of its own orders those alone that it manages."""

    async def observe(self, watch: Watch) -> Observation:
        seen = await self.inner.observe(watch)
        book, read = seen.book.value, seen.orders.value
        if book is None or read is None:
            return seen
        rows = tuple(r for r in read.rows if r.ownership is Ownership.MANAGED)
        unmanaged = {r.order_id for r in read.rows} - {r.order_id for r in rows}
        shown = replace(
            book,
            bids=tuple(o for o in book.bids if o.order_id not in unmanaged),
            asks=tuple(o for o in book.asks if o.order_id not in unmanaged),
        )
        return replace(
            seen,
            book=replace(seen.book, value=shown),
            orders=replace(seen.orders, value=replace(read, rows=rows)),
        )


class _OthersHidden(Wrapped):
    """Does not see anybody else."""

    async def observe(self, watch: Watch) -> Observation:
        seen = await self.inner.observe(watch)
        book, read = seen.book.value, seen.orders.value
        if book is not None:
            mine = replace(
                book,
                bids=tuple(o for o in book.bids if o.ours),
                asks=tuple(o for o in book.asks if o.ours),
            )
            seen = replace(seen, book=replace(seen.book, value=mine))
        if read is not None:
            seen = replace(seen, orders=replace(seen.orders, value=replace(read, others=())))
        return seen


def _own_trades_are_others(read: OwnOrders) -> OwnOrders:
    return replace(read, own_trade_ids=frozenset())


class _TimeoutIsRefusal(Wrapped):
    """Takes silence for no, so that the slot gets a new nonce."""

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        outcome = await self.inner.place(prepared, may_send)
        return REFUSED if outcome.verdict is Verdict.UNKNOWN else outcome


class _CancelsUnasked(Wrapped):
    """Takes every cancel for done at once."""

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        task = asyncio.ensure_future(self.inner.cancel(order_id, nonce, reason))
        self._tasks = [task]
        return ACCEPTED


class _MissingIsGone(Wrapped):
    """Takes a 404 on a cancel for the proof that the order is gone."""

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        await self.inner.cancel(order_id, nonce, reason)
        return ACCEPTED


def _blind_switch(world: World) -> None:
    world.switch.visible = False


def _forgotten_nonces(world: World) -> None:
    world.forget_nonces = True


def _no_budget(world: World) -> None:
    world.policy = replace(
        world.policy, risk=replace(world.policy.risk, max_cancels_per_minute=None)
    )


def _no_caps(world: World) -> None:
    quote = world.policy.quote
    free = replace(quote, max_long=Size.of(10**9), max_short=Size.of(-(10**9)))
    world.policy = replace(world.policy, quote=free)


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        name="only_active_rows", claim=Claim.ONE_PER_SLOT, exchange=_rows(_only_active), seed=76
    ),
    Mutation(
        name="matching_is_dead", claim=Claim.ONE_PER_SLOT, exchange=_rows(_matching_means_dead)
    ),
    Mutation(
        name="new_nonce_after_timeout",
        claim=Claim.ONE_PER_SLOT,
        exchange=_TimeoutIsRefusal,
        seed=1,
    ),
    Mutation(
        name="cancels_not_awaited", claim=Claim.ONE_PER_SLOT, exchange=_CancelsUnasked, seed=12
    ),
    Mutation(name="missing_is_gone", claim=Claim.ONE_PER_SLOT, exchange=_MissingIsGone, seed=3),
    Mutation(name="strays_unseen", claim=Claim.NOT_CROSSED, exchange=_StraysUnseen, seed=26),
    Mutation(name="nonces_forgotten", claim=Claim.NONCE_ONCE, world=_forgotten_nonces),
    Mutation(name="vanished_is_filled", claim=Claim.FILLS_ONCE, exchange=_VanishedIsFilled),
    Mutation(name="fills_twice", claim=Claim.FILLS_ONCE, exchange=_rows(_fills_twice)),
    Mutation(
        name="everything_is_ours", claim=Claim.NOT_OURS, exchange=_rows(_everything_is_managed)
    ),
    Mutation(name="no_cancel_budget", claim=Claim.BUDGET, world=_no_budget, seed=3),
    Mutation(name="kill_switch_unseen", claim=Claim.KILL_SWITCH, world=_blind_switch),
    Mutation(name="no_inventory_cap", claim=Claim.LIMITS, world=_no_caps, seed=9),
    Mutation(name="own_mid", claim=Claim.OWN_FREE, exchange=_OwnAreOthers, seed=4),
    Mutation(
        name="own_trades", claim=Claim.OWN_FREE, exchange=_rows(_own_trades_are_others), seed=14
    ),
    Mutation(name="half_the_liability", claim=Claim.LIABILITY, exchange=_rows(_half_is_left)),
    Mutation(name="others_unseen", claim=Claim.PASSIVE, exchange=_OthersHidden, seed=8),
)

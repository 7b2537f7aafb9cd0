"""Acting: a plan goes out, and what became of each of its orders comes back.

Everything is sent at once, but a place after the acknowledgements it waits for. A post looks at the
kill switch's file first, and at the one-writer lock. The cycle's read showed that we hold it; where
that is longer ago than `ASK_AFTER_MS` (the process was paused, or its machine was) it is asked for
again, and no byte leaves us later than `FENCE_MS` after an answer. What remains possible: a pause
between the last look, which is the statement before the write, and the write; and bytes that were
written before the pause and arrive after it. Both are bounded by the order's expiry, both are
orders of our own convention, and the writer that took over finds and manages them with its next
read. Cancels are not held back: they can only take away.

The kill switch waits for no cycle: `cancel_now` cancels at once what is known then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Replaced, Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.orders import OrderId
from mm_bot.core.plan import Cancel, CancelCategory, Place
from mm_bot.core.remember import CancelResult, PlaceResult, Report
from mm_bot.core.risk import HaltReason
from mm_bot.edges import Edges
from mm_bot.errors import EdgeError
from mm_bot.venues.base import Replacing

BLINK_TRIES = 2
BLINK_MS = 4
"""How often and after what pause a cancel that met the matcher's blink is sent again within its
cycle."""
KILL_TRIES = 8
KILL_RETRY_MS = 20
"""A cancel that meets the matcher's blink is tried again; the blink lasts a few milliseconds."""
FENCE_MS = 1_000
"""How long after a proof of the lock an order may leave us (behaviour.md section 7)."""
ASK_AFTER_MS = 500
"""How old a proof may be before another is asked for: the post after it has the rest."""

Swapped = tuple[CancelResult, PlaceResult | None]


class Actor:
    """Sends what a plan says. One act at a time; the kill switch's cancels go beside it."""

    def __init__(
        self, edges: Edges, known: Callable[[], tuple[OpenOrder, ...]], wake: Callable[[], None]
    ) -> None:
        """`known` are the orders that memory has; `wake` starts the next cycle at once."""
        self.signed: dict[str, NewOrder] = {}
        """Orders signed since they were last remembered, by id."""
        self.killed: list[CancelResult] = []
        """What the kill switch cancelled since it was last remembered."""
        self._edges = edges
        self._known = known
        self._wake = wake
        self._life_ms = 0
        """How long an order of the plan under way lives."""
        self._held: list[CancelResult] = []
        """Cancels of it that were sent again."""
        self._sent: dict[str, int] = {}
        """Orders posted since what was signed was last remembered, by id, with their nonces: memory
        lacks them yet."""
        self._proven_ms = -float(FENCE_MS)
        """Monotonic time before the last read that showed us to be the one writer."""
        self._asking = asyncio.Lock()

    def proven(self, asked_ms: float) -> None:
        """A read that began then, by the monotonic clock, showed us to be the one writer."""
        self._proven_ms = asked_ms

    def remembered(self) -> None:
        """Memory has what was signed."""
        self._sent.clear()
        self.signed.clear()

    async def act(self, decision: Decision) -> Report:
        """Everything of its plan at once, but a place after the acknowledgements it waits for.
        Nonces are saved before they are used (`Nonces`), so a crash anywhere here leaves none used
        twice."""
        plan, policy = decision.plan, decision.policy
        if policy.dry_run:
            return Report()
        self._life_ms = policy.reconcile.order_life_ms
        self._held = []
        swaps = {
            place.replaces: asyncio.ensure_future(self._swap(place, cancel, decision))
            for place in plan.places
            for cancel in plan.cancels
            if place.atomic and cancel.order_id == place.replaces
        }
        cancels = {
            c.order_id: asyncio.ensure_future(
                _first_of(swaps[c.order_id]) if c.order_id in swaps else self._cancel(c, decision)
            )
            for c in plan.cancels
        }
        places = [
            asyncio.ensure_future(
                _second_of(swaps[p.replaces]) if p.replaces in swaps else self._place(p, cancels)
            )
            for p in plan.places
        ]
        resends = [asyncio.ensure_future(self._resend(c)) for c in plan.resends]
        placed = await asyncio.gather(*places, *resends)
        cancelled = await asyncio.gather(*cancels.values())
        aside, self.killed = self.killed, []
        return Report(
            cancels=(*self._held, *cancelled, *aside),
            places=tuple(result for result in placed if result is not None),
        )

    async def _cancel(self, cancel: Cancel, decision: Decision) -> CancelResult:
        """Sent again at once where the matcher holds the order for a moment, and where that many
        may be sent: the next cycle would have to read everything first."""
        result = await self._sent_once(cancel)
        for _ in range(BLINK_TRIES):
            if not result.outcome.held or (cancel.counted and not self._has_spare(decision)):
                break
            self._held.append(result)
            await self._edges.clock.sleep_ms(BLINK_MS)
            result = await self._sent_once(cancel)
        return result

    def _has_spare(self, decision: Decision) -> bool:
        spare = decision.spare_cancels
        return spare is None or sum(result.cancel.counted for result in self._held) < spare

    async def _sent_once(self, cancel: Cancel) -> CancelResult:
        sent_ms = self._edges.clock.now_ms()
        outcome = await self._edges.venue.cancel(cancel.order_id, cancel.nonce, cancel.reason)
        done_ms = self._edges.clock.now_ms()
        return CancelResult(cancel=cancel, outcome=outcome, sent_ms=sent_ms, done_ms=done_ms)

    async def _place(
        self, place: Place, cancels: Mapping[str, Awaitable[CancelResult]]
    ) -> PlaceResult | None:
        """None where nothing was sent: something it waits for is not known to be gone, or was
        filled meanwhile, so that the size of this one would be too large. It is signed while that
        is awaited; a signature that never left us is forgotten."""
        signed = await self._sign(place)
        if signed is None:
            return None
        for order_id in place.after:
            if not (await cancels[order_id]).as_decided:
                del self.signed[signed.order.order_id]
                return None
        sent = await self._post(signed)
        if sent is None:
            return None
        outcome, sent_ms = sent
        return _placed(place, signed, outcome, sent_ms)

    async def _swap(self, place: Place, cancel: Cancel, decision: Decision) -> Swapped:
        """A cancel and its successor in one command. Where neither is done, the cancel goes by
        itself: a price that is wrong does not stay for want of a successor."""
        venue, order_id = self._edges.venue, cancel.order_id
        assert isinstance(venue, Replacing), "its capabilities say atomic_replace"
        done = Replaced.neither(Verdict.REFUSED, "not sent")

        async def send(signed: PreparedOrder) -> Outcome:
            nonlocal done
            done = await venue.replace(signed, order_id, cancel.left, self._may_send)
            return done.place

        signed = await self._sign(place)
        sent = None if signed is None else await self._post(signed, send)
        if signed is None or sent is None or done.cancel.verdict is Verdict.REFUSED:
            return await self._cancel(cancel, decision), None
        outcome, sent_ms = sent
        done_ms = self._edges.clock.now_ms()
        cancelled = CancelResult(
            cancel=cancel, outcome=done.cancel, sent_ms=sent_ms, done_ms=done_ms
        )
        return cancelled, _placed(place, signed, outcome, sent_ms)

    async def _sign(self, place: Place) -> PreparedOrder | None:
        """Signed, and noted before it can leave us; None where it cannot be."""
        level, edges = place.level, self._edges
        try:
            nonce = await edges.nonces.take(level.side)
        except EdgeError as error:
            edges.telemetry.event("order.no_nonce", side=level.side, error=str(error))
            return None
        order = self._ordered(place, nonce)
        try:
            await edges.store.signing(order)
        except EdgeError as error:
            edges.telemetry.event("order.unsaved", side=level.side, error=str(error))
            return None
        self.signed[order.order_id] = order
        return edges.venue.prepare(order)

    def _ordered(self, place: Place, nonce: int) -> NewOrder:
        edges, level = self._edges, place.level
        market = edges.venue.instrument
        life_ms = place.reduce_ms or self._life_ms
        if life_ms < market.capabilities.least_order_life_ms:  # a reduction's; it is cancelled then
            life_ms = self._life_ms
        expiry_ms = edges.clock.now_ms() + life_ms
        if market.expiry_ms is not None:
            expiry_ms = min(expiry_ms, market.expiry_ms)
        return NewOrder(
            order_id=str(OrderId(market.symbol, level.side, nonce)),
            side=level.side,
            price=level.price,
            size=level.size,
            notional=level.notional,
            nonce=nonce,
            expiry_s=expiry_ms // 1000,
            may_take=place.reduce_ms is not None,
            reduce_only=place.reduce_ms is not None and market.capabilities.reduce_only,
        )

    async def _resend(self, open_order: OpenOrder) -> PlaceResult | None:
        """The same bytes again: owner and nonce are unique, so at most one of them rests."""
        assert open_order.signed is not None
        sent = await self._post(open_order.signed)
        if sent is None:
            return None
        outcome, sent_ms = sent
        return PlaceResult(
            signed=open_order.signed, level=None, replaces=None, outcome=outcome, sent_ms=sent_ms
        )

    async def _post(
        self,
        signed: PreparedOrder,
        send: Callable[[PreparedOrder], Awaitable[Outcome]] | None = None,
    ) -> tuple[Outcome, int] | None:
        """How it ended that was sent by `send`, by itself where there is none, and when it was;
        None where it may not be sent."""
        edges = self._edges
        if not await self._still_writer() or edges.kill_switch.active():
            return None
        sent_ms = edges.clock.now_ms()
        self._sent[signed.order.order_id] = signed.order.nonce
        sending = edges.venue.place(signed, self._may_send) if send is None else send(signed)
        outcome = await sending
        if outcome.verdict is Verdict.REFUSED or outcome.conflict:
            self._sent.pop(signed.order.order_id, None)
        elif edges.kill_switch.active():
            order = signed.order
            await self._cancel_aside(order.order_id, order.nonce)
        return outcome, sent_ms

    async def _still_writer(self) -> bool:
        """Whether we are the one writer, asked for anew where the last proof is not young."""
        edges = self._edges
        async with self._asking:
            asked_ms = edges.clock.monotonic_ms()
            if asked_ms - self._proven_ms <= ASK_AFTER_MS:
                return True
            if await edges.venue.holds_lock():
                self._proven_ms = asked_ms
                return True
        edges.telemetry.event("order.lock_not_held")
        self._wake()
        return False

    def _may_send(self) -> bool:
        """The last look before an order's bytes leave: a connection to send them on may have been
        long in coming."""
        fenced = self._edges.clock.monotonic_ms() - self._proven_ms <= FENCE_MS
        return fenced and not self._edges.kill_switch.active()

    async def cancel_now(self) -> None:
        """Cancels at once all that may be live."""
        live = self._maybe_live().items()
        await asyncio.gather(*(self._cancel_aside(*each) for each in live))
        self._wake()

    async def _cancel_aside(self, order_id: str, nonce: int) -> None:
        """Noted as soon as it is known: the next cycle may begin before the others are done."""
        result = await self._cancel_surely(order_id, nonce)
        self.killed.append(result)

    async def _cancel_surely(self, order_id: str, nonce: int) -> CancelResult:
        """Cancel for the kill switch, past a blink; the cycles after it verify. It ends early
        where the order turns out not to exist: its nonce may be another order's, and a cancel goes
        by nonce."""
        cancel = Cancel(
            order_id=order_id,
            nonce=nonce,
            category=CancelCategory.KILL_SWITCH,
            reason=f"risk_halt:{HaltReason.KILL_SWITCH.value}",
        )
        result = await self._sent_once(cancel)
        for _ in range(KILL_TRIES - 1):
            if result.outcome.verdict is Verdict.ACCEPTED:
                break
            await self._edges.clock.sleep_ms(KILL_RETRY_MS)
            if order_id not in self._maybe_live():
                break
            result = await self._sent_once(cancel)
        return result

    def _maybe_live(self) -> dict[str, int]:
        """Nonces by id of what memory and the cycle under way know."""
        known = (c for c in self._known() if not (c.cancel_acked or c.nonce_in_doubt))
        return {c.order_id: c.nonce for c in known} | self._sent


def _placed(place: Place, signed: PreparedOrder, outcome: Outcome, sent_ms: int) -> PlaceResult:
    return PlaceResult(
        signed=signed, level=place.level, replaces=place.replaces, outcome=outcome, sent_ms=sent_ms
    )


async def _first_of(swap: Awaitable[Swapped]) -> CancelResult:
    return (await swap)[0]


async def _second_of(swap: Awaitable[Swapped]) -> PlaceResult | None:
    return (await swap)[1]

"""What must hold at every step of a run, judged from the model's truth and undistorted reads.

The letters are those of `CLAIMS`. A row is *excused* where the running process could not know of
it: its request was sent by a process that had died, and it arrived later.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from mm_bot.core.commands import NewOrder, PreparedOrder
from mm_bot.core.decide import Decision
from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.liability import outstanding
from mm_bot.core.memory import Memory
from mm_bot.core.orders import Ownership
from mm_bot.core.plan import CancelCategory
from mm_bot.core.policy import Policy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import Observation
from tests.sim import limits
from tests.sim.model import US, Model, Row
from tests.sim.virtual_time import EPOCH_MS

KILL_WITHIN_CALM_MS = 1_500
"""50 ms of watching, a match that the executor settles meanwhile (600 ms), the retries after it."""
KILL_WITHIN_STORM_MS = 15_000
JUST_NOW_MS = 5_000


class Claim(Enum):
    ONE_PER_SLOT = "a: at most one live order a slot"
    NONCE_ONCE = "b: no nonce is used twice"
    NOT_CROSSED = "c: own bid < own ask"
    CONVERGES = "d: a quiet world converges and stays quiet"
    FILLS_ONCE = "e: each fill is counted exactly once"
    NOT_OURS = "f: neither protected orders nor strangers are cancelled"
    BUDGET = "g: no more replace-driven cancels a minute than allowed"
    KILL_SWITCH = "h: the kill switch ends everything in bounded time"
    LIMITS = "i: what rests and what is placed stays within every limit"
    OWN_FREE = "j: alone in the book, the reference does not move"
    LIABILITY = "k: signed liability covers all that can execute"
    PASSIVE = "l: no price crosses or touches what others show"
    ALIVE = "m: the loop never raises"
    PULLED = "n: a shock or a loss takes every quote away, over restarts too"


@dataclass(slots=True)
class Checker:
    """Hears of everything; `violations` is what went wrong."""

    model: Model
    policy: Policy
    alone: bool
    truth_limits: bool
    """Whether limits hold against the chain's truth too: not where the node may freeze."""
    trace: bool = False
    generation: int = 0
    calm: bool = False
    kill_since_ms: int | None = None
    violations: list[tuple[Claim, str]] = field(default_factory=list)
    cycles: int = 0
    placed: int = 0
    sending_cycles: int = 0
    last: Decision | None = None
    times_posted: Counter[int] = field(default_factory=Counter)
    _seen: Observation | None = None
    _startup: bool = True
    _signed: dict[int, str] = field(default_factory=dict)
    _orders: dict[str, NewOrder] = field(default_factory=dict)
    _unknowable: set[str] = field(default_factory=set)
    """Signed by a process whose state file was lost, without a row yet."""
    _posted_by: dict[str, int] = field(default_factory=dict)
    _conflicts: set[int] = field(default_factory=set)
    _excused: set[str] = field(default_factory=set)
    _arrived_ms: dict[str, int] = field(default_factory=dict)
    _counted_ms: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _baseline: int | None = None
    _constant: Price | None = None

    def fail(self, claim: Claim, text: str) -> None:
        self.violations.append((claim, text))
        self.note(f"VIOLATION {claim.value}: {text}")

    def note(self, text: str) -> None:
        if self.trace:
            print(f"{self._now_ms() - EPOCH_MS:>8} {text}")

    def _now_ms(self) -> int:
        return self.model.clock.now_ms()

    def started(self, memory: Memory) -> None:
        """A new process begins with this memory."""
        self.generation += 1
        self._startup = True
        self._conflicts.clear()  # what the last process was told is not in the state file
        self._baseline = self._baseline if memory.fill_totals.cursor is not None else None
        self.note(f"process {self.generation} starts, knows {len(memory.open_orders)} orders")

    def state_lost(self) -> None:
        """Only the order table tells of the orders before now."""
        self._unknowable.update(self._orders)

    def observed(self, seen: Observation) -> None:
        self._seen = seen

    def signed(self, order: NewOrder) -> None:
        self._orders[order.order_id] = order
        before = self._signed.setdefault(order.nonce, str(order))
        if before != str(order):
            self.fail(Claim.NONCE_ONCE, f"{order.nonce}: {before} and {order}")

    def posted(self, signed: PreparedOrder, generation: int) -> None:
        self.placed += 1
        self._posted_by.setdefault(signed.order.order_id, generation)
        self.times_posted[signed.order.nonce] += 1
        self.note(f"post {signed.order.order_id} {signed.order.price} x {signed.order.size}")
        if self.kill_since_ms is not None:
            self.fail(Claim.KILL_SWITCH, f"{signed.order.order_id} posted while it is on")

    def cancelling(self, order_id: str, nonce: int, reason: str, generation: int) -> None:
        """An id may be cancelled where it is ours, managed, and the holder of its nonce."""
        self.note(f"cancel {order_id} {reason}")
        row = self.model.rows.get(self.model.nonces.get((US, nonce), ""))
        if row is None:
            if order_id not in self._posted_by:
                self.fail(Claim.NOT_OURS, f"{order_id} was never sent")
            return
        if row.order_id != order_id and nonce not in self._conflicts:
            return  # the answer that tells it is still under way or was lost
        ownership = self.model.ownership(row)
        if row.order_id != order_id or ownership is Ownership.PROTECTED:
            self.fail(Claim.NOT_OURS, f"{order_id} names {row.order_id}, {ownership.value}")
        elif ownership is not Ownership.MANAGED and not self._startup:
            self.fail(Claim.NOT_OURS, f"{order_id}, {ownership.value}, after start-up")

    def changed(self, what: str, row: Row) -> None:
        self.note(f"     {what} {row.order_id} {row.side.value} {row.price} left {row.left}")
        if row.owner != US or what != "accepted" or self.generation == 0:
            return
        self._arrived_ms[row.order_id] = self._now_ms()
        if self._posted_by.get(row.order_id, 0) < self.generation:
            self._excused.add(row.order_id)
            return
        live = [r for r in self._live() if r.expiry_ms > self._now_ms()]
        same = [r for r in live if r.side is row.side and self._managed(r)]
        if len(same) > self.policy.quote.levels:
            ids = [f"{r.order_id} {r.status.value}" for r in same]
            self.fail(Claim.ONE_PER_SLOT, f"{len(same)} on one side: {ids}")
        for other in live:
            if other.side is not row.side and row.side.reaches(row.price, other.price):
                self.fail(Claim.NOT_CROSSED, f"{row.order_id} meets {other.order_id}")
        same_side = [r for r in live if r.side is row.side]
        if self.truth_limits and not self._startup:
            hidden = self.model.settling + self._lately_filled_unknown()
            for text in limits.inventory_faults(
                self.model, same_side, row.side, self.policy, hidden
            ):
                self.fail(Claim.LIMITS, text)

    def _live(self) -> list[Row]:
        return [r for r in self.model.live(US) if r.order_id not in self._excused]

    def _lately_filled_unknown(self) -> Decimal:
        """Fills of orders that the process could not know of, before it could read them."""
        since_ms = self._now_ms() - JUST_NOW_MS
        recent = [m for m in self.model.matches if m.at_ms > since_ms]
        sizes = (m.size.value for m in recent if any(k in self._excused for k, _ in m.own))
        return sum(sizes, Decimal(0))

    def _managed(self, row: Row) -> bool:
        return self.model.ownership(row) is Ownership.MANAGED

    def moment(self) -> None:
        """Called often: the kill switch's bound needs no event to be broken."""
        if self.kill_since_ms is None:
            return
        bound_ms = KILL_WITHIN_CALM_MS if self.calm else KILL_WITHIN_STORM_MS
        for row in filter(self._managed, self.model.live(US)):
            since_ms = max(self.kill_since_ms, self._arrived_ms.get(row.order_id, 0))
            if self._now_ms() - since_ms > bound_ms and row.expiry_ms > self._now_ms():
                self.fail(Claim.KILL_SWITCH, f"{row.order_id} live {bound_ms} ms after it came on")

    def cycle(self, decision: Decision, report: Report, memory: Memory) -> None:
        seen = self._seen
        assert seen is not None
        self.cycles += 1
        self.sending_cycles += not decision.plan.quiet
        self.last = decision
        halts = [halt.reason.value for halt in decision.halts]
        gaps = [f"{m.side.value}{m.index}:{m.reason.value}" for m in decision.missing]
        self.note(
            f"cycle ref {decision.reference.price} {decision.reference.source.value} "
            f"kept {len(decision.plan.kept)} held {len(decision.plan.held)} {gaps} {halts}"
        )
        self._check_passive(decision, seen)
        for text in limits.plan_faults(decision, seen, self.policy, self.model.market):
            self.fail(Claim.LIMITS, text)
        self._check_budget(report)
        self._check_fills(memory, seen)
        self._check_liability(memory)
        price = decision.reference.price
        if self.alone and price is not None:
            self._constant = self._constant or price
            if price != self._constant:
                self.fail(Claim.OWN_FREE, f"moved from {self._constant} to {price}")
        self._startup = memory.startup

    def _check_passive(self, decision: Decision, seen: Observation) -> None:
        for place in decision.plan.places:
            opposite = place.level.side.opposite
            shown = list(seen.book.value.side(opposite)) if seen.book.value else []
            shown += seen.orders.value.others if seen.orders.value else ()
            for order in shown:
                if order.ours or order.side is not opposite:
                    continue
                if place.level.side.reaches(place.level.price, order.price):
                    self.fail(Claim.PASSIVE, f"{place.level} against {order}")

    def _check_budget(self, report: Report) -> None:
        limit = self.policy.risk.max_cancels_per_minute
        if limit is None:
            return
        sent = self._counted_ms[self.generation]
        for result in report.cancels:
            row = self.model.rows.get(result.cancel.order_id)
            driven = result.cancel.category is CancelCategory.REPLACE_DRIVEN
            if (
                row is not None
                and driven
                and not _due(row, result.sent_ms, self.policy.reconcile.order_life_ms)
            ):
                sent.append(result.sent_ms)
        sent.sort()
        for first, last in zip(sent, sent[limit:], strict=False):
            if last - first < 60_000:
                self.fail(Claim.BUDGET, f"{limit + 1} cancels within {last - first} ms")
                return

    def _check_fills(self, memory: Memory, seen: Observation) -> None:
        if self._baseline is None:
            self._baseline = memory.fill_totals.cursor
            return
        read = seen.orders.value
        if read is None or read.newest_trade_id is None or not seen.lock_held:
            return
        total, count = Decimal(0), 0
        for match in self.model.matches[: read.newest_trade_id]:
            if match.trade_id > self._baseline:
                count += len(match.own)
                total += sum((match.size.value * side.sign for _, side in match.own), Decimal(0))
        fill_totals = memory.fill_totals
        if fill_totals.position != Size(total) or fill_totals.buys + fill_totals.sells != count:
            said = f"{fill_totals.buys + fill_totals.sells} fills, position {fill_totals.position}"
            self.fail(Claim.FILLS_ONCE, f"{said}; there were {count}, position {total}")

    def _check_liability(self, memory: Memory) -> None:
        if not memory.signatures_known:
            return
        read_ms, block_ms = memory.orders_read_ms or 0, self.model.balances().block_time_ms
        could = dict.fromkeys(Side, Size.of(0))
        for order_id, order in self._orders.items():
            if order_id not in self._posted_by or order.expiry_s * 1000 <= block_ms:
                continue
            row = self.model.rows.get(order_id)
            hidden = row is None or self._arrived_ms.get(order_id, 0) >= read_ms
            if order_id in self._unknowable and hidden:
                continue
            could[order.side] += order.size if row is None else row.left
        for side, most in could.items():
            said = outstanding(memory.signatures, side)
            if most > said:
                self.fail(Claim.LIABILITY, f"{side.value}: {said} said, {most} can execute")

    def conflict_told(self, nonce: int) -> None:
        """The process was answered 409 at its first sending of that nonce."""
        self._conflicts.add(nonce)

    def check_settled(self, decisions: Iterable[Decision]) -> None:
        seen = tuple(decisions)
        held = any(decision.plan.held for decision in seen)
        for decision in seen:
            for text in limits.unsettled(decision, held=held):
                self.fail(Claim.CONVERGES, text)

    def check_quiet(self, unmanaged: int) -> None:
        """A world in which nothing ever happened: one pass places the ladder. With unmanaged
        orders more: they are the touch until they are gone, and a blink may turn a cancel away."""
        at_most = 1 if not unmanaged else 4
        if self.sending_cycles > at_most:
            self.fail(Claim.CONVERGES, f"{self.sending_cycles} cycles sent something")


def _due(row: Row, now_ms: int, life_ms: int) -> bool:
    """Whether the bot may have cancelled it as a renewal: its life began when it was signed, which
    may be long before the exchange had it."""
    return 3 * (row.expiry_ms - now_ms) <= life_ms + 3_000

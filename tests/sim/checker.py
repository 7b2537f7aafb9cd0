"""What must hold at every step of a run, judged from the model's truth and undistorted reads.

Hears of everything; `claims.py` has what is claimed. A row is *excused* where the running process
could not know of it: its request was sent by a process that had died and whose state file does not
name it, and it arrived later.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from mm_bot.acting import FENCE_MS
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import Price
from mm_bot.core.fills import FillTotals
from mm_bot.core.memory import Memory
from mm_bot.core.orders import Ownership
from mm_bot.core.policy import Policy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import Observation, OwnOrders
from tests.sim import limits, sources, telling
from tests.sim.books import Books, Pages
from tests.sim.budget import Budget
from tests.sim.claims import Claim
from tests.sim.model import US, Model, Row
from tests.sim.regimes import Reducing
from tests.sim.signed import Signed
from tests.sim.slots import Slots
from tests.sim.stopping import Stopping
from tests.sim.virtual_time import EPOCH_MS

JUST_NOW_MS = 5_000


@dataclass(slots=True)
class Checker:
    """Hears of everything; `violations` is what went wrong."""

    model: Model
    policy: Policy
    alone: bool
    truth_limits: bool
    """Whether limits hold against the chain's truth too: not where the node may freeze."""
    reducing: Reducing
    trace: bool = False
    generation: int = 0
    violations: list[tuple[Claim, str]] = field(default_factory=list)
    cycles: int = 0
    placed: int = 0
    sending_cycles: int = 0
    last: Decision | None = None
    times_posted: Counter[int] = field(default_factory=Counter)
    stopping: Stopping = field(init=False)
    books: Books = field(init=False)
    disk_refuses: Callable[[], bool] = lambda: False
    reserved: Callable[[], int] = lambda: 0
    """The nonces below it may be in use, by what is on disk."""
    skew_ms: Callable[[], int] = lambda: 0
    """Other than 0 where the machine's clock was ever set."""
    sent: Callable[[str, str], None] = lambda what, order_id: None
    """Told when a post or a cancel leaves the bot, when a post is slow and when the order table was
    looked at: the moments that matter."""
    _durable_books: Books = field(init=False)
    """What the state file must say: what was told of is on disk, unless that refused."""
    _posts: Signed = field(init=False)
    _ghosts: sources.Ghosts = field(default_factory=sources.Ghosts)
    _cancels: telling.Cancels = field(default_factory=telling.Cancels)
    _seen: Observation | None = None
    _looks: deque[tuple[OwnOrders, Pages]] = field(default_factory=lambda: deque(maxlen=1_000))
    _begun: set[int] = field(default_factory=set)
    """The processes whose start-up is over."""
    _signed: dict[int, str] = field(default_factory=dict)
    _posted_by: dict[str, int] = field(default_factory=dict)
    _inherited: set[str] = field(default_factory=set)
    _conflicts: set[int] = field(default_factory=set)
    _excused: set[str] = field(default_factory=set)
    _cancelling: set[str] = field(default_factory=set)
    _arrived_ms: dict[str, int] = field(default_factory=dict)
    _budget: Budget = field(default_factory=Budget)
    _slots: Slots = field(init=False)
    _constant: Price | None = None

    def __post_init__(self) -> None:
        self.stopping = Stopping(self.model)
        self._durable_books = self.books = Books(self.model.market)
        self._posts = Signed(self.model)
        hanging = "MM_HANGING_ORDERS" in self.policy.options
        self._slots = Slots(self.policy.quote.levels, hanging)

    def fail(self, claim: Claim, text: str) -> None:
        self.violations.append((claim, text))
        self.note(f"VIOLATION {claim.value}: {text}")

    def _fail_each(self, claim: Claim, texts: Iterable[str]) -> None:
        for text in texts:
            self.fail(claim, text)

    def note(self, text: str) -> None:
        if self.trace:
            print(f"{self._now_ms() - EPOCH_MS:>8} {text}")

    def _now_ms(self) -> int:
        return self.model.clock.now_ms()

    def started(self, memory: Memory, named: Iterable[str]) -> None:
        """A new process begins with this memory; its state file lists `named` as possibly live."""
        self.generation += 1
        self._conflicts.clear()  # what the last process was told is not in the state file
        self._inherited = set(named)
        if memory.fill_totals.cursor is None:
            self._durable_books = Books(self.model.market)
        self.books = self._durable_books.copied()
        for each in (self.stopping, self._ghosts, self._cancels, self._budget, self._slots):
            each.started()
        self.note(f"process {self.generation} starts, knows {len(memory.open_orders)} orders")

    def state_lost(self) -> None:
        self._posts.lost()

    def observing(self, generation: int) -> None:
        if generation == self.generation:
            self.note("cycle begins")
            self._cancels.cycle_begins()

    def observed(self, seen: Observation, generation: int) -> None:
        if generation == self.generation:
            self._seen = seen

    def looked(self, read: OwnOrders, after: int | None, pages: Pages | None = None) -> None:
        """A read of the order table that the process is given now, or later as a frozen one, with
        the fills after that trade id; by default it showed all matches."""
        (count, first), *more = pages or ((len(self.model.matches), 0),)
        self._looks.append((read, ((count, max(first, after or 0)), *more)))
        self.sent("look", "")

    def looked_anew(self, old: OwnOrders, answer: OwnOrders) -> None:
        """What an earlier read saw answers another question."""
        pages = next(pages for look, pages in self._looks if look is old)
        self._looks.append((answer, pages))

    def signed(self, order: NewOrder, generation: int) -> None:
        if generation == self.generation and order.nonce >= self.reserved():
            self.fail(Claim.NONCE_ONCE, f"{order.nonce} signed, {self.reserved()} is on disk")
        before = self._signed.setdefault(order.nonce, str(order))
        if before != str(order):
            self.fail(Claim.NONCE_ONCE, f"{order.nonce}: {before} and {order}")
        end_ms = self.model.market.expiry_ms
        if end_ms is not None and order.expiry_s * 1000 > end_ms:
            self.fail(Claim.LIFE, f"{order.order_id} outlives its market")

    def posted(self, signed: PreparedOrder, generation: int) -> None:
        order = signed.order
        self.placed += 1
        self._posted_by.setdefault(order.order_id, generation)
        self._posts.posted(order)
        self.reducing.posted(order)
        if generation != self.generation:
            self._posts.lost()  # the standby learns of it by its row
        lost_ms = self._now_ms() - self.model.lock_lost_ms
        if generation != self.model.writer and lost_ms > FENCE_MS:
            self.fail(Claim.ONE_WRITER, f"{order.order_id} sent {lost_ms} ms after the lock went")
        self.times_posted[order.nonce] += 1
        self.note(f"post {order.order_id} {order.price} x {order.size}")
        if self.stopping.killed_ms is not None and generation == self.generation:
            self.fail(Claim.KILL_SWITCH, f"{order.order_id} posted while it is on")
        self.sent("post", order.order_id)

    def answered(self, order: NewOrder, outcome: Outcome, generation: int) -> None:
        """The process hears what became of its post."""
        if outcome.conflict and self.times_posted[order.nonce] == 1:
            self._conflicts.add(order.nonce)
        refused = outcome.verdict is Verdict.REFUSED or outcome.conflict
        if not refused and generation == self.generation:
            self.stopping.answered(order.order_id)

    def cancelling(self, order_id: str, nonce: int, reason: str, generation: int) -> None:
        """An id may be cancelled where it is ours, managed, and the holder of its nonce."""
        self.note(f"cancel {order_id} {reason}")
        self._budget.sent(order_id, self._now_ms())
        self.stopping.asked(order_id)
        self.sent("cancel", order_id)
        self._cancelling.add(order_id)
        row = self.model.rows.get(self.model.nonces.get((US, nonce), ""))
        if row is None:
            if nonce not in self._signed:
                self.fail(Claim.NOT_OURS, f"{order_id} was never sent")
            return
        if row.order_id != order_id and nonce not in self._conflicts:
            return  # the answer that tells it is still under way or was lost
        ownership = self.model.ownership(row)
        if row.order_id != order_id or ownership is Ownership.PROTECTED:
            self.fail(Claim.NOT_OURS, f"{order_id} names {row.order_id}, {ownership.value}")
        elif ownership is not Ownership.MANAGED and generation in self._begun:
            self.fail(Claim.NOT_OURS, f"{order_id}, {ownership.value}, after start-up")

    def cancelled(self, order_id: str, outcome: Outcome, generation: int) -> None:
        self.note(f"     answered {order_id} {outcome.verdict.value}")
        if outcome.verdict is Verdict.ACCEPTED and generation == self.generation:
            self._cancels.acknowledged(order_id)

    def changed(self, what: str, row: Row) -> None:
        self.note(f"     {what} {row.order_id} {row.side.value} {row.price} left {row.left}")
        if row.owner != US or what != "accepted" or self.generation == 0:
            return
        self._arrived_ms[row.order_id] = self._now_ms()
        before = self._posted_by.get(row.order_id, 0) < self.generation
        if before and row.order_id not in self._inherited:
            self._excused.add(row.order_id)
            return
        live = [r for r in self._live() if r.expiry_ms > self._now_ms()]
        same = [r for r in live if r.side is row.side and self._managed(r)]
        if self.policy.reconcile.together:  # its successor comes with its cancel
            same = [r for r in same if r.order_id not in self._cancelling]
        self._fail_each(Claim.ONE_PER_SLOT, self._slots.accepted(same))
        for other in live:
            if other.side is not row.side and row.side.reaches(row.price, other.price):
                self.fail(Claim.NOT_CROSSED, f"{row.order_id} meets {other.order_id}")
        same_side = [r for r in live if r.side is row.side]
        if self.truth_limits and self.generation in self._begun:
            self._check_limits(row, same_side)

    def _check_limits(self, row: Row, same_side: list[Row]) -> None:
        """What every live order of a side would lead to."""
        model, policy = self.model, self.policy
        hidden = model.settling + self._lately_filled_unknown() + model.unseen(row.side)
        if row.order_id in self.reducing.ids:
            found = limits.reduction_faults(model, row, same_side, policy, hidden)
            self._fail_each(Claim.REDUCES, found)
        else:
            found = limits.inventory_faults(model, same_side, row.side, policy, hidden)
            self._fail_each(Claim.LIMITS, found)

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
        """Called often: a bound of time needs no event to be broken."""
        stopping = self.stopping
        if stopping.killed_ms is None and stopping.halted_ms is None:
            return
        self._fail_each(Claim.KILL_SWITCH, stopping.slow())
        for row in filter(self._managed, self.model.live(US)):
            if row.order_id in self.model.held | self.model.stuck:
                self._arrived_ms[row.order_id] = self._now_ms()  # no cancel of it can succeed
            else:
                arrived_ms = self._arrived_ms.get(row.order_id, 0)
                self._fail_each(Claim.KILL_SWITCH, stopping.late(row, arrived_ms))

    def cycle(self, decision: Decision, report: Report, memory: Memory) -> None:
        seen = self._seen
        assert seen is not None
        self.cycles += 1
        self.sending_cycles += not decision.plan.quiet
        self.last = decision
        self.stopping.decided(decision)
        halts = [halt.reason.value for halt in decision.halts]
        gaps = [f"{m.side.value}{m.index}:{m.reason.value}" for m in decision.missing]
        self.note(
            f"cycle ref {decision.reference.price} {decision.reference.source.value} "
            f"kept {len(decision.plan.kept)} held {len(decision.plan.held)} {gaps} {halts}"
        )
        policy, market = self.policy, self.model.market
        self._fail_each(Claim.ONE_PER_SLOT, self._slots.cycle(decision, report))
        self._fail_each(Claim.PASSIVE, limits.passive_faults(decision, seen))
        self._fail_each(Claim.LIMITS, limits.plan_faults(decision, seen, policy, market))
        self._fail_each(Claim.LIMITS, limits.filled_meanwhile(decision, report))
        self._fail_each(Claim.FRESH, sources.stale_faults(decision, seen, policy))
        self._fail_each(Claim.FRESH, sources.unguarded(decision, policy))
        self._fail_each(Claim.FRESH, self._ghosts.faults(decision, seen, policy))
        if self.skew_ms() == 0:
            self._fail_each(Claim.LIFE, telling.old_orders(decision, seen, market))
        self._fail_each(Claim.TOLD, telling.untold(decision, policy))
        self._fail_each(Claim.TOLD, self._cancels.faults(decision))
        if self.skew_ms() == 0:  # else what it takes for a renewal is not one by the true time
            self._fail_each(Claim.BUDGET, self._budget.faults(report, self.policy, self.model))
        self._check_fills(memory, seen)
        if not self.disk_refuses():
            self._durable_books = self.books.copied()
        self._fail_each(Claim.LIABILITY, self._posts.faults(memory))
        price = decision.reference.price
        if self.alone and price is not None and self.skew_ms() == 0:
            self._constant = self._constant or price
            if price != self._constant:
                self.fail(Claim.OWN_FREE, f"moved from {self._constant} to {price}")
        if not memory.startup:
            self._begun.add(self.generation)

    def _check_fills(self, memory: Memory, seen: Observation) -> None:
        books, read = self.books, seen.orders.value
        if books.baseline is None:
            books.baseline = memory.fill_totals.cursor
        elif read is not None and seen.lock_held:
            pages = next(pages for look, pages in self._looks if look is read)
            books.follow(self.model.matches, pages, memory.fill_totals.cursor or 0)
            self._fail_each(Claim.FILLS_ONCE, books.faults(memory.fill_totals, self.model))

    def check_settled(self, decisions: Iterable[Decision]) -> None:
        seen = tuple(decisions)
        self._fail_each(Claim.FILLS_ONCE, self.books.missed(self.model))
        held = any(decision.plan.held for decision in seen)
        for decision in seen:
            self._fail_each(Claim.CONVERGES, limits.unsettled(decision, held=held))

    def stepped(self, step_ms: int) -> None:
        """The process followed its machine's clock by so much."""
        self._ghosts.stepped(step_ms)

    def check_reverted(self, totals: FillTotals) -> None:
        """Long after, what reverted is out of the books, where one process saw all of it."""
        if self.generation > 1:
            return
        for order_id, steps in self.books.to_take_out(self.model.matches):
            out = totals.reverted.get(order_id, 0)
            if out != steps:
                self.fail(Claim.FILLS_ONCE, f"{order_id}: {steps} reverted, {out} taken out")

    def check_quiet(self, unmanaged: int) -> None:
        """A world in which nothing ever happened: one pass places the ladder. With unmanaged
        orders more: they are the touch until they are gone, and a blink may turn a cancel away."""
        at_most = 1 if not unmanaged else 4
        if self.sending_cycles > at_most:
            self.fail(Claim.CONVERGES, f"{self.sending_cycles} cycles sent something")

"""The row of a fill that commits late, or never: counted once, or a halt with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_bot.core.commands import Watch
from mm_bot.core.decide import Decision
from mm_bot.core.exact import Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.liability import Signature, audit
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderStatus, Ownership
from mm_bot.core.remember import Report, remember
from mm_bot.core.risk import HaltReason
from mm_bot.core.settlement import DISAGREES_AFTER_MS
from mm_bot.core.snapshot import Fill
from mm_bot.core.watching import fills_after, watch
from mm_bot.host.persistence import first_memory, to_state
from tests.core.builders import NOW_MS, fill, open_order, own_orders, row, snapshot
from tests.core.decisions import decided

STEP_MS = 5_000
FIRST = fill(101, Side.BUY, "1600", "40")
SECOND = fill(102, Side.BUY, "1600", "60")
ORDER_ID = FIRST.order_id
MANAGED, PROTECTED = Ownership.MANAGED, Ownership.PROTECTED
ASK = row(Side.SELL, "1604", nonce=2, life_ms=10_000_000)
BEGUN = Memory(
    started_ms=NOW_MS,
    startup=False,
    signatures_known=True,
    fill_totals=FillTotals(cursor=100),
    open_orders=(open_order(Side.BUY, "1600", nonce=1),),
)


@dataclass(slots=True, kw_only=True)
class World:
    """A bid for 100 that is filled by two trades at once; the rows of other people's trades go on
    beside. Each of ours commits late, its order's row with it or before it."""

    late_ms: Sequence[int]
    row_first: bool
    life_ms: int = 10_000_000
    memory: Memory = BEGUN
    order_id: str = ORDER_ID
    at_ms: int = 0
    asked: list[Watch] = field(default_factory=list)

    def cycle(self) -> Decision:
        """One look, and what is remembered of it."""
        wanted = watch(
            self.memory.open_orders,
            self.memory.settlements,
            audit(self.memory.signatures, self.at_ms // STEP_MS),
            fills_after=fills_after(self.memory),
            first=not self.memory.signatures_known,
        )
        self.asked.append(wanted)
        assert wanted.fills_after is not None
        rows = [
            replace(each, order_id=self.order_id)
            for each, late_ms in zip((FIRST, SECOND), self.late_ms, strict=True)
            if self.at_ms >= late_ms
        ]
        filled = 160_000 if self.row_first else sum(each.steps for each in rows)
        left = Size.of(100 - filled // 1_600)
        bid = replace(
            row(Side.BUY, "1600", nonce=1, life_ms=self.life_ms),
            order_id=self.order_id,
            size=left,
            filled_steps=filled,
            lot=Size.of("0.000625"),
            ownership=MANAGED if self.order_id == ORDER_ID else PROTECTED,
            status=OrderStatus.ACTIVE if left else OrderStatus.FILLED,
        )
        made = snapshot(
            own_orders(
                ASK,
                *([bid] if bid.live or self.order_id in wanted.order_ids else []),
                fills=tuple(each for each in rows if each.trade_id > wanted.fills_after),
                newest_trade_id=103 + self.at_ms // STEP_MS,
            ),
            now_ms=NOW_MS + self.at_ms,
        )
        held = made.venue.balances
        assert held.value is not None
        counts = {order_id: filled for order_id, _ in wanted.settling if order_id == self.order_id}
        part = replace(held, value=replace(held.value, settled=counts))
        seen = replace(made, venue=replace(made.venue, balances=part))
        decision = decided(seen, self.memory)
        self.memory = remember(self.memory, decision, Report(), dry_run=False)
        self.at_ms += STEP_MS
        return decision

    def restart(self) -> None:
        self.memory = first_memory(to_state(self.memory), NOW_MS + self.at_ms)

    @property
    def counted(self) -> tuple[int, str]:
        totals = self.memory.fill_totals
        return totals.buys, str(totals.position)


@pytest.mark.parametrize("row_first", [True, False], ids=["row first", "together"])
@pytest.mark.parametrize("larger", [True, False], ids=["larger", "smaller"])
@pytest.mark.parametrize("late_ms", [50_000, 130_000, 700_000])
def test_a_row_that_commits_late_is_counted_once(
    late_ms: int, larger: bool, row_first: bool
) -> None:
    """One of two fills commits minutes after the other, under a lower id than others have by then:
    each is counted, once, and then nothing is looked for behind the cursor any more. The one that
    was counted before would fit into what is owed where it is the smaller one."""
    world = World(late_ms=(0, late_ms) if larger else (late_ms, 0), row_first=row_first)
    while world.at_ms <= late_ms + 200_000:
        world.cycle()
    assert world.counted == (2, "100")
    assert world.memory.fill_totals.position == world.memory.fill_totals.bought
    assert fills_after(world.memory) == world.memory.fill_totals.cursor


@settings(max_examples=12)
@given(
    st.tuples(st.integers(0, 300_000), st.integers(0, 300_000)),
    st.booleans(),
    st.sets(st.integers(0, 70), max_size=4),
)
def test_no_restart_counts_one_twice(
    late_ms: tuple[int, int], row_first: bool, restarts: set[int]
) -> None:
    """However late both are and whenever the process dies and goes on with its file: in the end
    each fill is in the books, once."""
    world = World(late_ms=late_ms, row_first=row_first)
    for turn in range(80):
        if turn in restarts:
            world.restart()
        world.cycle()
        assert world.memory.fill_totals.buys <= 2
    assert world.counted == (2, "100")


@pytest.mark.parametrize("restarts", [False, True])
def test_a_late_fill_of_an_order_placed_by_hand_is_counted_once(restarts: bool) -> None:
    """Nobody but the books asks for its row once it has ended: what was matching for minutes, over
    a restart too, is counted like a fill of ours, and then it is forgotten."""
    began = replace(BEGUN, open_orders=())
    world = World(late_ms=(150_000, 150_000), row_first=False, memory=began, order_id="manual:1")
    while world.at_ms <= 400_000:
        if restarts and world.at_ms == 100_000:
            world.restart()
        world.cycle()
    assert world.counted == (2, "100")
    assert not world.memory.settlements


def test_a_row_that_never_comes_halts_with_its_numbers() -> None:
    """Ten minutes after the order's row told of it the fill counts as lost: a halt that names the
    order, what its row says, what was counted and what the chain has; it ends with the row. A
    restart neither puts it off nor ends it."""
    world = World(late_ms=(2 * DISAGREES_AFTER_MS, 0), row_first=True)
    halted_at = []
    while world.at_ms < 2 * DISAGREES_AFTER_MS:
        if world.at_ms in (DISAGREES_AFTER_MS // 2, DISAGREES_AFTER_MS * 3 // 2):
            world.restart()
        for halt in world.cycle().halts:
            assert halt.reason is HaltReason.FILLS_DISAGREE
            halted_at.append(world.at_ms)
            assert dict(halt.numbers) == {
                "order_id": ORDER_ID,
                "orders": "1",
                "filled_steps": "160000",
                "counted_steps": "96000",
                "on_chain_steps": "160000",
            }
    assert DISAGREES_AFTER_MS < halted_at[0] < DISAGREES_AFTER_MS + 5 * STEP_MS
    assert halted_at == [*range(halted_at[0], 2 * DISAGREES_AFTER_MS + 1, STEP_MS)]
    world.restart()
    first = world.cycle()
    assert (first.fill_totals.position, first.halts) == (Size.of(100), ())
    assert world.counted == (2, "100")


def test_what_the_chain_executed_behind_the_table_is_found() -> None:
    """A refused order has no row, and whoever has its bytes may execute it: the chain is asked
    about a few signatures in each cycle, all of them in turns, and what it counts is a halt."""
    ids = [str(open_order(Side.BUY, "1600", nonce=n).order_id) for n in range(2, 13)]
    signed = Signature(
        side=Side.BUY,
        left=Size.of(10),
        notional=open_order(Side.BUY, "1600", "10").notional,
        expiry_ms=NOW_MS + 10_000_000,
    )
    memory = replace(BEGUN, open_orders=(), signatures=dict.fromkeys(ids, signed))
    asked = {order_id for turn in range(4) for order_id in audit(memory.signatures, turn)}
    assert asked == set(ids)
    halts: list[HaltReason] = []
    for at_ms in range(0, DISAGREES_AFTER_MS + 20_000, 10_000):
        made = snapshot(own_orders(ASK), now_ms=NOW_MS + at_ms)
        held = made.venue.balances
        assert held.value is not None
        part = replace(held, value=replace(held.value, settled={ids[3]: 16_000}))
        decision = decided(
            replace(made, venue=replace(made.venue, balances=part)),
            memory,
        )
        memory = remember(memory, decision, Report(), dry_run=False)
        halts = [halt.reason for halt in decision.halts]
    assert halts == [HaltReason.FILLS_DISAGREE]


def test_a_signature_of_another_fill_is_not_owed() -> None:
    """A row behind the cursor that its order does not lack is not counted, whoever shows it."""
    world = World(late_ms=(0, 0), row_first=False)
    while world.at_ms < 200_000:
        world.cycle()
    old: tuple[Fill, ...] = (FIRST, replace(SECOND, trade_id=99))
    again = decided(snapshot(own_orders(ASK, fills=old), now_ms=NOW_MS + world.at_ms), world.memory)
    assert again.fill_totals.buys == 2

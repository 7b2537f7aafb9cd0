"""Claims about nonces: nobody meets, nothing repeats, the disk comes first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.instrument import Side
from mm_bot.errors import EdgeError
from mm_bot.host.nonces import (
    LANES,
    STEPS_PER_MS,
    NonceBlocks,
    first_step,
    lane_of,
    nonce_of,
)

NOW_MS = 1_795_264_180_000
SPOT = lane_of(10, "USDCcNGN-SPOT")
FUTURE = lane_of(10, "USDCcNGN-APR30-2026")


@dataclass
class MemoryStore:
    """A NonceStore that remembers, and refuses while `broken`."""

    reserved: int = 0
    broken: bool = False
    waits: bool = False
    writes: int = 0
    noted: list[tuple[Side, int]] = field(default_factory=list)

    def nonce_floor(self) -> int:
        return self.reserved

    async def reserve_nonces(self, until: int) -> None:
        if self.waits:
            await asyncio.sleep(0)
        if self.broken:
            raise EdgeError("state file", "no space left on device")
        self.writes += 1
        self.reserved = max(self.reserved, until)

    def note_nonce(self, side: Side, nonce: int) -> None:
        assert nonce < self.reserved, "used before it was reserved"
        self.noted.append((side, nonce))


async def take_many(blocks: NonceBlocks, count: int) -> list[int]:
    return [await blocks.take(Side.BUY if i % 2 else Side.SELL) for i in range(count)]


def run_life(
    store: MemoryStore, count: int, *, now_ms: int = NOW_MS, highest: int = 0, lane: int = SPOT
) -> list[int]:
    """One life of a process: opened, used, ended without a word."""

    async def life() -> list[int]:
        blocks = NonceBlocks(store, lane=lane, block_size=8)
        await blocks.open(now_ms, highest)
        nonces = await take_many(blocks, count)
        await blocks.close()
        return nonces

    return asyncio.run(life())


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 40), st.integers(-5, 5), st.booleans()),
        max_size=8,
    )
)
def test_two_processes_never_meet(lives: list[tuple[bool, int, int, bool]]) -> None:
    """Two markets of one owner, started in any order at about the same moment, with and without
    their files, each seeing the other's nonces or not, never allocate the same number."""
    stores = {True: MemoryStore(), False: MemoryStore()}
    used: dict[bool, set[int]] = {True: set(), False: set()}
    for which, count, drift_ms, keeps_file in lives:
        if not keeps_file:
            stores[which] = MemoryStore()
        lane = SPOT if which else FUTURE
        highest = max(used[True] | used[False], default=0) if drift_ms % 2 else 0
        nonces = run_life(
            stores[which], count, now_ms=NOW_MS + drift_ms, highest=highest, lane=lane
        )
        used[which].update(nonces)
    assert not used[True] & used[False]


@given(st.integers(0, LANES - 1), st.integers(0, LANES - 1), st.integers(0, 2**60))
def test_a_nonce_tells_its_lane(one: int, other: int, step: int) -> None:
    """Numbers of different lanes differ whatever their steps, since the lane is their remainder."""
    assert nonce_of(step, one) % LANES == one
    assert (nonce_of(step, one) == nonce_of(step, other)) == (one == other)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-10_000, 10_000)), max_size=8))
def test_restarts_with_the_file_always_go_up(lives: list[tuple[int, int]]) -> None:
    """With its file, a process only ever goes up over restarts, even when the clock is set back
    and Postgres knows nothing."""
    store, seen = MemoryStore(), [0]
    for count, drift_ms in lives:
        nonces = run_life(store, count, now_ms=NOW_MS + drift_ms)
        assert [*seen[-1:], *nonces] == sorted({*seen[-1:], *nonces})
        seen.extend(nonces)


@given(st.lists(st.integers(0, 40), max_size=8))
def test_restarts_without_the_file_go_up_by_postgres(counts: list[int]) -> None:
    """Without its file, a process goes on above the highest nonce that Postgres knows, even within
    the same millisecond."""
    highest = 0
    for count in counts:
        nonces = run_life(MemoryStore(), count, highest=highest)
        assert all(nonce > highest for nonce in nonces)
        highest = max([highest, *nonces])


@given(st.integers(1, 10**6), st.integers(0, 4_000))
def test_a_slow_process_that_lost_everything_goes_up_by_the_clock(
    lived_ms: int, per_second: int
) -> None:
    """With file and Postgres both lost, the clock alone starts above all that was used, as long as
    fewer than 4,000 a second were."""
    start = first_step(NOW_MS, 0, 0)
    last_used = start + lived_ms * per_second // 1_000 - 1
    assert first_step(NOW_MS + lived_ms, 0, 0) > last_used


@given(
    st.integers(0, 2**42), st.integers(0, 2**200), st.integers(0, 2**200), st.integers(0, LANES - 1)
)
def test_the_first_nonce_is_above_everything_known(
    now_ms: int, reserved: int, highest: int, lane: int
) -> None:
    """The first nonce is above the clock in microseconds x 2, above the highest of the owner, and
    not below what was reserved."""
    nonce = nonce_of(first_step(now_ms, reserved, highest), lane)
    assert nonce > (now_ms * 1_000 + 999) * 2
    assert nonce > highest
    assert nonce >= reserved


def test_numbers_stay_below_63_bits_for_eighty_years() -> None:
    """A full-speed process of the year 2100 still counts below 2**63."""
    year_2100_ms = 4_102_444_800_000
    assert nonce_of(year_2100_ms * STEPS_PER_MS + 10**6, LANES - 1) < 2**63


def test_lanes_are_the_same_on_every_machine() -> None:
    """A lane is a fixed function of subaccount and market, and neighbours do not share one."""
    assert SPOT == 319_270, "changing lanes makes running owners meet"
    markets = [f"USDCcNGN-{name}" for name in ("SPOT", "APR30-2026", "NOV30-2026", "DEC30-2026")]
    lanes = {lane_of(subaccount, market) for subaccount in range(20) for market in markets}
    assert len(lanes) == 80


def test_nothing_is_handed_out_unless_it_is_durable() -> None:
    """With a broken disk no number comes out beyond the reserved block, the fault is told, and a
    repaired disk is enough to go on."""

    async def scenario() -> None:
        store = MemoryStore()
        blocks = NonceBlocks(store, lane=SPOT, block_size=8)
        await blocks.open(NOW_MS)
        store.broken = True
        nonces = await take_many(blocks, 8)
        for _ in range(3):
            with pytest.raises(EdgeError, match="no space left"):
                await blocks.take(Side.BUY)
        store.broken = False
        nonces += await take_many(blocks, 20)
        assert nonces == sorted(set(nonces))
        assert max(nonces) < store.reserved
        await blocks.close()

    asyncio.run(scenario())


def test_a_block_that_cannot_be_reserved_fails_the_start() -> None:
    """With a broken disk there is no first number."""
    store = MemoryStore(broken=True)
    with pytest.raises(EdgeError):
        run_life(store, 1)


def test_the_next_block_is_reserved_ahead() -> None:
    """Whoever takes at the pace of the disk never waits: the next block is there before the
    current one ends."""

    async def scenario() -> None:
        store = MemoryStore()
        blocks = NonceBlocks(store, lane=SPOT, block_size=8)
        await blocks.open(NOW_MS)
        for _ in range(100):
            taking = blocks.take(Side.BUY)
            with pytest.raises(StopIteration):
                taking.send(None)  # done at the first step: nothing was waited for
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert store.writes < 30
        await blocks.close()

    asyncio.run(scenario())


def test_takers_at_the_same_time_share_one_reservation() -> None:
    """Many waiting at once get different numbers, and the disk is asked once for a block."""

    async def scenario() -> None:
        store = MemoryStore(waits=True)
        blocks = NonceBlocks(store, lane=SPOT, block_size=4)
        await blocks.open(NOW_MS)
        nonces = await asyncio.gather(*(blocks.take(Side.SELL) for _ in range(50)))
        assert len(set(nonces)) == 50
        assert store.writes <= 1 + 50 // 4 + 2
        await blocks.close()

    asyncio.run(scenario())

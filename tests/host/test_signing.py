"""What a crash may forget of what was signed is allowed on disk before it leaves us."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from mm_bot.core.commands import NewOrder
from mm_bot.core.exact import NO_SIZE, Size
from mm_bot.core.instrument import Side
from mm_bot.core.liability import outstanding
from mm_bot.core.memory import Memory
from mm_bot.core.remember import with_signed
from mm_bot.errors import EdgeError
from mm_bot.host.disk import Disk
from mm_bot.host.persistence import MemoryStore, first_memory, to_state
from mm_bot.host.persistent import StateIdentity
from mm_bot.host.saved import LISTED
from mm_bot.host.state_file import PROBE_BYTES, StateFile
from mm_bot.host.state_text import encode
from tests.core.builders import NOW_MS, SPOT, level

WHO = StateIdentity(chain_id=1, owner="0xaa", market="USDCcNGN-SPOT", subaccount_id=1)
LIFE_S = 300
EMPTY = Memory(started_ms=NOW_MS)


def order(nonce: int, size: str = "10", side: Side = Side.BUY, now_ms: int = NOW_MS) -> NewOrder:
    wanted = level(side, "1600", size)
    return NewOrder(
        order_id=f"mm:{SPOT.symbol}:{side.value}:{nonce}",
        side=side,
        price=wanted.price,
        size=wanted.size,
        notional=wanted.notional,
        nonce=nonce,
        expiry_s=now_ms // 1000 + LIFE_S,
    )


class Counting(Disk):
    """Counts writes; refuses them where told to."""

    def __init__(self) -> None:
        self.writes = 0
        self.refuses = False

    def write(self, path: Path, content: bytes) -> None:
        if self.refuses:
            raise OSError(28, "No space left on device")
        self.writes += 1
        super().write(path, content)


def crashed(folder: Path, now_ms: int = NOW_MS) -> Memory:
    """What the next process knows, from the bytes that are on disk at this moment."""
    return first_memory(StateFile(folder / "state", WHO).load(now_ms).state, now_ms)


def test_nine_refused_orders_count_after_a_crash(tmp_path: Path) -> None:
    """Signed, answered 400, and then kill -9 before any cycle ended: the next process says at least
    all nine, until they expire."""

    async def life() -> None:
        store = MemoryStore(StateFile(tmp_path / "state", WHO), EMPTY)
        for nonce in range(9):
            await store.signing(order(nonce))
            said = outstanding(crashed(tmp_path).signatures, Side.BUY)
            assert said >= Size.of(10 * (nonce + 1)), nonce  # at every moment, not at the end alone

    asyncio.run(life())
    known = crashed(tmp_path).signatures
    assert outstanding(known, Side.SELL) == NO_SIZE
    assert all(s.expiry_ms >= order(1).expiry_s * 1000 for s in known.values())


def test_what_a_cycle_remembered_is_listed_and_allows_no_more(tmp_path: Path) -> None:
    """After a clean end the next process says exactly what was signed."""

    async def life() -> None:
        file = StateFile(tmp_path / "state", WHO)
        store = MemoryStore(file, EMPTY)
        signed = [order(1), order(2, side=Side.SELL)]
        for each in signed:
            await store.signing(each)
        await store.save(with_signed(EMPTY, signed))
        store.close()
        await file.flush()

    asyncio.run(life())
    known = crashed(tmp_path).signatures
    assert {side: outstanding(known, side) for side in Side} == dict.fromkeys(Side, Size.of(10))


def test_few_orders_wait_for_the_disk(tmp_path: Path) -> None:
    """Orders of a steady size, each remembered by its cycle, need a write of their own only where
    the last allowance has too early an expiry: once a minute."""
    disk = Counting()

    async def life() -> int:
        file = StateFile(tmp_path / "state", WHO, disk=disk)
        memory = EMPTY
        store = MemoryStore(file, memory)
        waited = 0
        for nonce in range(240):
            each = order(nonce, now_ms=NOW_MS + nonce * 1_000)
            before = disk.writes
            await store.signing(each)
            waited += disk.writes - before
            memory = with_signed(memory, [each])
            await store.save(memory)
            await file.flush()
        return waited

    assert asyncio.run(life()) <= 5


def test_nothing_is_signed_where_the_disk_refuses(tmp_path: Path) -> None:
    """An order that no write covers must not leave: its signing raises, and works once the disk
    does."""
    disk = Counting()

    async def life() -> None:
        store = MemoryStore(StateFile(tmp_path / "state", WHO, disk=disk), EMPTY)
        disk.refuses = True
        with pytest.raises(EdgeError, match="No space left"):
            await store.signing(order(1))
        disk.refuses = False
        await store.signing(order(1))

    asyncio.run(life())
    assert outstanding(crashed(tmp_path).signatures, Side.BUY) >= Size.of(10)


def test_very_many_signatures_are_listed_as_sums() -> None:
    """The state file stays small however many orders were refused, and says no less."""
    many = [order(n, side=side) for n in range(LISTED) for side in Side]
    late = [replace(each, expiry_s=each.expiry_s + each.nonce) for each in many]
    memory = with_signed(EMPTY, late)
    state = to_state(memory)
    assert len(encode(state, WHO)) < PROBE_BYTES
    again = first_memory(state, NOW_MS)
    for side in Side:
        assert outstanding(again.signatures, side) == outstanding(memory.signatures, side)
    third = first_memory(to_state(with_signed(again, [order(7_777)])), NOW_MS)
    assert outstanding(third.signatures, Side.BUY) == Size.of(10 * (LISTED + 1))


def test_what_several_crashes_in_a_row_may_have_signed_adds_up(tmp_path: Path) -> None:
    """Each process signs 10 and dies before anything of it is listed; all of it expires together,
    as on a future that ends, so that what each was allowed looks alike."""

    async def signed_and_died(nonce: int) -> None:
        state_file = StateFile(tmp_path / "state", WHO)
        memory = first_memory(state_file.load(NOW_MS).state, NOW_MS)
        await MemoryStore(state_file, memory).signing(order(nonce))

    for number in range(1, 5):
        asyncio.run(signed_and_died(number))
        told = outstanding(crashed(tmp_path).signatures, Side.BUY)
        assert told >= Size.of(10 * number)


def test_sums_of_one_name_add_up() -> None:
    """Two lists of sums of equally many signatures, one made of a state that has the other."""
    memory = with_signed(EMPTY, [order(number) for number in range(LISTED + 5)])
    state = to_state(memory)
    twice = replace(state, signed_orders=(*state.signed_orders, state.signed_orders[-1]))
    more = state.signed_orders[-1].size
    said = outstanding(first_memory(twice, NOW_MS).signatures, Side.BUY)
    assert said == outstanding(memory.signatures, Side.BUY) + Size(more)

"""Claims about writing the state: whole or not at all, latest wins, never backwards."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mm_bot.core.instrument import Side
from mm_bot.errors import EdgeError
from mm_bot.host.nonces import NonceBlocks, lane_of
from mm_bot.host.persistent import PersistentState, StateIdentity
from mm_bot.host.state_file import StateFile
from mm_bot.host.state_text import encode
from tests.host.state_helpers import FULL, OURS, CountingDisk, DyingDisk, store


@pytest.mark.parametrize("step", ["sync", "rename", "sync_folder"])
def test_a_failure_at_any_step_leaves_a_whole_file(tmp_path: Path, step: str) -> None:
    """Whatever step of a write fails, the file holds the old state or the new one, and who waits
    for the disk is told."""
    path = tmp_path / "state.json"
    before = PersistentState(fills_cursor=1)
    store(path, before)
    with pytest.raises(EdgeError, match="No space left"):
        store(path, FULL, DyingDisk(step))
    assert StateFile(path, OURS).load(1).state in (before, FULL)


def test_a_repaired_disk_is_enough(tmp_path: Path) -> None:
    """After a failed write the problem is told, the next save writes the latest state, and the
    problem is gone."""

    async def scenario() -> None:
        disk = DyingDisk("rename")
        file = StateFile(tmp_path / "state.json", OURS, disk=disk)
        file.save(FULL)
        with pytest.raises(EdgeError):
            await file.flush()
        assert file.problem is not None
        disk.step = ""
        file.save(FULL)
        await file.flush()
        assert file.problem is None

    asyncio.run(scenario())
    assert StateFile(tmp_path / "state.json", OURS).load(1).state == FULL


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from mm_bot.host.persistent import PersistentState, StateIdentity
from mm_bot.host.state_file import Disk, StateFile

class KillingDisk(Disk):
    def die(self, step):
        if sys.argv[2] == step:
            os.kill(os.getpid(), signal.SIGKILL)
    def sync(self, descriptor):
        self.die("before sync")
        super().sync(descriptor)
        self.die("after sync")
    def rename(self, source, target):
        super().rename(source, target)
        self.die("after rename")
    def sync_folder(self, folder):
        super().sync_folder(folder)
        self.die("after all")

async def main():
    ours = StateIdentity(chain_id=8453, owner="0x1", market="A-SPOT", subaccount_id=10)
    file = StateFile(Path(sys.argv[1]), ours, disk=KillingDisk())
    assert file.load(1).existed
    file.save(PersistentState(fills_cursor=2))
    await file.flush()

asyncio.run(main())
"""


@pytest.mark.parametrize("step", ["before sync", "after sync", "after rename", "after all"])
def test_a_killed_process_leaves_a_whole_file(tmp_path: Path, step: str) -> None:
    """A process killed between any two steps leaves the old state or the new one, and the next
    start reads it."""
    path = tmp_path / "state.json"
    ours = StateIdentity(chain_id=8453, owner="0x1", market="A-SPOT", subaccount_id=10)
    path.write_bytes(encode(PersistentState(fills_cursor=1), ours))
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path), step], check=False)
    assert ended.returncode == -signal.SIGKILL
    loaded = StateFile(path, ours).load(1)
    assert loaded.existed
    assert loaded.state.fills_cursor == (2 if step in ("after rename", "after all") else 1)
    store(path, FULL)


def test_saves_coalesce_to_the_latest(tmp_path: Path) -> None:
    """A thousand saves in a row cost a few writes, do not wait, and end with the last state."""
    disk = CountingDisk()
    path = tmp_path / "state.json"

    async def scenario() -> None:
        file = StateFile(path, OURS, disk=disk)
        began = time.monotonic()
        for cursor in range(1_000):
            file.save(PersistentState(fills_cursor=cursor))
            if cursor % 100 == 0:
                await asyncio.sleep(0)
        assert time.monotonic() - began < 5
        await file.flush()

    asyncio.run(scenario())
    assert StateFile(path, OURS).load(1).state.fills_cursor == 999
    assert disk.writes <= 4


def test_an_unchanged_state_is_not_written(tmp_path: Path) -> None:
    """A quiet bot leaves the disk alone."""
    disk = CountingDisk()

    async def scenario() -> None:
        file = StateFile(tmp_path / "state.json", OURS, disk=disk)
        for _ in range(3):
            file.save(PersistentState(fills_cursor=1))
            await file.flush()

    asyncio.run(scenario())
    assert disk.writes == 1


def test_a_reservation_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    """What `reserve_nonces` returned from is read back by another process, also while saves keep
    the writer busy."""
    path = tmp_path / "state.json"

    async def scenario() -> None:
        file = StateFile(path, OURS, disk=CountingDisk())
        busy = asyncio.create_task(save_for_ever(file))
        for until in (100, 200, 300):
            await asyncio.wait_for(file.reserve_nonces(until), 30)
            assert json.loads(path.read_text())["nonce_reserved_until"] >= until
        busy.cancel()
        await file.flush()

    async def save_for_ever(file: StateFile) -> None:
        cursor = 0
        while True:
            cursor += 1
            file.save(PersistentState(fills_cursor=cursor))
            await asyncio.sleep(0.001)

    asyncio.run(scenario())


def test_nonces_never_go_back(tmp_path: Path) -> None:
    """Saving a state that knows less of nonces does not lose what was reserved or used."""
    path = tmp_path / "state.json"

    async def scenario() -> None:
        file = StateFile(path, OURS)
        await file.reserve_nonces(500)
        file.note_nonce(Side.BUY, 41)
        file.note_nonce(Side.SELL, 42)
        file.save(PersistentState(last_halt_reason="balances stale"))
        await file.flush()

    asyncio.run(scenario())
    state = StateFile(path, OURS).load(1).state
    assert (state.nonce_reserved_until, state.next_buy_nonce, state.next_sell_nonce) == (
        500,
        42,
        43,
    )
    assert state.last_halt_reason == "balances stale"
    assert state.nonce_floor == 500


def test_nonces_go_up_over_real_restarts(tmp_path: Path) -> None:
    """With a real file, lives that end without a word never repeat a nonce, in one millisecond."""
    path = tmp_path / "state.json"

    async def life() -> list[int]:
        file = StateFile(path, OURS)
        file.load(1)
        blocks = NonceBlocks(file, lane=lane_of(10, "A-SPOT"), block_size=16)
        await blocks.open(1_795_264_180_000)
        nonces = [await blocks.take(Side.BUY) for _ in range(40)]
        await blocks.close()
        return nonces

    taken = [nonce for _ in range(5) for nonce in asyncio.run(life())]
    assert taken == sorted(set(taken))


def test_a_cancelled_waiter_cuts_nobody_off(tmp_path: Path) -> None:
    """One caller that gives up does not take the write from the others."""

    async def scenario() -> None:
        file = StateFile(tmp_path / "state.json", OURS, disk=CountingDisk())
        first = asyncio.create_task(file.reserve_nonces(10))
        second = asyncio.create_task(file.reserve_nonces(20))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert file.state.nonce_reserved_until == 20

    asyncio.run(scenario())
    assert json.loads((tmp_path / "state.json").read_text())["nonce_reserved_until"] == 20

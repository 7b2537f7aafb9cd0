"""A process, a full state of it, and disks that fail or count."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from pathlib import Path

from mm_bot.host.disk import Disk
from mm_bot.host.persistent import InventorySnapshot, LiveOrder, PersistentState, StateIdentity
from mm_bot.host.state_file import StateFile

OURS = StateIdentity(
    chain_id=8453, owner="0xAbC0000000000000000000000000000000000001", market="A-SPOT",
    subaccount_id=10,
)  # fmt: skip
FULL = PersistentState(
    nonce_reserved_until=2**70,
    next_buy_nonce=2**62 + 1,
    next_sell_nonce=2**62 + 3,
    last_submitted_bid_order_id="mm:A-SPOT:buy:1",
    last_submitted_ask_order_id="mm:A-SPOT:sell:2",
    last_adopted_bid_order_id="mm:A-SPOT:buy:1",
    last_adopted_ask_order_id=None,
    last_halt_reason="kill switch active",
    last_inventory_snapshot=InventorySnapshot(
        inventory=Decimal("-12.000000000000000001"), at_ms=1_795_264_180_000
    ),
    live_orders=(
        LiveOrder(
            order_id="mm:A-SPOT:buy:1",
            nonce=1,
            expiry_s=1_795_264_480,
            price=Decimal("1596.01"),
            size=Decimal("99.999"),
            notional=Decimal(159_600),
        ),
    ),
    books={"position": "12.5", "counts": {"buy": 3}},
    fills_cursor=77,
)


class DyingDisk(Disk):
    """Fails at one of its steps, as often as it is asked."""

    def __init__(self, step: str) -> None:
        self.step = step

    def _die(self, step: str) -> None:
        if step == self.step:
            raise OSError(28, "No space left on device")

    def sync(self, descriptor: int) -> None:
        self._die("sync")
        super().sync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._die("rename")
        super().rename(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._die("sync_folder")
        super().sync_folder(folder)


class CountingDisk(Disk):
    """Slow, and counts its writes."""

    writes = 0

    def write(self, path: Path, content: bytes) -> None:
        self.writes += 1
        time.sleep(0.02)
        super().write(path, content)


def store(path: Path, state: PersistentState, disk: Disk | None = None) -> None:
    async def scenario() -> None:
        file = StateFile(path, OURS, disk=disk)
        file.save(state)
        await file.flush()

    asyncio.run(scenario())

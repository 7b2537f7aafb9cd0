"""`Edges`: everything outside of the loop that it reads, sends by and tells, in one value.

The tests and the simulator put their own in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mm_bot.clock import LoopClock
from mm_bot.core.exact import Price
from mm_bot.ports import Anchor, KillSwitch, Nonces, Store, Telemetry
from mm_bot.venues.base import Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """The outside of the bot."""

    venue: Venue
    anchor: Anchor | None
    external: Anchor | None
    kill_switch: KillSwitch
    nonces: Nonces
    store: Store
    telemetry: Telemetry
    clock: LoopClock
    hear_local: Callable[[Price | None, int], None] = lambda price, now_ms: None
    """Told each cycle's local price and time: a witness where an outside source jumps."""

"""What the loop needs of the world, as protocols; `app` plugs the real things in.

The simulator in `tests/sim` plugs in a model exchange and a virtual clock instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mm_bot.core.commands import NewOrder
from mm_bot.core.decide import Decision
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import AnchorQuote


class Anchor(Protocol):
    def latest(self) -> AnchorQuote: ...


class KillSwitch(Protocol):
    def active(self) -> bool:
        """Looks now."""

    async def watch(self, on_change: Callable[[bool], None]) -> None:
        """Runs until cancelled and tells of every change."""


class Nonces(Protocol):
    async def take(self, side: Side) -> int:
        """A nonce never used before by this owner; raises EdgeError where the disk refuses."""


class Store(Protocol):
    @property
    def problem(self) -> str | None:
        """Why the last memory is not on disk; None where it is, or is on its way there."""

    async def signing(self, order: NewOrder) -> None:
        """Returns once no crash can forget that `order` was signed, before its bytes leave us.

        Raises:
            EdgeError: where that could not be made durable. Nothing may be sent.
        """

    async def save(self, memory: Memory) -> None:
        """Hand over what must survive; returns once fills are durable, at once for the rest. A
        disk that refuses is told by `problem` alone."""


class Telemetry(Protocol):
    """Log, metrics and status. Never raises, never waits.

    `timings_ms` has `total`, its parts, and `event_to_order` where an event woke the cycle and
    something was sent.
    """

    def cycle(
        self,
        decision: Decision,
        report: Report,
        memory: Memory,
        timings_ms: dict[str, float],
    ) -> None: ...

    def event(self, name: str, /, **fields: object) -> None: ...

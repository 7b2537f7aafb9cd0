"""What a scenario is: a function over a `Context`, and where and how it is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from integration_harness.context import Context

Kind = Literal["spot", "future"]
KINDS: Final[tuple[Kind, Kind]] = ("spot", "future")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often a scenario repeats what it repeats: in CI, and in a full run."""

    quick: int
    full: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario. It passes where `run` raises nothing and the checks after it hold."""

    name: str
    run: Callable[[Context], None]
    kinds: tuple[Kind, ...] = KINDS
    levels: tuple[int, ...] = (1, 3)
    rounds: Rounds = Rounds(quick=1, full=1)
    own_anchor: bool = False
    """It moves the reference price, so the bot must listen to the harness's anchor."""
    local_only: bool = False
    """It stops or freezes parts of the exchange."""

    @property
    def claim(self) -> str:
        """The first line of what it proves."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """On which kind of market, and with how many levels a side."""

    kind: Kind
    levels: int

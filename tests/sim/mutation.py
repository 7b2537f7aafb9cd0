"""One thing done wrong, and what a run of a seed came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Strategy
from mm_bot.venues.base import Venue
from tests.sim.broken import Break
from tests.sim.claims import Claim
from tests.sim.edge import Edge

if TYPE_CHECKING:
    from tests.sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One thing done wrong, at an edge or in the bot itself, and what it must be caught by."""

    name: str
    claim: Claim
    exchange: Callable[[Edge, World], Venue] | None = None
    world: Callable[[World], None] | None = None
    """Changes the world before it starts."""
    strategy: Callable[[Policy], Strategy] | None = None
    breaks: tuple[Break, ...] = ()
    wire: bool = False
    """Only seen below the adapter."""
    features: bool = False
    """Shows with the strategy's features alone."""
    seed: int = 0
    """Caught it when this was written: tried first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    violations: tuple[tuple[Claim, str], ...]
    cycles: int
    placed: int
    fills: int
    processes: int
    script: tuple[str, ...]
    """What went wrong in it, and what others did, in order."""
    met: frozenset[str] = frozenset()
    """What the features did, and what a process ended in."""

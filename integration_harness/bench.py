"""What scenarios begin with: the parts of the run they share, and the market as they found it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from integration_harness import checks
from integration_harness.stack.supervisor import Supervisor
from integration_harness.stack.up import LocalExchange
from integration_harness.waiting import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all scenarios of a run share."""

    supervisor: Supervisor
    limits: Limits
    exchange: LocalExchange | None
    """None on a foreign stack."""
    seed: int
    quick: bool
    """Short times instead of real ones."""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    """One for each process that is started, so that no two share a log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The market as a scenario found it."""

    trade_id: int
    bot: checks.Holdings
    taker: checks.Holdings
    orders: int
    """How many the bot's account had ever placed here."""

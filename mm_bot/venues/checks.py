"""What is looked at before anything is quoted: one list of results, for a start and for `check`.

A start is strict: the first failure is raised, as the error whose exit code it has. The command
shows all of them. What is worth a look but stops nothing is a note.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeVar

from mm_bot.core.exact import plain
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import CLOCK_SKEW_MS
from mm_bot.errors import (
    BotError,
    DeniedError,
    EdgeError,
    IdentityError,
    SettingsError,
    UnreachableError,
)

T = TypeVar("T")


class Result(Enum):
    OK = "ok"
    NOTE = "note"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at, in an area such as `node`."""

    area: str
    name: str
    result: Result
    detail: str
    code: int = 0
    """Exit code of a failure."""


class Checks:
    """What was found so far. With `strict` the first failure is raised."""

    def __init__(self, *, strict: bool = False) -> None:
        self.found: list[Check] = []
        self._strict = strict

    def ok(self, area: str, name: str, detail: str = "") -> None:
        self._add(area, name, Result.OK, detail)

    def note(self, area: str, name: str, detail: str) -> None:
        self._add(area, name, Result.NOTE, detail)

    def skipped(self, area: str, name: str, detail: str) -> None:
        self._add(area, name, Result.SKIPPED, detail)

    def wrong(self, area: str, name: str, detail: str) -> None:
        """Identity or permission: exit 3."""
        self._fail(area, name, detail, IdentityError(detail))

    def silent(self, area: str, name: str, detail: str) -> None:
        """Something does not answer: exit 4."""
        self._fail(area, name, detail, UnreachableError(detail))

    def unfit(self, area: str, name: str, faults: list[str]) -> None:
        """The settings do not fit what was found: exit 2."""
        self._fail(area, name, "; ".join(faults), SettingsError(faults))

    async def answer(
        self,
        area: str,
        name: str,
        question: Awaitable[T],
        who: str,
    ) -> T | None:
        """What an outside system says; a failure and None where it does not."""
        try:
            return await question
        except EdgeError as error:
            self.unanswered(area, name, who, error)
            return None

    def unanswered(self, area: str, name: str, who: str, error: EdgeError) -> None:
        """Exit 3 where it does not know us, else 4."""
        if isinstance(error, DeniedError):
            self.wrong(area, name, f"{who} refuses us: {error.reason}")
        else:
            self.silent(area, name, f"{who} does not answer: {error.reason}")

    def _fail(self, area: str, name: str, detail: str, error: BotError) -> None:
        if self._strict:
            raise error
        self._add(area, name, Result.FAILED, detail, error.exit_code)

    def _add(self, area: str, name: str, result: Result, detail: str, code: int = 0) -> None:
        self.found.append(Check(area=area, name=name, result=result, detail=detail, code=code))


def listed(
    checks: Checks, area: str, where: str, made: Callable[[], tuple[Instrument, Decimal]]
) -> Instrument | None:
    """Our market with the exchange's own tick, as `made` reads them of its listing; None after a
    failure: it cannot be read, or MM_PRICE_TICK does not fit that tick."""
    try:
        market, tick = made()
    except EdgeError as error:
        checks.silent(area, "our market", f"{where} lists it unreadably: {error.reason}")
        return None
    if market.price_tick.value % tick:
        fault = f"MM_PRICE_TICK is {market.price_tick}: give a multiple of {plain(tick)}"
        checks.unfit(area, "our market", [fault])
        return None
    checks.ok(area, "our market", f"{market.symbol}, {market.kind.value}")
    return market


def compare_clocks(checks: Checks, area: str, ahead_ms: int) -> None:
    """A note where a clock of the exchange, so far ahead of ours, and ours differ too much."""
    way = "ahead of" if ahead_ms > 0 else "behind"
    detail = f"{abs(ahead_ms) / 1000:.1f} s {way} ours"
    if abs(ahead_ms) > CLOCK_SKEW_MS:
        checks.note(area, "clock", f"{detail}: set both by NTP; ages and expiries compare them")
    else:
        checks.ok(area, "clock", detail)

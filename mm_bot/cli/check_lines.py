"""The lines of `check`."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from mm_bot.errors import EdgeError, UnreachableError

T = TypeVar("T")


class Result(Enum):
    OK = "ok"
    NOTE = "note"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    area: str
    check: str
    result: Result
    detail: str
    code: int = 0
    """Exit code of a failure."""


class Lines:
    """What was found so far."""

    def __init__(self) -> None:
        self.found: list[Line] = []

    def ok(self, area: str, check: str, detail: str = "") -> None:
        self._add(area, check, Result.OK, detail)

    def note(self, area: str, check: str, detail: str) -> None:
        self._add(area, check, Result.NOTE, detail)

    def failed(self, area: str, check: str, detail: str, code: int) -> None:
        self._add(area, check, Result.FAILED, detail, code)

    def skipped(self, area: str, check: str, detail: str) -> None:
        self._add(area, check, Result.SKIPPED, detail)

    async def answer(self, area: str, check: str, question: Awaitable[T], where: str) -> T | None:
        """What an outside system says; a failed line and None where it does not."""
        try:
            return await question
        except EdgeError as error:
            detail = f"{where} does not answer: {error.reason}; is it up, and reachable from here?"
            self.failed(area, check, detail, UnreachableError.exit_code)
            return None

    def _add(self, area: str, check: str, result: Result, detail: str, code: int = 0) -> None:
        self.found.append(Line(area=area, check=check, result=result, detail=detail, code=code))

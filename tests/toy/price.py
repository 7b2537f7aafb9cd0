"""The example of docs/anchors.md: a price source in one file. It reads a price from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mm_bot.fields.kinds import PATH
from mm_bot.fields.model import variable
from mm_bot.prices.parse import price_of
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from mm_bot.prices.spec import SourceContext, SourceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ToySpec:
    """`toy`"""

    path: Path

    def build(self, context: SourceContext) -> ToySource:
        return ToySource(self.path)


class ToySettings(SourceSettings):
    word = "toy"

    path: Annotated[Path | None, PATH] = variable("TOY_FILE", "For `toy`: who writes the price.")

    def spec(self, market: str, feed: str) -> ToySpec:
        assert self.path is not None, "else a fault"
        return ToySpec(path=self.path)


SOURCE = ToySettings


class ToySource:
    """The price in a file, which is as old as the file."""

    name = "toy"
    min_interval_ms = 0

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> Reading:
        try:
            text, at = self._path.read_text(), self._path.stat().st_mtime_ns
        except OSError as error:
            detail = error.strerror or "unreadable"
            raise AnchorError(self.name, RejectReason.UNREACHABLE, detail) from None
        return Reading(price=price_of(text.strip(), self.name), as_of_ms=at // 1_000_000)

    async def aclose(self) -> None:
        pass

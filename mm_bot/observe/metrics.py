"""The bot's metrics as Prometheus reads them: gauges off the last `View`, counters and histograms
of every cycle.

Every name and every label value exists from the first scrape on. Called from the loop's thread
alone. Nothing here blocks, and nothing here is read back by the bot: losing a metric loses no
decision.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mm_bot.core.declared import NOTHING_DECLARED, Declared
from mm_bot.observe.gauges_strategy import undeclared
from mm_bot.observe.view import View

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from mm_bot.observe.counts import Counts
    from mm_bot.observe.exposition import Exposition

FRESH_FOR_S = 0.1
EVENTS = "events"
POLL = "poll"
HEARS_FROM = ("listen", "socket", POLL)
"""What may wake the loop: the database, the exchange's stream, nothing but its own poll."""
BLOCKS_FROM = ("subscription", POLL)
"""What may tell of new blocks: the node, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInfo:
    """Constant facts, the labels of `mm_bot_build_info`."""

    version: str
    market: str
    chain_id: int
    subaccount_id: int
    dry_run: bool


class Refreshes(Protocol):
    """What an outside source counts since the start."""

    @property
    def refreshes(self) -> int: ...

    @property
    def failures(self) -> int: ...

    @property
    def refused(self) -> Mapping[tuple[str, str], int]:
        """How often, by (source, reason)."""


class Metrics:
    """What is told of one bot. `ready` is asked at each scrape, the sources for what they count.

    Prometheus' library and all families are loaded where they are first needed: by the counts of
    the first cycle, which come after its orders, or by whoever asks before.
    """

    def __init__(
        self,
        build: BuildInfo,
        *,
        anchor_sources: Iterable[str] = (),
        anchor_refusals: Iterable[str] = (),
        strategy: Declared = NOTHING_DECLARED,
        ready: Callable[[], bool] = lambda: False,
    ) -> None:
        """`anchor_sources` and `anchor_refusals` are every label value that there can be, and so is
        what the strategy declares."""
        self.build = build
        self.anchor_sources = tuple(anchor_sources)
        self.anchor_refusals = tuple(anchor_refusals)
        self.ready = ready
        self.dropped_lines: Callable[[], int] = lambda: 0
        self.mirror: Callable[[], tuple[bool, int]] | None = None
        """Whether the copy in Redis is kept, and how often that failed; None without one."""
        self.hears_from = self.blocks_from = POLL
        self.streams: dict[str, bool] = {}
        """Of prices, by name: whether it brings some."""
        self.view: View | None = None
        self.anchor: Refreshes | None = None
        self.external: Refreshes | None = None
        self._exposition: Exposition | None = None
        self._rendered, self._rendered_at_s = b"", -math.inf
        self.declare(strategy)

    def declare(self, strategy: Declared) -> None:
        """What the strategy may tell; its gauges are there from now on."""
        self.strategy = strategy
        self.undeclared = undeclared(strategy)
        if self._exposition is not None:
            self._exposition.declare(strategy)

    @property
    def exposition(self) -> Exposition:
        if self._exposition is None:
            from mm_bot.observe.exposition import Exposition

            self._exposition = Exposition(self)
        return self._exposition

    @property
    def registry(self) -> CollectorRegistry:
        return self.exposition.registry

    @property
    def counts(self) -> Counts:
        return self.exposition.counts

    def render(self) -> bytes:
        """The exposition, text format 0.0.4. About a millisecond."""
        return self.exposition.render()

    def scrape(self) -> bytes:
        """What `/metrics` answers: rendered at most once in `FRESH_FOR_S`, however many ask."""
        now_s = time.monotonic()
        if now_s - self._rendered_at_s >= FRESH_FOR_S:
            self._rendered, self._rendered_at_s = self.render(), now_s
        return self._rendered

"""Every model of the bot, in the order of the documentation, and how one environment is read.

A venue is one line in `run.VENUES`. Its module is imported only where that venue is chosen, so
that the names of another one's variables are unknown there. A part's model is a section here, a
field of `Models` and a line in `read_all`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol, cast

from mm_bot.clock import Clock
from mm_bot.fields.model import Reading, Section
from mm_bot.observe.settings import ObserveSettings
from mm_bot.prices.registry import SOURCES
from mm_bot.prices.spec import SourceSettings
from mm_bot.prices.zero_ex import ZeroExSettings
from mm_bot.settings.anchor_variables import EXTERNAL, AnchorVariables, ExternalVariables
from mm_bot.settings.quoting import LimitSettings, QuoteSettings, ReplaceSettings
from mm_bot.settings.run import (
    DEFAULT_VENUE,
    VENUES,
    MarketSettings,
    RunSettings,
    ScenarioSettings,
    venue_path,
)
from mm_bot.settings.strategy import STRATEGY_MODEL, StrategySettings
from mm_bot.venues.base import LiveVenue

MARKET = Section(model=MarketSettings)
QUOTES = Section(model=QuoteSettings)
STRATEGY: Section[StrategySettings] = Section(model=STRATEGY_MODEL)
LIMITS = Section(model=LimitSettings)
REPLACING = Section(model=ReplaceSettings)
RUN = Section(model=RunSettings)
OBSERVE = Section(model=ObserveSettings)
ANCHOR = Section(model=AnchorVariables)
SOURCE_SECTIONS = {w: Section(model=model, prefix="MM_ANCHOR_") for w, model in SOURCES.items()}
EXTERNAL_ANCHOR = Section(model=ExternalVariables, prefix=EXTERNAL)
ZERO_EX = Section(model=ZeroExSettings, prefix=EXTERNAL)
SCENARIOS = Section(model=ScenarioSettings)


class VenueModule(Protocol):
    """What the module of a line in `VENUES` has: its variables, what they come to, and the venue
    of that."""

    SECTION: Section[Any]

    def resolve(
        self, reading: Reading, given: Any, market_symbol: str | None, *, wait_for_lock: bool
    ) -> Any: ...

    def build(self, config: Any, clock: Clock, *, dry_run: bool) -> LiveVenue: ...


def venue_module(environment: Mapping[str, str]) -> VenueModule:
    """That of the chosen venue; of the default one where none is, or none that there is."""
    chosen = Reading(environment, [MARKET], own="\0", whose="").read(MARKET)
    name = chosen.__dict__.get("venue", DEFAULT_VENUE)
    return cast(VenueModule, import_module(venue_path(name)))


def sections(venue: VenueModule) -> tuple[Section[Any], ...]:
    """All that the bot itself reads, in the order of the documentation."""
    return (
        MARKET,
        venue.SECTION,
        QUOTES,
        STRATEGY,
        LIMITS,
        REPLACING,
        RUN,
        OBSERVE,
        *SOURCE_SECTIONS.values(),
        ANCHOR,
        EXTERNAL_ANCHOR,
        ZERO_EX,
    )


def other_venues() -> tuple[Section[Any], ...]:
    """What is read of a venue in place of the default's, for the documentation."""
    return tuple(
        replace(section, titled=f"{section.title} (with `MM_VENUE={name}`)")
        for name, path in VENUES.items()
        if name != DEFAULT_VENUE
        for section in (cast(VenueModule, import_module(path)).SECTION,)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """As they were read; a field that has a fault is not to be looked at."""

    market: MarketSettings
    venue: Any
    quotes: QuoteSettings
    strategy: StrategySettings
    limits: LimitSettings
    replacing: ReplaceSettings
    run: RunSettings
    observe: ObserveSettings
    anchor: AnchorVariables
    sources: Mapping[str, SourceSettings]
    external: ExternalVariables
    zero_ex: ZeroExSettings


class _Sources(dict[str, SourceSettings]):
    """Every source's model, by its word. One of which nothing is set has no fault, and is read by
    whoever looks at it: to make the models of all is a part of a start."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        for word, section in SOURCE_SECTIONS.items():
            if any(reading.is_set(each.name) for each in section.variables):
                self[word] = reading.read(section)

    def __missing__(self, word: str) -> SourceSettings:
        self[word] = self._reading.read(SOURCE_SECTIONS[word])
        return self[word]


def read_all(environment: Mapping[str, str], venue: VenueModule) -> tuple[Reading, Models]:
    """Every model of the bot, and the reading with the faults on the way."""
    reading = Reading(
        environment, sections(venue), own="MM_", whose="the bot", beside=SCENARIOS.variables
    )
    return reading, Models(
        market=reading.read(MARKET),
        venue=reading.read(venue.SECTION),
        quotes=reading.read(QUOTES),
        strategy=reading.read(STRATEGY),
        limits=reading.read(LIMITS),
        replacing=reading.read(REPLACING),
        run=reading.read(RUN),
        observe=reading.read(OBSERVE),
        anchor=reading.read(ANCHOR),
        sources=_Sources(reading),
        external=reading.read(EXTERNAL_ANCHOR),
        zero_ex=reading.read(ZERO_EX),
    )

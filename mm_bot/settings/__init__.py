"""The environment, read once into one frozen value; `python -m mm_bot.settings` lists it all.

`load` either returns settings that are valid as a whole or raises one `SettingsError` with every
fault; it contacts nothing and reads only the local files that the settings name. Every variable
is a field of one model beside its subsystem; `models` composes them. No secret is in any text that
comes out of here: not in a fault, a warning, a repr or the effective values.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

from mm_bot.core.exact import NO_AMOUNT
from mm_bot.core.instrument import Instrument, Margin
from mm_bot.core.policy import Policy, ReferencePolicy, RiskPolicy
from mm_bot.errors import SettingsError
from mm_bot.fields.model import EffectiveValue, Reading, UnsoundError, Variable
from mm_bot.fields.model import markdown as _markdown
from mm_bot.fields.secrets import secret_texts
from mm_bot.observe.settings import ObserveSettings
from mm_bot.settings import models
from mm_bot.settings.anchor_parts import Parts
from mm_bot.settings.anchor_variables import BOOTSTRAP_MARKET, ORACLE_CARRY
from mm_bot.settings.anchors import (
    AnchorPart,
    AnchorSettings,
    ExternalAnchorSettings,
    check_bounds,
    check_fixed,
    check_one_anchor,
    resolve_anchor,
    resolve_external,
)
from mm_bot.settings.models import Models
from mm_bot.settings.quoting import check_levels, check_tolerance, quote_policy, reference_min_size
from mm_bot.settings.run import MarketSettings, RunSettings, check_files
from mm_bot.settings.strategy import check_band, check_contradictions, check_strategy
from mm_bot.settings.warnings import unused_proxies, warnings
from mm_bot.strategies.regime import halting_limits
from mm_bot.strategies.target import inventory_target
from mm_bot.venues.base import VenueConfig

__all__ = [
    "VARIABLES",
    "AnchorSettings",
    "EffectiveValue",
    "ExternalAnchorSettings",
    "Settings",
    "effective",
    "load",
    "markdown",
    "process_environment",
    "read_sound",
    "secrets",
]

T = TypeVar("T")
_ALL = (*models.sections(models.venue_module({})), models.SCENARIOS)
VARIABLES: dict[str, Variable] = {v.name: v for section in _ALL for v in section.variables}
"""Of the bot on its default venue, and those of the live scenarios."""


class Settings(MarketSettings, RunSettings, ObserveSettings):
    """What the edges need as plain attributes; what the core needs by `policy`.

    Times are in milliseconds. None is "off" or "not given".
    """

    venue_module: Any
    """`models.VenueModule` of the chosen venue."""
    venue_config: VenueConfig
    anchor: AnchorSettings
    external_anchor: ExternalAnchorSettings | None
    """None where it is off or this is another market."""
    warnings: tuple[str, ...]
    """What start-up has to say, each a sentence."""
    given: Models
    reading: Reading

    @property
    def chain_id(self) -> int:
        return self.venue_config.chain_id

    @property
    def owner_address(self) -> str:
        """In lower case."""
        return self.venue_config.owner

    @property
    def subaccount_id(self) -> int:
        return self.venue_config.subaccount_id

    def effective(self) -> tuple[EffectiveValue, ...]:
        """Every variable with its value, secrets masked, and where that comes from."""
        return self.reading.effective()

    def policy(self, market: Instrument) -> Policy:
        """The core's part, for a market of that kind."""
        given = self.given
        low, high = given.anchor.bounds(self.market_symbol)
        return Policy(
            mode=self.mode,
            dry_run=self.dry_run,
            reference=ReferencePolicy(
                trade_max_age_ms=given.limits.reference_trade_max_age_ms,
                bootstrap=self.external_anchor is not None,
                bootstrap_only=given.external.bootstrap_only,
                external_max_age_ms=given.external.max_age_ms,
                min_size=reference_min_size(given.quotes, given.limits),
                lot=market.notional_step or NO_AMOUNT,
                low=low,
                high=high,
            ),
            quote=quote_policy(
                given.quotes,
                given.limits,
                given.external.spread_multiplier,
                given.external.size_multiplier,
            ),
            risk=_risk_policy(given, market),
            reconcile=given.replacing.policy(given.quotes),
            strategy=given.strategy.strategy,
            options=given.strategy.options,
        )


def load(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment such as `process_environment()`.

    Raises:
        SettingsError: with every fault there is.
    """
    venue = models.venue_module(environment)
    reading, given = models.read_all(environment, venue)
    symbol = reading.check(lambda: given.market.market_symbol)
    config = venue.resolve(
        reading,
        given.venue,
        symbol,
        wait_for_lock=reading.check(lambda: given.run.wait_for_lock) is True,
    )
    wanted = symbol == BOOTSTRAP_MARKET and bool(reading.check(lambda: given.external.enabled))
    _check_together(reading, given, wanted=wanted)
    parts = reading.check(lambda: _parts(reading, given)) or ()
    external = None
    if wanted:
        external = reading.check(
            lambda: resolve_external(
                reading, given.external, given.zero_ex, given.anchor, given.venue
            )
        )
    if reading.faults:
        raise SettingsError(reading.faults)
    return Settings.model_construct(
        **dict(given.market),
        **dict(given.run),
        **dict(given.observe),
        venue_module=venue,
        venue_config=config,
        anchor=resolve_anchor(
            given.anchor,
            parts,
            given.market.market_symbol,
            max_age_ms=given.limits.stale_anchor_ms,
            agreement_bps=given.limits.max_anchor_deviation_bps,
        ),
        external_anchor=external,
        warnings=(*warnings(reading, given), *unused_proxies(environment)),
        given=given,
        reading=reading,
    )


def effective(environment: Mapping[str, str]) -> tuple[EffectiveValue, ...]:
    """As `Settings.effective`, of settings that need not be sound."""
    return models.read_all(environment, models.venue_module(environment))[0].effective()


def read_sound(environment: Mapping[str, str], value: Callable[[Models], T], name: str) -> T:
    """The value of one variable, whatever is wrong with the others.

    Raises:
        SettingsError: where that one has a fault.
    """
    reading, given = models.read_all(environment, models.venue_module(environment))
    try:
        return value(given)
    except UnsoundError:
        faults = [fault for fault in reading.faults if fault.split()[0] == name]
        raise SettingsError(faults) from None


def process_environment() -> Mapping[str, str]:
    """The process's own variables, and below them those of a file `.env` in the working folder.

    Raises:
        SettingsError: where that file is there and cannot be read.
    """
    file = Path(".env")
    if not file.is_file():
        return os.environ
    from pydantic_settings import BaseSettings, DotEnvSettingsSource  # 14 MB, for who has one

    try:
        lines = DotEnvSettingsSource(BaseSettings, env_file=file, case_sensitive=True).env_vars
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or "it is no UTF-8 text"
        fault = f"{file.absolute()} cannot be read: {told}; give NAME=value lines, or remove it"
        raise SettingsError([fault]) from None
    ours = {name: text for name, text in lines.items() if text and _is_ours(name)}
    return ChainMap(cast("dict[str, str]", os.environ), ours)


def _is_ours(name: str) -> bool:
    return name.startswith("MM_") or name in VARIABLES


def secrets(environment: Mapping[str, str], settings: Settings | None = None) -> Iterator[str]:
    """Every text that must never be written; with settings also keys out of keystores."""
    chosen = models.sections(models.venue_module(environment))
    known = (*VARIABLES.values(), *(v for section in chosen for v in section.variables))
    yield from secret_texts(environment, known, own="MM_")
    if settings is not None:
        yield from (key.hex() for key in settings.venue_config.keys)


def markdown() -> str:
    """The README's tables of variables: the default venue's bot, then every other venue's own."""
    return _markdown((*_ALL, *models.other_venues()))


def _check_together(reading: Reading, given: Models, *, wanted: bool) -> None:
    """What several settings must be together; `wanted`: the bootstrap anchor is on here."""
    symbol = reading.check(lambda: given.market.market_symbol)
    multiplier = reading.check(lambda: given.external.spread_multiplier) if wanted else None
    reading.check(lambda: check_levels(reading, given.quotes, multiplier or Decimal(1)))
    reading.check(lambda: check_strategy(reading, given.strategy))
    reading.check(lambda: check_files(reading, given.run))
    if wanted:
        reading.check(lambda: check_one_anchor(reading, given.anchor))
    if not reading.faults:  # it compares with values that a fault may have left out
        quote = quote_policy(given.quotes, given.limits, Decimal(1), Decimal(1))
        check_contradictions(reading, given.strategy, quote)
        check_tolerance(reading, given.quotes, given.replacing)
        check_band(reading, given.strategy, *given.anchor.bounds(given.market.market_symbol))
    if symbol is not None:
        reading.check(lambda: check_bounds(reading, given.anchor, symbol))
        reading.check(lambda: check_fixed(reading, given.anchor, given.sources["fixed"], symbol))


def _parts(reading: Reading, given: Models) -> tuple[AnchorPart, ...]:
    return Parts(
        reading=reading,
        given=given.anchor,
        sources=given.sources,
        limits=given.limits,
        market=given.market,
        chain=given.venue,
    ).resolve()


def _risk_policy(given: Models, market: Instrument) -> RiskPolicy:
    limits = given.limits
    max_long, max_short = halting_limits(given.strategy.options, *limits.inventory_caps)
    # An on-chain feed updates on deviation or heartbeat: hours may lie between two good answers.
    by_feed = given.anchor.source == ORACLE_CARRY
    return RiskPolicy(
        market_data_max_age_ms=limits.stale_market_data_ms,
        balances_max_age_ms=limits.stale_balance_ms,
        anchor_max_age_ms=given.anchor.oracle_max_age_ms if by_feed else limits.stale_anchor_ms,
        anchor_deviation_bps=limits.max_anchor_deviation_bps,
        quote_max_age_ms=limits.max_quote_age_ms,
        max_long=max_long,
        max_short=max_short,
        max_notional_per_side=limits.max_notional_per_side,
        # What is margined has no base balance to run out of.
        min_base=limits.min_base if market.margin is Margin.FUNDED else None,
        min_quote=limits.min_quote,
        degrade=limits.degrade,
        target=inventory_target(given.strategy.options),
        max_cancels_per_minute=limits.max_cancels_per_minute,
        max_signed_liability=limits.max_signed_liability,
    )

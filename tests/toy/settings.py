"""The variables of the toy exchange, and the adapter's configuration made of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import SecretStr

from mm_bot.clock import Clock
from mm_bot.fields.kinds import API_KEY, BASE_URL, PATH, PREFIXES
from mm_bot.fields.model import Model, Reading, Section, variable
from mm_bot.venues.base import LiveVenue
from mm_bot.venues.prefixes import check_prefixes


class ToySettings(Model, title="The toy exchange"):
    """As they are given."""

    url: Annotated[str, BASE_URL] = variable("MM_TOY_URL", "Its HTTP API.", required=True)
    key: Annotated[SecretStr, API_KEY] = variable("MM_TOY_KEY", "Our key there.", required=True)
    lock_file: Annotated[Path, PATH] = variable(
        "MM_TOY_LOCK_FILE", "Locked by the one writer.", required=True
    )
    protected_prefixes: Annotated[tuple[str, ...], PREFIXES] = variable(
        "MM_PROTECTED_ORDER_ID_PREFIXES", "Left alone.", default="validation:,test:,manual:"
    )


SECTION = Section(model=ToySettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyConfig:
    """What `VenueConfig` asks for, and what the adapter needs beside."""

    url: str
    key: str = field(repr=False)
    market_symbol: str
    protected_prefixes: tuple[str, ...]
    lock_file: Path
    wait_for_lock: bool
    dry_run: bool = False
    timeout_ms: int = 2000
    chain_id: int = 0
    owner: str = "me"
    subaccount_id: int = 1
    rpc_url: None = None

    @property
    def keys(self) -> tuple[bytes, ...]:
        return (self.key.encode(),)

    def for_command(self, timeout_ms: int) -> ToyConfig:
        return replace(self, timeout_ms=timeout_ms, wait_for_lock=False)


def resolve(
    reading: Reading, given: ToySettings, market_symbol: str | None, *, wait_for_lock: bool
) -> ToyConfig | None:
    """None after a fault."""
    if market_symbol is not None:
        reading.check(lambda: check_prefixes(reading, given.protected_prefixes, market_symbol))
    if reading.faults:
        return None
    assert market_symbol is not None, "else a fault"
    return ToyConfig(
        url=given.url,
        key=given.key.get_secret_value(),
        market_symbol=market_symbol,
        protected_prefixes=given.protected_prefixes,
        lock_file=given.lock_file,
        wait_for_lock=wait_for_lock,
    )


def build(config: ToyConfig, clock: Clock, *, dry_run: bool) -> LiveVenue:
    """The venue, nothing of it contacted yet."""
    from tests.toy.venue import ToyVenue  # only where it is chosen

    return ToyVenue(replace(config, dry_run=dry_run), clock)

"""What the exchange's processes are told: every STACK_* variable, read once and strictly.

A variable that is set to nonsense stops the process; one that is not set has the default of a
faithful local exchange (all checks on, real clock, settlement on chain).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, PlainValidator, StringConstraints, model_validator

from integration_harness.stack.instruments import Instrument, parse_instruments
from integration_harness.variables import Reading, Variables

DEFAULT_WEBSOCKET_DOMAIN = "markets.numo.xyz"
_PREFIX = "STACK_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Unix seconds, or one moment that stands still (for replaying recorded traffic)."""

    fixed_at: datetime | None = None

    def now_seconds(self) -> int:
        moment = self.fixed_at if self.fixed_at is not None else datetime.now(UTC)
        return int(moment.timestamp())


def _clock(text: str) -> Clock:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("give a time zone, such as a final Z")
    return Clock(fixed_at=moment)


Lower = Annotated[str, StringConstraints(to_lower=True)]
Count = Annotated[int, Field(ge=0)]
Instruments = Annotated[tuple[Instrument, ...], PlainValidator(parse_instruments)]


class ChainSettings(Variables):
    """Where the chain is; empty texts where a process is told nothing of it."""

    rpc_url: str = ""
    chain_id: Count = 31337
    matching_address: Lower = ""
    trade_address: Lower = ""
    sub_accounts_address: Lower = Field("", alias="SUBACCOUNTS_ADDRESS")


class _ProcessSettings(ChainSettings):
    """What both processes are told."""

    database_url: str
    instruments: Instruments = Field(alias="MARKETS")
    clock: Annotated[Clock, PlainValidator(_clock)] = Clock()


class ApiSettings(_ProcessSettings):
    """The markets API."""

    host: Literal["127.0.0.1", "::1", "localhost"] = Field("127.0.0.1", alias="API_HOST")
    port: Count = Field(alias="API_PORT")
    verify_signatures: bool = True
    check_action_data: bool = True
    check_custody: bool = True
    expected_owner: Lower = ""
    expected_signer: Lower = ""
    allow_faults: bool = Field(False, alias="FAULTS")
    pool_size: Count = 4
    event_keep_seconds: Count = 7200
    websocket_queue: Count = 1000
    websocket_domain: str = DEFAULT_WEBSOCKET_DOMAIN


class MatcherSettings(_ProcessSettings):
    """The matcher; `settlement` is `none` only where recorded traffic is replayed."""

    executor_address: str = ""
    poll_ms: Count = Field(250, alias="MATCHER_POLL_MS")
    blink_hold_ms: Count = Field(2, alias="MATCHER_BLINK_HOLD_MS")
    settlement: Literal["chain", "none"] = "chain"
    crash_after_settlement: bool = Field(False, alias="MATCHER_CRASH_AFTER_SETTLEMENT")
    wait_for_receipt: bool = Field(False, alias="EXECUTOR_WAIT_FOR_RECEIPT")
    executor_gas: Count = 2_000_000

    @model_validator(mode="after")
    def _somebody_settles(self) -> Self:
        if self.settlement == "chain" and not self.executor_address:
            raise ValueError("STACK_EXECUTOR_ADDRESS is not set, and STACK_SETTLEMENT is chain")
        return self


M = TypeVar("M", ApiSettings, MatcherSettings)
_KNOWN = (*ApiSettings.names(_PREFIX).values(), *MatcherSettings.names(_PREFIX).values())


def read(model: type[M], environment: Mapping[str, str]) -> M:
    """A process's settings; raises VariablesError with every fault."""
    reading = Reading(environment)
    found = reading.read(model, _PREFIX)
    reading.look_for_unknown(_PREFIX, *_KNOWN)
    reading.end()
    assert found is not None
    return found

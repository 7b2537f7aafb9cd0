"""What the exchange's processes are told: every STACK_* variable, read once and strictly.

A variable that is set to nonsense stops the process; one that is not set has the default of a
faithful local exchange (all checks on, real clock, settlement on chain).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from integration_harness.stack.instruments import Instrument, parse_instruments

DEFAULT_WEBSOCKET_DOMAIN = "markets.numo.xyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Unix seconds, or one moment that stands still (for replaying recorded traffic)."""

    fixed_at: datetime | None = None

    def now_seconds(self) -> int:
        moment = self.fixed_at if self.fixed_at is not None else datetime.now(UTC)
        return int(moment.timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSettings:
    """Where the chain is; empty texts where a process is told nothing of it."""

    rpc_url: str
    chain_id: int
    matching_address: str
    trade_address: str
    sub_accounts_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """The markets API."""

    database_url: str
    host: str
    port: int
    instruments: tuple[Instrument, ...]
    clock: Clock
    chain: ChainSettings
    verify_signatures: bool
    check_action_data: bool
    check_custody: bool
    expected_owner: str
    expected_signer: str
    allow_faults: bool
    pool_size: int
    event_keep_seconds: int
    websocket_queue: int
    websocket_domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatcherSettings:
    """The matcher; `settlement` is `none` only where recorded traffic is replayed."""

    database_url: str
    instruments: tuple[Instrument, ...]
    clock: Clock
    chain: ChainSettings
    executor_address: str
    poll_ms: int
    blink_hold_ms: int
    settlement: Literal["chain", "none"]
    crash_after_settlement: bool
    wait_for_receipt: bool
    executor_gas: int


def api_settings(environment: Mapping[str, str]) -> ApiSettings:
    """The API's settings; raises ValueError with the variable's name."""
    read = _Reader(environment)
    host = read.text("STACK_API_HOST", "127.0.0.1")
    if host not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("STACK_API_HOST must be a loopback address")
    return ApiSettings(
        database_url=read.required("STACK_DATABASE_URL"),
        host=host,
        port=read.integer("STACK_API_PORT", None),
        instruments=parse_instruments(read.required("STACK_MARKETS")),
        clock=read.clock(),
        chain=read.chain(),
        verify_signatures=read.flag("STACK_VERIFY_SIGNATURES", True),
        check_action_data=read.flag("STACK_CHECK_ACTION_DATA", True),
        check_custody=read.flag("STACK_CHECK_CUSTODY", True),
        expected_owner=read.text("STACK_EXPECTED_OWNER", "").lower(),
        expected_signer=read.text("STACK_EXPECTED_SIGNER", "").lower(),
        allow_faults=read.flag("STACK_FAULTS", False),
        pool_size=read.integer("STACK_POOL_SIZE", 4),
        event_keep_seconds=read.integer("STACK_EVENT_KEEP_SECONDS", 7200),
        websocket_queue=read.integer("STACK_WEBSOCKET_QUEUE", 1000),
        websocket_domain=read.text("STACK_WEBSOCKET_DOMAIN", DEFAULT_WEBSOCKET_DOMAIN),
    )


def matcher_settings(environment: Mapping[str, str]) -> MatcherSettings:
    """The matcher's settings; raises ValueError with the variable's name."""
    read = _Reader(environment)
    settlement = read.text("STACK_SETTLEMENT", "chain")
    if settlement not in ("chain", "none"):
        raise ValueError("STACK_SETTLEMENT must be chain or none")
    on_chain = settlement == "chain"
    return MatcherSettings(
        database_url=read.required("STACK_DATABASE_URL"),
        instruments=parse_instruments(read.required("STACK_MARKETS")),
        clock=read.clock(),
        chain=read.chain(),
        executor_address=read.required("STACK_EXECUTOR_ADDRESS") if on_chain else "",
        poll_ms=read.integer("STACK_MATCHER_POLL_MS", 250),
        blink_hold_ms=read.integer("STACK_MATCHER_BLINK_HOLD_MS", 2),
        settlement="chain" if on_chain else "none",
        crash_after_settlement=read.flag("STACK_MATCHER_CRASH_AFTER_SETTLEMENT", False),
        wait_for_receipt=read.flag("STACK_EXECUTOR_WAIT_FOR_RECEIPT", False),
        executor_gas=read.integer("STACK_EXECUTOR_GAS", 2_000_000),
    )


class _Reader:
    """Typed reads of an environment, each of which names the variable it complains about."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, default)

    def required(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            raise ValueError(f"{name} is required")
        return value

    def integer(self, name: str, default: int | None) -> int:
        raw = self._environment.get(name, "")
        if not raw and default is not None:
            return default
        if not raw.isdecimal():
            raise ValueError(f"{name} must be a whole number, not {raw!r}")
        return int(raw)

    def flag(self, name: str, default: bool) -> bool:
        raw = self._environment.get(name, "")
        if raw not in ("", "true", "false"):
            raise ValueError(f"{name} must be true or false, not {raw!r}")
        return raw == "true" if raw else default

    def clock(self) -> Clock:
        raw = self._environment.get("STACK_CLOCK", "")
        if not raw:
            return Clock()
        moment = datetime.fromisoformat(raw)
        if moment.tzinfo is None:
            raise ValueError("STACK_CLOCK needs a time zone, such as a final Z")
        return Clock(fixed_at=moment)

    def chain(self) -> ChainSettings:
        return ChainSettings(
            rpc_url=self.text("STACK_RPC_URL", ""),
            chain_id=self.integer("STACK_CHAIN_ID", 31337),
            matching_address=self.text("STACK_MATCHING_ADDRESS", "").lower(),
            trade_address=self.text("STACK_TRADE_ADDRESS", "").lower(),
            sub_accounts_address=self.text("STACK_SUBACCOUNTS_ADDRESS", "").lower(),
        )

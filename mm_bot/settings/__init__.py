"""The environment, read once into one frozen value; `python -m mm_bot.settings` lists it all.

`load` either returns settings that are valid as a whole or raises one `SettingsError` with every
fault; it contacts nothing and reads only the local files that the settings name. Every variable
is declared once, in `settings_table` and `settings_table_run`. No secret is in any text that
comes out of here: not in a fault, a warning, a repr or the effective values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Instrument, Margin
from mm_bot.core.policy import (
    OperatorMode,
    Policy,
    QuotePolicy,
    ReconcilePolicy,
    ReferencePolicy,
    RiskPolicy,
)
from mm_bot.errors import SettingsError
from mm_bot.settings import table as t
from mm_bot.settings import table_run as r
from mm_bot.settings.anchors import (
    AnchorSettings,
    ExternalAnchorSettings,
    price_bounds,
    reference_min_size,
    resolve_anchor,
    resolve_external,
)
from mm_bot.settings.checks import (
    check_quotes,
    resolve_contracts,
    resolve_database,
    resolve_identity,
)
from mm_bot.settings.reading import EffectiveValue, Reading, markdown, read
from mm_bot.settings.table_run import AnchorSource
from mm_bot.settings.warnings import warnings

__all__ = [
    "AnchorSettings",
    "EffectiveValue",
    "ExternalAnchorSettings",
    "Settings",
    "load",
    "markdown",
]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """What the edges need as plain attributes; what the core needs by `policy`.

    Addresses are in lower case, times in milliseconds. None is "off" or "not given".
    """

    api_base_url: str
    """Without a slash at its end."""
    rpc_url: str
    database_url: str
    chain_id: int
    market_symbol: str
    matching_address: str
    trade_module_address: str
    subaccounts_address: str

    owner_private_key: bytes
    owner_address: str
    signer_private_key: bytes
    signer_address: str
    subaccount_id: int
    recipient_id: int
    worst_fee: int
    """The raw 18-decimal integer."""
    service_name: str
    protected_prefixes: tuple[str, ...]

    price_tick: Price | None
    contract_size: Decimal
    margin_rate: Decimal

    mode: OperatorMode
    operator_mode_file: Path | None
    dry_run: bool
    state_file: Path
    kill_switch_file: Path | None
    journal_dir: Path | None
    cancel_on_shutdown: bool
    wait_for_lock: bool
    poll_interval_ms: int
    metrics_host: str
    metrics_port: int
    readiness_missing_quote_timeout_ms: int | None
    soak_log_interval_ms: int | None
    log_level: str

    anchor: AnchorSettings
    external_anchor: ExternalAnchorSettings | None
    """None where it is off or this is another market."""

    warnings: tuple[str, ...]
    """What start-up has to say, each a sentence."""
    reading: Reading = field(compare=False)

    def __repr__(self) -> str:
        return (
            f"Settings({self.market_symbol} on chain {self.chain_id}, "
            f"subaccount {self.subaccount_id} of {self.owner_address})"
        )

    def effective(self) -> tuple[EffectiveValue, ...]:
        """Every variable with its value, secrets masked, and where that comes from."""
        return self.reading.effective()

    def policy(self, market: Instrument) -> Policy:
        """The core's part, for a market of that kind."""
        return Policy(
            mode=self.mode,
            dry_run=self.dry_run,
            reference=_reference_policy(self.reading, bootstrap=self.external_anchor is not None),
            quote=_quote_policy(self.reading),
            risk=_risk_policy(self.reading, market),
            reconcile=_reconcile_policy(self.reading),
        )


def load(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment such as `os.environ`.

    Raises:
        SettingsError: with every fault there is.
    """
    reading = read(environment)
    database_url = resolve_database(reading)
    identity = resolve_identity(reading)
    contracts = resolve_contracts(reading)
    check_quotes(reading)
    anchor = resolve_anchor(reading)
    external_anchor = resolve_external(reading)
    if reading.faults:
        raise SettingsError(reading.faults)
    assert database_url is not None, "else a fault"
    assert identity is not None, "else a fault"
    assert contracts is not None, "else a fault"
    assert anchor is not None, "else a fault"
    host, port = reading[r.METRICS_ADDR]
    return Settings(
        api_base_url=reading[t.API_BASE_URL],
        rpc_url=reading[t.RPC_URL],
        database_url=database_url,
        chain_id=reading[t.CHAIN_ID],
        market_symbol=reading[t.MARKET_SYMBOL],
        matching_address=contracts.matching,
        trade_module_address=contracts.trade,
        subaccounts_address=contracts.sub_accounts,
        owner_private_key=identity.owner_key,
        owner_address=identity.owner_address,
        signer_private_key=identity.signer_key,
        signer_address=identity.signer_address,
        subaccount_id=reading[t.SUBACCOUNT_ID],
        recipient_id=reading[t.RECIPIENT_ID] or reading[t.SUBACCOUNT_ID],
        worst_fee=reading[t.WORST_FEE],
        service_name=reading[t.SERVICE_NAME],
        protected_prefixes=reading[r.PROTECTED_PREFIXES],
        price_tick=reading[t.PRICE_TICK],
        contract_size=reading[t.CONTRACT_SIZE],
        margin_rate=reading[t.INITIAL_MARGIN_RATE],
        mode=reading[r.MODE],
        operator_mode_file=reading[r.MODE_FILE],
        dry_run=reading[r.DRY_RUN],
        state_file=reading[r.STATE_FILE],
        kill_switch_file=reading[r.KILL_SWITCH_FILE],
        journal_dir=reading[r.JOURNAL_DIR],
        cancel_on_shutdown=reading[r.CANCEL_ON_SHUTDOWN],
        wait_for_lock=reading[r.WAIT_FOR_LOCK],
        poll_interval_ms=reading[r.POLL_INTERVAL],
        metrics_host=host,
        metrics_port=port,
        readiness_missing_quote_timeout_ms=reading[r.READINESS_MISSING_QUOTE],
        soak_log_interval_ms=reading[r.SOAK_LOG_INTERVAL],
        log_level=reading[r.LOG_LEVEL_NAME],
        anchor=anchor,
        external_anchor=external_anchor,
        warnings=warnings(reading),
        reading=reading,
    )


def _reference_policy(reading: Reading, *, bootstrap: bool) -> ReferencePolicy:
    low, high = price_bounds(reading)
    return ReferencePolicy(
        trade_max_age_ms=reading[t.REFERENCE_TRADE_MAX_AGE],
        bootstrap=bootstrap,
        bootstrap_only=reading[r.EXTERNAL_BOOTSTRAP_ONLY],
        external_max_age_ms=reading[r.EXTERNAL_MAX_AGE],
        min_size=reference_min_size(reading),
        low=low,
        high=high,
    )


def _inventory_caps(reading: Reading) -> tuple[Size, Size]:
    """The long and the short cap, both tightened by the net one where it is set."""
    long, short = reading[t.MAX_LONG_INVENTORY], reading[t.MAX_SHORT_INVENTORY]
    net = reading[t.MAX_NET_INVENTORY]
    return (long, short) if net is None else (min(long, net), max(short, -net))


def _quote_policy(reading: Reading) -> QuotePolicy:
    max_long, max_short = _inventory_caps(reading)
    return QuotePolicy(
        half_spread_bps=reading[t.HALF_SPREAD_BPS],
        skew_bps=reading[t.INVENTORY_SKEW_BPS],
        order_size=reading[t.ORDER_SIZE],
        levels=reading[t.QUOTE_LEVELS],
        level_step_bps=reading[t.LEVEL_SPREAD_STEP_BPS],
        level_size_mult=reading[t.LEVEL_SIZE_MULT],
        max_long=max_long,
        max_short=max_short,
        max_notional_per_side=reading[t.MAX_NOTIONAL_PER_SIDE],
        external_spread_mult=reading[r.EXTERNAL_SPREAD_MULTIPLIER],
        external_size_mult=reading[r.EXTERNAL_SIZE_MULTIPLIER],
    )


def _risk_policy(reading: Reading, market: Instrument) -> RiskPolicy:
    max_long, max_short = _inventory_caps(reading)
    # An on-chain feed updates on deviation or heartbeat: hours may lie between two good answers.
    by_feed = reading[r.ANCHOR_SOURCE_TYPE] is AnchorSource.ORACLE_CARRY
    limit_ms = reading[t.STALE_ANCHOR]
    return RiskPolicy(
        market_data_max_age_ms=reading[t.STALE_MARKET_DATA],
        balances_max_age_ms=reading[t.STALE_BALANCE],
        anchor_max_age_ms=reading[r.ANCHOR_ORACLE_MAX_AGE] if by_feed else limit_ms,
        anchor_deviation_bps=reading[t.MAX_ANCHOR_DEVIATION_BPS],
        quote_max_age_ms=reading[t.MAX_QUOTE_AGE],
        max_long=max_long,
        max_short=max_short,
        max_notional_per_side=reading[t.MAX_NOTIONAL_PER_SIDE],
        # What is margined has no base balance to run out of.
        min_base=reading[t.MIN_BASE_BALANCE] if market.margin is Margin.FUNDED else None,
        min_quote=reading[t.MIN_QUOTE_BALANCE],
        max_cancels_per_minute=reading[t.MAX_CANCELS_PER_MINUTE],
    )


def _reconcile_policy(reading: Reading) -> ReconcilePolicy:
    return ReconcilePolicy(
        stale_threshold_bps=reading[r.CANCEL_STALE_ORDER_THRESHOLD_BPS],
        size_tolerance=reading[r.ADOPT_SIZE_TOLERANCE],
        min_lifetime_ms=reading[r.MIN_QUOTE_LIFETIME],
        min_move_bps=reading[r.MIN_PRICE_MOVE_BPS],
        refresh_interval_ms=reading[r.QUOTE_REFRESH_INTERVAL],
        order_life_ms=reading[t.ORDER_EXPIRY],
    )

"""The operator's wishes as small frozen values, one for each part of the core that needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from mm_bot.core.exact import NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import Side


class OperatorMode(Enum):
    NORMAL = "normal"
    BID_ONLY = "bid-only"
    ASK_ONLY = "ask-only"
    PAUSE = "pause"
    DRY_RUN_HEALTH = "dry-run-health"

    def wants(self, side: Side) -> bool:
        """Whether this mode quotes that side."""
        if self is OperatorMode.NORMAL:
            return True
        return self is (OperatorMode.BID_ONLY if side is Side.BUY else OperatorMode.ASK_ONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePolicy:
    """Where the reference price comes from. Ages are limits in milliseconds."""

    trade_max_age_ms: int
    bootstrap: bool
    """The spot bootstrap order: book, trade, external; else anchor, book, trade."""
    bootstrap_only: bool
    """With `bootstrap`: use the external anchor only where no local reference exists."""
    external_max_age_ms: int
    min_size: Size
    """A local price or a trade with less of others' size behind it is none; 0 takes any."""
    lot: Amount
    """By how much of the quote an order may fall short of the size that it was meant to have: the
    step of a grid that is on the quote, else 0."""
    low: Price | None
    """No reference is below, whatever its source; None is no bound."""
    high: Price | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotePolicy:
    """How wide, how large, how skewed. Basis points are Decimals."""

    half_spread_bps: Decimal
    skew_bps: Decimal
    order_size: Size
    levels: int
    level_step_bps: Decimal
    level_size_mult: Decimal
    max_long: Size
    """Effective cap: min(long cap, net cap)."""
    max_short: Size
    """Effective cap, zero or negative: max(short cap, -net cap)."""
    max_notional_per_side: Amount | None
    """In the quote; None is no limit."""
    external_spread_mult: Decimal
    external_size_mult: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskPolicy:
    """When to stop. None turns a limit off."""

    market_data_max_age_ms: int | None
    balances_max_age_ms: int | None
    anchor_max_age_ms: int | None
    anchor_deviation_bps: Decimal | None
    quote_max_age_ms: int | None
    max_long: Size
    max_short: Size
    max_notional_per_side: Amount | None
    min_base: Size | None
    """Available base below which quoting halts; None on futures."""
    min_quote: Amount | None
    max_cancels_per_minute: int | None
    target: Size = NO_SIZE
    """The inventory to come back to."""
    degrade: bool = False
    """Whether a side at a time goes before anything halts (`degrade.py`)."""
    max_signed_liability: Amount | None = None
    """Most that all unexpired signatures of one side may be worth, in the quote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilePolicy:
    """When a resting order is good enough, and how often it may be replaced."""

    stale_threshold_bps: Decimal
    size_tolerance: Size
    min_lifetime_ms: int
    min_move_bps: Decimal
    refresh_interval_ms: int
    order_life_ms: int
    max_deviation_bps: Decimal | None = None
    """An order that does not fit its slot and is further from the reference goes at once, whatever
    guard holds it; None is no such limit."""
    together: bool = False
    """Post a replacement with the cancel of what it replaces, where both may rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All of it."""

    mode: OperatorMode
    dry_run: bool
    reference: ReferencePolicy
    quote: QuotePolicy
    risk: RiskPolicy
    reconcile: ReconcilePolicy
    strategy: str = "founding"
    """What makes the quotes: a name of `mm_bot.strategies`, or an import path."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What the strategy's steps are set to, by the variable's name, as text."""

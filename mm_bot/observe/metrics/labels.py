"""What metrics are labelled with and fed from: closed sets, constant facts, one side's view."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.instrument import Side

SIDES: dict[str, tuple[str, ...]] = {"side": tuple(side.value for side in Side)}
FILL_STEPS: tuple[str, ...] = ("order_state", "trade_stream", "inventory_delta")
BALANCE_ASSETS = ("base", "quote")
BALANCE_KINDS = ("total", "reserved", "available")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSets:
    """Every value that each label may take."""

    halt_reasons: tuple[str, ...]
    cancel_categories: tuple[str, ...]
    reference_sources: tuple[str, ...]
    missing_reasons: tuple[str, ...]
    operator_modes: tuple[str, ...]
    cycle_parts: tuple[str, ...] = ("observe", "decide", "act", "remember")
    anchor_sources: tuple[str, ...] = ()
    """What the anchors are made from here, as the settings have it."""
    anchor_refusals: tuple[str, ...] = ()
    sources: tuple[str, ...] = ("book", "trades", "orders", "balances", "anchor", "external")
    commands: tuple[str, ...] = ("place", "cancel")
    verdicts: tuple[str, ...] = ("accepted", "refused", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInfo:
    """Constant facts, the labels of `mm_bot_build_info`."""

    version: str
    market: str
    chain_id: int
    subaccount_id: int
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SideView:
    """One side after a cycle. Price and size are those of the best level; None where none."""

    live_orders: int
    wanted_orders: int
    best_price: Decimal | None
    best_size: Decimal | None
    missing_reason: str | None
    """Why nothing is quoted there; None where the side is quoted."""
    signed_liability: Decimal

"""Orders, faults and times of the fake Coinbase, and its answers to writes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from integration_harness.venues.serving import CommonFaults, CommonOrder

Json = dict[str, Any]

SYMBOL: Final = "BTC-USD"
TICK: Final = Decimal("0.01")
LOT: Final = Decimal("0.00001")
LEAST: Final = Decimal("0.0001")
MAKER_FEE: Final = Decimal("0.006")
FEES: Final = {"MAKER": MAKER_FEE, "TAKER": 2 * MAKER_FEE}
"""Rates of a fill's worth, by its role."""
OURS: Final = 7
"""The number of the key's portfolio; 0 are strangers."""


@dataclass(slots=True)
class Faults(CommonFaults):
    """What goes wrong beside, until it is turned off again. A lost reply and a swallowed order are
    answered with 502."""

    reasons: deque[str] = field(default_factory=deque)
    """The next orders are answered with 200 and a failure of these reasons."""
    failed_later: int = 0
    """So many orders are accepted, and then fail as post-only."""
    late_fills_s: float = 0.0
    pending_s: float = 0.02
    """How long an order is pending before it is on the book."""
    lost_messages: int = 0
    """So many messages of the sockets are never sent, though they count."""
    large_snapshot: bool = False
    """The book's snapshot has 17,000 levels far away as well: over a megabyte and a half."""
    can_transfer: bool = False
    cancel_only: bool = False


@dataclass(slots=True, kw_only=True)
class Order(CommonOrder):
    end_ms: int | None
    terms: Json
    value: Decimal = Decimal(0)
    status: str = "PENDING"
    message: str = ""

    @property
    def works(self) -> bool:
        return self.status == "OPEN"

    @property
    def live(self) -> bool:
        return self.status in ("PENDING", "OPEN", "CANCEL_QUEUED")


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ms_of(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def success(order: Order) -> Json:
    told = {
        "order_id": order.order_id,
        "product_id": SYMBOL,
        "side": order.direction.upper(),
        "client_order_id": order.label,
    }
    return {"success": True, "success_response": told, "order_configuration": order.terms}


def failure(reason: str) -> Json:
    error = {
        "error": "UNKNOWN_FAILURE_REASON" if reason.startswith("PREVIEW_") else reason,
        "message": "",
        "preview_failure_reason": reason if reason.startswith("PREVIEW_") else "UNKNOWN",
        "new_order_failure_reason": "UNKNOWN_FAILURE_REASON",
    }
    return {
        "success": False,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "error_response": error,
    }


def cancelled(order_id: str, why: str) -> Json:
    reason = why or "UNKNOWN_CANCEL_FAILURE_REASON"
    return {"success": not why, "failure_reason": reason, "order_id": order_id}

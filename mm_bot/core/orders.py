"""Our orders as the exchange holds them, and whose an order is by its id.

The id convention is `mm:<market>:<side>:<nonce>` (founding description), side as a human reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side

ID_PREFIX = "mm"
NONCE_DIGITS = 78
"""Of a 256-bit number at most; an id is anybody's to choose."""


class OrderStatus(Enum):
    ACTIVE = "active"
    MATCHING = "matching"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def live(self) -> bool:
        """`matching` is live: the matcher holds the order for a moment, nothing happened yet."""
        return self is OrderStatus.ACTIVE or self is OrderStatus.MATCHING


class Ownership(Enum):
    """What an own row's id says of who manages it; the value is the reason not to adopt it."""

    MANAGED = "managed"
    PROTECTED = "protected"
    AMBIGUOUS = "ambiguous_ownership"
    MALFORMED = "malformed_metadata"
    WRONG_MARKET = "wrong_market"


@dataclass(frozen=True, slots=True)
class OrderId:
    """`mm:<market>:<side>:<nonce>` taken apart."""

    market: str
    side: Side
    nonce: int

    def __str__(self) -> str:
        return f"{ID_PREFIX}:{self.market}:{self.side.value}:{self.nonce}"

    @staticmethod
    def parse(text: str) -> OrderId | None:
        """The parts of an id of the convention, None for any other text."""
        parts = text.split(":")
        if len(parts) != 4 or parts[0] != ID_PREFIX or not parts[1]:
            return None
        if parts[2] not in ("buy", "sell") or not (parts[3].isascii() and parts[3].isdigit()):
            return None
        if len(parts[3]) > NONCE_DIGITS:
            return None
        order_id = OrderId(parts[1], Side(parts[2]), int(parts[3]))
        return order_id if str(order_id) == text else None


def classify(
    order_id: str, side: Side, nonce: int, market: str, protected_prefixes: Sequence[str]
) -> Ownership:
    """Whose an own row is. Protection wins; then the id must follow the convention, name this
    market, and agree with the row's own side and nonce."""
    if any(order_id.startswith(prefix) for prefix in protected_prefixes):
        return Ownership.PROTECTED
    parts = OrderId.parse(order_id)
    if parts is None:
        return Ownership.MALFORMED if order_id.startswith(ID_PREFIX + ":") else Ownership.AMBIGUOUS
    if parts.market != market:
        return Ownership.WRONG_MARKET
    if parts.side is not side or parts.nonce != nonce:
        return Ownership.MALFORMED
    return Ownership.MANAGED


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingOrder:
    """An own order as its row says, in human units. `size` and `notional` are what is left."""

    order_id: str
    side: Side
    price: Price
    size: Size
    """What is left: of the base on spot, contracts on a future."""
    notional: Amount
    """What the rest is worth, in the quote; where the size grid is on it, exact."""
    original_size: Size
    lot: Size
    """One step of the amount, as a size: how far flooring may have moved `size`."""
    status: OrderStatus
    nonce: int
    created_ms: int
    expiry_ms: int
    ownership: Ownership
    cancel_reason: str = ""
    filled_steps: int = 0
    """Filled of it by its row, in whole steps of its amount (see `lot`)."""

    @property
    def live(self) -> bool:
        status = self.status
        return status is OrderStatus.ACTIVE or status.live

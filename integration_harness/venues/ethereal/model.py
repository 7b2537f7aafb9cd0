"""Products, orders, accounts and faults of the fake Ethereal."""

from __future__ import annotations

import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from integration_harness.venues.serving import CommonFaults, CommonOrder

Json = dict[str, Any]

BLOCK_S: Final = 0.2
_TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    ticker: str
    base: str
    product_id: str
    onchain_id: int
    tick: Decimal
    lot: Decimal
    most: Decimal


PRODUCTS: Final = {
    "ETHUSD": Product(
        ticker="ETHUSD",
        base="ETH",
        product_id="2c0a9b52-2b5a-4f51-9d0c-000000000002",
        onchain_id=2,
        tick=Decimal("0.1"),
        lot=Decimal("0.001"),
        most=Decimal(1000),
    ),
    "BTCUSD": Product(
        ticker="BTCUSD",
        base="BTC",
        product_id="bc7d5575-3711-4532-a000-312bfacfb767",
        onchain_id=1,
        tick=Decimal(1),
        lot=Decimal("0.00001"),
        most=Decimal(1000),
    ),
}


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(
        self, status: int, message: str, kind: str = "", retry_after_s: int | None = None
    ) -> None:
        self.status, self.message, self.kind = status, message, kind
        self.retry_after_s = retry_after_s
        super().__init__(message)

    @property
    def title(self) -> str:
        return _TITLES[self.status]


LINK_LIFE_MS: Final = 90 * 86_400_000


@dataclass(slots=True)
class Faults(CommonFaults):
    """What goes wrong beside, until it is turned off again. A lost reply and a swallowed order are
    answered with 504, what is too much with 429."""

    lost_after_s: float = 0.0
    cancels_not_found: int = 0
    """So many cancels answer NotFound and leave the order, as while it is in flight."""
    results: deque[str] = field(default_factory=deque)
    """The next orders are created and end at once with these."""
    codes: deque[str] = field(default_factory=deque)
    """The next orders are refused with 422 and these."""
    slow_index: bool = False
    """For a second after an order came no list and no client id finds it."""
    late_fills_s: float = 0.0
    """Fills are listed so much later than they happen."""
    late_positions_s: float = 0.0
    hidden_collateral: bool = False
    """The collateral's balance answers 503, the position as ever."""
    skipped_books: int = 0
    """So many changes of a book are never pushed."""
    suspended: bool = False
    maintenance: bool = False
    """Writes answer 503."""
    self_trades: bool = False
    """Two orders of one subaccount that meet trade, instead of the resting one being cancelled."""
    foreign_contract: bool = False
    inactive: bool = False


@dataclass(slots=True, kw_only=True)
class Order(CommonOrder):
    product: Product
    nonce: str
    sender: str
    expiry_s: int
    updated_ms: int
    post_only: bool = True
    status: str = "NEW"
    reason: str = ""

    @property
    def side(self) -> int:
        return 0 if self.direction == "buy" else 1

    @property
    def works(self) -> bool:
        return self.status in ("NEW", "FILLED_PARTIAL")


@dataclass(slots=True, kw_only=True)
class Trader:
    """An owner with one subaccount, and the keys that may sign for it."""

    owner: str
    subaccount_id: int
    name: str
    signers: set[str]
    link_status: str = "ACTIVE"
    link_ends_ms: int = field(default_factory=lambda: int(time.time() * 1000) + LINK_LIFE_MS)
    """Of every linked signer."""
    collateral: Decimal = Decimal(1_000_000)
    positions: dict[str, Decimal] = field(default_factory=dict)
    """Signed, by ticker."""
    history: list[tuple[int, str, Decimal]] = field(default_factory=list)
    """(time, ticker, position from then on)."""

    def may_sign(self, address: str, now_ms: int) -> bool:
        linked = self.link_status == "ACTIVE" and now_ms < self.link_ends_ms
        return address in self.signers and (linked or address == self.owner)

    @property
    def uuid(self) -> str:
        return str(uuid.UUID(int=self.subaccount_id))

    @property
    def word(self) -> str:
        return "0x" + self.name.encode().ljust(32, b"\0").hex()

    @property
    def position(self) -> Decimal:
        """Of the first product."""
        return self.positions.get("ETHUSD", Decimal(0))

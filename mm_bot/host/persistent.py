"""What survives a restart, as values; `state_text` is its text, and `state_file` where that stands.

None of it is the truth about live orders (Postgres and the chain are). It keeps nonces unique,
books continuous, and it is what the kill switch cancels from while Postgres is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mm_bot.core.instrument import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class StateIdentity:
    """Whose state it is. A file that names another is not ours to continue."""

    chain_id: int
    owner: str
    """Address; compared in lower case."""
    market: str
    subaccount_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOrder:
    """An order that may still be live: enough to cancel it without Postgres, and to count it in
    every limit until its row is read. Human price, and what is left as size and worth; zero where
    it was not known."""

    order_id: str
    nonce: int
    expiry_s: int
    price: Decimal = Decimal(0)
    size: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """A signature that the order table may not show, with what is left of it."""

    order_id: str
    side: str
    size: Decimal
    notional: Decimal
    expiry_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedSide:
    """How much may have been signed of one side beside what is listed."""

    size: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How much may have been signed beside what is listed, none of it to expire later."""

    buy: AllowedSide = AllowedSide()
    sell: AllowedSide = AllowedSide()
    expiry_s: int = 0

    def side(self, side: Side) -> AllowedSide:
        return self.buy if side is Side.BUY else self.sell

    def widened(self, side: Side, wanted: AllowedSide, expiry_s: int) -> Allowance:
        """With no less than that on one side, and no earlier an expiry."""
        known = self.side(side)
        grown = AllowedSide(
            size=max(known.size, wanted.size), notional=max(known.notional, wanted.notional)
        )
        latest_s = max(self.expiry_s, expiry_s)
        if side is Side.BUY:
            return Allowance(buy=grown, sell=self.sell, expiry_s=latest_s)
        return Allowance(buy=self.buy, sell=grown, expiry_s=latest_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class InventorySnapshot:
    """The inventory as last seen on chain: base units, signed."""

    inventory: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedPrice:
    """A reference price that was believed, human, and when."""

    price: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersistentState:
    """All of it. The three nonce fields only ever grow (`StateFile` sees to that)."""

    nonce_reserved_until: int = 0
    """Every nonce below may have been used."""
    next_buy_nonce: int = 0
    """One above the last nonce that a bid got."""
    next_sell_nonce: int = 0
    last_submitted_bid_order_id: str | None = None
    last_submitted_ask_order_id: str | None = None
    last_adopted_bid_order_id: str | None = None
    last_adopted_ask_order_id: str | None = None
    last_halt_reason: str | None = None
    last_inventory_snapshot: InventorySnapshot | None = None
    live_orders: tuple[LiveOrder, ...] = ()
    signed_orders: tuple[SignedOrder, ...] = ()
    allowance: Allowance = Allowance()
    """See `host/signing.py`."""
    books: Mapping[str, object] = field(default_factory=dict)
    """Running totals; JSON values whose meaning belongs to who keeps them."""
    fills_cursor: int | None = None
    """Highest trade id whose fills are in `books`."""
    accepted_prices: Mapping[str, AcceptedPrice] = field(default_factory=dict)
    """The last accepted price of each outside source."""
    strategy: Mapping[str, object] = field(default_factory=dict)
    """What the strategy keeps, by the name of each step; JSON values of its own."""

    @property
    def nonce_floor(self) -> int:
        """The least nonce that was certainly never used."""
        return max(self.nonce_reserved_until, self.next_buy_nonce, self.next_sell_nonce)

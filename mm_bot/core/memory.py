"""What the bot knows from one cycle to the next, as one frozen value.

Start-up is the first cycle with an empty memory. Nothing here is the truth about live orders: the
order table is; memory holds what the table cannot tell, such as outcomes that are still unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mm_bot.core.exact import NO_SIZE, Amount, Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import OpenOrder, Stage
from mm_bot.core.liability import Signatures
from mm_bot.core.orders import OrderId
from mm_bot.core.plan import Slot
from mm_bot.core.quoting import Kept
from mm_bot.core.risk import Halt, HaltReason
from mm_bot.core.settlement import Settlements


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A price that was believed, and when; unix milliseconds of our clock."""

    price: Price
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Times are unix milliseconds."""

    started_ms: int
    startup: bool = True
    """Start-up reconciliation is not finished: no read yet, or one of its cancels is unproven."""
    open_orders: tuple[OpenOrder, ...] = ()
    signatures: Signatures = field(default_factory=dict)
    signed_elsewhere: Signatures = field(default_factory=dict)
    """In other markets of the subaccount."""
    signatures_known: bool = False
    """Whether the signatures of earlier processes were read."""
    last_replace_ms: Mapping[Slot, int] = field(default_factory=dict)
    refused_until_ms: Mapping[Slot, int] = field(default_factory=dict)
    replace_cancels_ms: tuple[int, ...] = ()
    """When each counted cancel of the last 60 seconds was sent, the oldest first."""
    reductions_ms: tuple[int, ...] = ()
    """When each forced reduction of the last hour was sent, whatever became of it."""
    fill_totals: FillTotals = field(default_factory=FillTotals)
    strategy: Kept = field(default_factory=Kept)
    settlements: Settlements = field(default_factory=dict)
    """Orders with fills, until the chain shows all of them."""
    fills_since_ms: int | None = None
    """When the fills began to be followed, with no state file to go on from: those before are known
    to nobody but the balances. None once balances were read after it."""
    last_fill_seen_ms: int | None = None
    last_fill_made_ms: int | None = None
    """When the newest fill was made, by the exchange's clock."""
    halts: tuple[Halt, ...] = ()
    last_halt_reason: HaltReason | None = None
    last_reference: Accepted | None = None
    """The last one there was, of whatever source."""
    degraded: tuple[str, ...] = ()
    """Names of the causes for which a side was not quoted in the last cycle (`degrade.py`)."""
    last_submitted: Mapping[Side, str] = field(default_factory=dict)
    last_adopted: Mapping[Side, str] = field(default_factory=dict)
    last_quote_update_ms: int | None = None
    orders_read_ms: int | None = None
    contradictions: Mapping[str, int] = field(default_factory=dict)
    """Since when book and rows disagree about an order of ours, by what about it."""
    retired: Mapping[str, int] = field(default_factory=dict)
    """Orders of ours known to be dead, and when we learned it."""
    inventory: Size | None = None
    inventory_at_ms: int | None = None
    """When `inventory` last changed, by our clock."""
    accepted: Mapping[str, Accepted] = field(default_factory=dict)
    """The last accepted price of each outside source: a witness for the next process."""


def remembered(
    order_id: str, *, price: Price, size: Size, notional: Amount, expiry_ms: int, now_ms: int
) -> OpenOrder | None:
    """An order that a state file names as possibly live, as it was last known (zeros where it was
    not): its id is enough to cancel it and to ask for its row. None for an id that is not of the
    convention."""
    parts = OrderId.parse(order_id)
    if parts is None:
        return None
    return OpenOrder(
        order_id=order_id,
        nonce=parts.nonce,
        side=parts.side,
        price=price,
        size=size,
        notional=notional,
        lot=NO_SIZE,
        created_ms=now_ms,
        expiry_ms=expiry_ms,
        stage=Stage.UNKNOWN,
        sends=0,
        next_send_ms=now_ms,
    )

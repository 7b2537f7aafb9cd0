"""Every order of ours that may be live: what we sent, what we know of it, and how it ended.

Entry point: `track`, which brings the ledger up to date with one read of the order table.

Invariants:
1. An order leaves the ledger only by evidence: a terminal row, a definite refusal, its nonce
   in other hands, or time past which no request for it can still arrive.
2. `matching` is live; so is an order whose row was not read.
3. A cancel's acknowledgement frees the slot; a row read later as live takes it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from mm_bot.core.again import again
from mm_bot.core.changed import changed
from mm_bot.core.commands import PreparedOrder
from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder
from mm_bot.core.snapshot import IdLookup, OwnOrders, Part

ARRIVAL_GRACE_MS = 5_000
"""How long after its expiry a signed order may still turn up: clocks differ, requests linger."""
UNHEARD_MS = 60_000
"""How long after its last sending a request may still be on its way, inside whatever stands between
us and the exchange. Past it, and without a row, it never arrived."""
DEAD_AFTER_MS = 30_000
"""How long after its expiry a row may still say `active` or `matching`. Expiry is lazy and does not
touch `matching`, which nothing recovers once the matcher died; no signature trades that late."""
STUCK_AFTER_MS = 5_000
"""How long an order may be `matching` before it counts as stuck: a slow match takes seconds."""
LOST_REQUEST_MS = 5_000
"""How long after its process died a request may still turn up, the grace aside."""


class Stage(Enum):
    UNKNOWN = "unknown"
    """Sent; nothing proves that it arrived or that it did not."""
    ACCEPTED = "accepted"
    """The exchange said 201; its row was not read yet."""
    LIVE = "live"
    """Its row was read as live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """One order of this market that may be live. Sizes are what is left."""

    order_id: str
    nonce: int
    side: Side
    price: Price
    size: Size
    notional: Amount
    lot: Size
    created_ms: int
    """By our clock, so that its age is right: when it was sent, or its row's time where it was
    found."""
    expiry_ms: int
    stage: Stage
    signed: PreparedOrder | None = None
    """The bytes to send again while the outcome is unknown; None for adopted orders."""
    conflict: bool = False
    """A 409 came back: somebody holds this id or nonce, the order table will say who."""
    resend_refused: bool = False
    """Bytes sent again were refused, which says nothing of the first sending: if the next read has
    no row, there is none."""
    sends: int = 1
    """By this process, or 1 where only its row tells; 0 where a state file names it."""
    next_send_ms: int = 0
    cancels: int = 0
    next_cancel_ms: int = 0
    cancel_acked_ms: int | None = None
    replaces: str | None = None
    """The order whose slot, or place, it took; None where it came into an empty one or was found.
    """
    reduces: bool = False
    """A forced reduction; it is known as one to the process that sent it alone."""
    cancel_category: str | None = None
    """What the last cancel was counted as."""
    ack_contradicted: bool = False
    """Its row was read as live after its cancel had been acknowledged."""
    matching_since_ms: int | None = None
    """Since when every read of its row has shown `matching`."""
    absent_since_ms: int | None = None
    """Since when reads of the order table lack a row that should be there."""

    @property
    def cancel_acked(self) -> bool:
        return self.cancel_acked_ms is not None

    @property
    def nonce_in_doubt(self) -> bool:
        """The first sending already met a 409: another order holds the nonce. A cancel names only
        owner and nonce, so it would hit that one."""
        return self.conflict and self.sends == 1


class Ending(Enum):
    """How an order left the ledger."""

    FILLED = "filled"
    CANCELLED_BY_US = "cancelled"
    CANCELLED_ELSEWHERE = "cancelled_elsewhere"
    EXPIRED = "expired"
    NEVER_ARRIVED = "never_arrived"
    NONCE_TAKEN = "nonce_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An order that is known to be dead, and how we know. `cancel_proven` is a cancel of ours
    whose acknowledgement was lost and which the row now proves."""

    order: OpenOrder
    ending: Ending
    cancel_proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """The ledger after one read."""

    open_orders: tuple[OpenOrder, ...]
    ended: tuple[Ended, ...]
    unmanaged: tuple[RestingOrder, ...]
    """Own live rows here that are not managed by us: protected, foreign or malformed ids."""


def track(
    open_orders: tuple[OpenOrder, ...], part: Part[OwnOrders], now_ms: int, expiry_clock_ms: int
) -> Tracked:
    """The ledger brought up to date; unchanged where the order table was not read. What is past by
    `expiry_clock_ms` has expired: the earlier of our clock, `now_ms`, and the block's."""
    read, read_ms = part.value, part.as_of_ms
    if read is None or read_ms is None or as_known(open_orders, read.rows):
        return Tracked(open_orders=open_orders, ended=(), unmanaged=())
    return followed(open_orders, read, read_ms, now_ms, expiry_clock_ms)


def followed(
    open_orders: tuple[OpenOrder, ...],
    read: OwnOrders,
    read_ms: int,
    now_ms: int,
    expiry_clock_ms: int,
) -> Tracked:
    """The same of a read that began at `read_ms`, each order by its row."""
    rows = {row.order_id: row for row in read.rows}
    foreign = {lookup.order_id for lookup in read.lookups if lookup.foreign}
    taken = {lookup.nonce: lookup for lookup in read.lookups}
    kept: list[OpenOrder] = []
    ended: list[Ended] = []
    for known in open_orders:
        row = rows.pop(known.order_id, None)
        if row is not None and row.live:
            kept.append(_seen(known, row, read_ms))
        elif row is not None:
            ended.append(_ended(known, row))
        elif known.order_id in foreign or _nonce_taken(known, taken):
            ended.append(Ended(order=known, ending=Ending.NONCE_TAKEN))
        elif known.resend_refused or _unheard(known, now_ms):
            ended.append(Ended(order=known, ending=Ending.NEVER_ARRIVED))
        elif expiry_clock_ms > known.expiry_ms + ARRIVAL_GRACE_MS:
            arrived = known.stage is not Stage.UNKNOWN
            ending = Ending.EXPIRED if arrived else Ending.NEVER_ARRIVED
            ended.append(Ended(order=known, ending=ending))
        else:
            kept.append(_absent(known, read_ms))
    unknown_rows = [row for row in rows.values() if row.live]
    managed = [row for row in unknown_rows if row.ownership is Ownership.MANAGED]
    kept.extend(_discovered(row) for row in managed)
    unmanaged = [row for row in unknown_rows if row.ownership is not Ownership.MANAGED]
    return Tracked(
        open_orders=tuple(sorted(kept, key=lambda c: c.order_id)),
        ended=tuple(ended),
        unmanaged=tuple(sorted(unmanaged, key=lambda row: row.order_id)),
    )


def _unheard(known: OpenOrder, now_ms: int) -> bool:
    """Whether it never arrived, by our own clock: no request for it can still be on its way."""
    within_ms = UNHEARD_MS if known.sends else LOST_REQUEST_MS + ARRIVAL_GRACE_MS
    return known.stage is Stage.UNKNOWN and now_ms > known.next_send_ms + within_ms


@again(1)
def as_known(open_orders: tuple[OpenOrder, ...], rows: tuple[RestingOrder, ...]) -> bool:
    """Whether each of them, sorted by id, has its row, which says nothing new, and no other row is
    there: then nothing changes, whatever was asked about besides. The fast path of `followed`."""
    by_id = {row.order_id: row for row in rows}
    ids = [known.order_id for known in open_orders]
    return (
        len(rows) == len(open_orders)
        and ids == sorted(by_id)
        and all(says_nothing_new(known, by_id[known.order_id]) for known in open_orders)
    )


def without_dead_rows(read: OwnOrders, expiry_clock_ms: int) -> OwnOrders:
    """The same read, rows long past their expiry as what they are, whatever their status says."""
    dead = [
        row for row in read.rows if expiry_clock_ms > row.expiry_ms + DEAD_AFTER_MS and row.live
    ]
    if not dead:
        return read
    rows = (changed(r, status=OrderStatus.EXPIRED) if r in dead else r for r in read.rows)
    return changed(read, rows=tuple(rows))


def stuck(known: OpenOrder, now_ms: int) -> bool:
    """Whether the exchange's matcher holds an order so long that it cannot be a slow match."""
    since_ms = known.matching_since_ms
    return since_ms is not None and now_ms - since_ms > STUCK_AFTER_MS


def _discovered(row: RestingOrder) -> OpenOrder:
    return OpenOrder(
        order_id=row.order_id,
        nonce=row.nonce,
        side=row.side,
        price=row.price,
        size=row.size,
        notional=row.notional,
        lot=row.lot,
        created_ms=row.created_ms,
        expiry_ms=row.expiry_ms,
        stage=Stage.LIVE,
    )


def _seen(known: OpenOrder, row: RestingOrder, read_ms: int) -> OpenOrder:
    return known if says_nothing_new(known, row) else updated(known, row, read_ms)


def updated(known: OpenOrder, row: RestingOrder, read_ms: int) -> OpenOrder:
    """With what its live row says."""
    acked = known.cancel_acked_ms
    contradicted = acked is not None and read_ms > acked
    matching = row.status is OrderStatus.MATCHING
    matching_since_ms = (known.matching_since_ms or read_ms) if matching else None
    if not matching and known.matching_since_ms is not None:  # given back: cancels wait no longer
        known = changed(known, next_cancel_ms=0)
    return changed(
        known,
        side=row.side,
        price=row.price,
        size=row.size,
        notional=row.notional,
        lot=row.lot,
        created_ms=known.created_ms if known.sends else row.created_ms,
        expiry_ms=row.expiry_ms,
        stage=Stage.LIVE,
        signed=None,
        conflict=False,
        resend_refused=False,
        absent_since_ms=None,
        matching_since_ms=matching_since_ms,
        cancel_acked_ms=None if contradicted else acked,
        ack_contradicted=known.ack_contradicted or contradicted,
    )


def says_nothing_new(known: OpenOrder, row: RestingOrder) -> bool:
    """The fast path of `updated`: whether that would change nothing. Most rows are such, most of
    the time."""
    told = (row.price, row.size, row.notional, row.lot, row.expiry_ms, row.side)
    return (
        (known.price, known.size, known.notional, known.lot, known.expiry_ms, known.side) == told
        and row.status is OrderStatus.ACTIVE
        and known.stage is Stage.LIVE
        and (known.sends > 0 or known.created_ms == row.created_ms)
        and known.cancel_acked_ms is None
        and known.absent_since_ms is None
        and known.matching_since_ms is None
        and known.signed is None
        and not (known.conflict or known.resend_refused)
    )


def _absent(known: OpenOrder, read_ms: int) -> OpenOrder:
    if known.stage is Stage.UNKNOWN or known.absent_since_ms is not None:
        return known
    return changed(known, absent_since_ms=read_ms)


def _ended(known: OpenOrder, row: RestingOrder) -> Ended:
    if row.status is OrderStatus.FILLED:
        return Ended(order=known, ending=Ending.FILLED)
    if row.status is OrderStatus.EXPIRED:
        return Ended(order=known, ending=Ending.EXPIRED)
    if known.cancels == 0:
        return Ended(order=known, ending=Ending.CANCELLED_ELSEWHERE)
    return Ended(
        order=known,
        ending=Ending.CANCELLED_BY_US,
        cancel_proven=not known.cancel_acked,
    )


def _nonce_taken(known: OpenOrder, taken: Mapping[int, IdLookup]) -> bool:
    lookup = taken.get(known.nonce)
    return known.conflict and lookup is not None and lookup.order_id != known.order_id

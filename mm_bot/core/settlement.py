"""Own fills between the order table and the chain.

The table tells a fill before the chain has it: the executor waits for no receipt, nodes lag, and a
match that was booked can still revert. The chain's own count of an order (`TradeModule.filled`),
read at the very block of the balances, says what those balances contain. Amounts are steps, the
whole numbers that orders are counted in: steps of the grid, which is on the quote or the base.

Invariants (behaviour.md section 2):
1. What the row of an order says is filled and the chain's count lacks is pending: exposure and
   headroom take it as bought for bids and as sold for asks, whichever is worse.
2. Pending ends by the chain's count, or as reverted once blocks went on for `REVERTED_AFTER_MS`
   without it. What reverted leaves the books, and returns to them should it settle after all. A
   chain that takes back a block takes back its counts: what they proved is pending again.
3. An order with fills, a live one that we do not manage, or one that the matcher holds past its
   expiry, is remembered, over restarts too, until nothing of it can fill any more and its row, the
   rows of its fills and the chain agree. What its row or the chain has and no row of a fill is
   owed: it is looked for far behind the cursor (`fills.py`), and counted once.
4. A disagreement that outlives `DISAGREES_AFTER_MS` is a halt, for as long as it lasts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.again import again
from mm_bot.core.changed import changed
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.liability import Signatures
from mm_bot.core.orders import OrderId, Ownership, RestingOrder
from mm_bot.core.snapshot import Balances, Fill

REVERTED_AFTER_MS = 60_000
"""A match that the chain does not show that long after its row was seen is taken as reverted, by
our clock and by the blocks' times: neither a step of ours nor a node that stands still counts."""
DISAGREES_AFTER_MS = 600_000
"""How long the row of a fill may be late before it counts as lost. The latest seen took 130 s."""
EXPIRED_AFTER_MS = 60_000
"""How long after its expiry, by block time, nothing of an order can fill any more."""
NO_PRICE = Price(Decimal(0))
FORGOTTEN_AFTER_MS = 600_000
"""How long after its expiry, by block time, an order's reverted match is still looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """One order with fills. `filled` by its row, `settled` by the chain, in steps."""

    nonce: int
    side: Side
    price: Price
    lot: Size
    """One step as a size."""
    filled: int
    settled: int
    asked: bool
    """Whether the chain was asked yet."""
    since_ms: int
    """When `filled` last grew, by our clock."""
    since_block_ms: int | None
    """Time of the first block seen from then on."""
    expiry_ms: int
    unbooked: int = 0
    """Filled before the books began. Which match of an order reverted no count tells: of one that
    has such fills, these are taken to be the ones."""
    reverted: int = 0
    booked: int = 0
    """Filled by the rows of its fills that were counted."""
    trades: frozenset[int] = frozenset()
    """The trades that `booked` is the sum of, as far as this was followed."""
    counts_after: int = 0
    """No trade up to this one is counted any more, because nobody knows whether it was."""
    odd_since_ms: int | None = None
    """Since when it disagrees, by our clock; None where it does not."""

    @property
    def owed(self) -> int:
        """Filled by its row and by no row of a fill."""
        return max(0, self.filled - self.unbooked - self.booked)

    @property
    def odd(self) -> bool:
        """Whether one tells of a fill that another will never show by itself. Of each trade a step
        may be lost by rounding."""
        return self.owed > len(self.trades) or self.settled > max(self.filled, self.unbooked)

    @property
    def pending(self) -> int:
        return max(0, self.filled - self.settled - self.reverted)

    @property
    def unsettled(self) -> int:
        """What the row lacks and the signature can still fill."""
        return max(0, self.filled - self.settled)

    def size(self, steps: int) -> Size:
        return self.lot.times(Decimal(steps))

    def notional(self, market: Instrument, steps: int) -> Amount:
        if market.notional_step is not None:
            return market.notional_step.times(Decimal(steps))
        return market.notional(self.price, self.size(steps))


Settlements = Mapping[str, Settlement]
"""By order id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was known before an order's fills were first seen."""

    cursor: int | None
    """The fills' cursor; None where no fill was counted yet."""
    newest_trade_id: int | None
    """Of the exchange; None where it has none."""
    continued: bool
    """A first read, of a process that goes on with the books of an earlier one."""
    live: Collection[str]
    """Orders that were remembered as possibly live, and as nothing more."""
    taken_out: Mapping[str, int]
    """What left the books as reverted, over restarts, by order id."""
    signatures: Signatures

    def of(self, entry: Settlement, order_id: str) -> Settlement:
        """The new entry with what is known of the fills that it has already."""
        entry = changed(entry, reverted=self.taken_out.get(order_id, 0))
        if self.cursor is None:
            return changed(entry, unbooked=entry.filled, counts_after=self.newest_trade_id or 0)
        if self.continued and order_id not in self.live:
            return changed(entry, booked=entry.filled, counts_after=self.cursor)
        return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What the balances may lack, each side by itself."""

    bought: Size = NO_SIZE
    bought_for: Amount = NO_AMOUNT
    sold: Size = NO_SIZE


def settle(
    known: Settlements,
    rows: tuple[RestingOrder, ...],
    fills: Iterable[Fill],
    balances: Balances | None,
    now_ms: int,
    *,
    past: Past,
    held: Collection[str] = (),
) -> dict[str, Settlement]:
    """What is known after one observation. `held` are orders in the matcher's hands past their
    expiry: no match can begin, but one that began may still be booked."""
    entries = dict(known)
    done = set()
    for row in rows if known or held else _telling(rows):
        managed = row.ownership is Ownership.MANAGED
        untouched = not (managed or row.filled_steps)
        late = row.order_id in held
        if not (row.live or late) and (
            not row.size or untouched or _expired(row.expiry_ms, balances)
        ):
            done.add(row.order_id)  # nothing of it can fill any more
        before = entries.get(row.order_id)
        asked = late or (row.live and not managed)  # the ledger asks for the rows of managed ones
        if before is None and not (row.filled_steps or asked):
            continue
        entry = _read(row, before, now_ms)
        if before is None:
            entry = past.of(entry, row.order_id)
        entries[row.order_id] = entry
    for fill in fills:
        entry = entries.get(fill.order_id) or _unread(fill.order_id, fill.side, fill.price, now_ms)
        entries[fill.order_id] = changed(
            entry, booked=entry.booked + fill.steps, trades=entry.trades | {fill.trade_id}
        )
    for order_id, steps in (balances.settled if balances is not None else {}).items():
        signed = past.signatures.get(order_id)
        if steps and signed is not None and order_id not in entries:
            entries[order_id] = _unread(order_id, signed.side, NO_PRICE, now_ms)
    found = {}
    for order_id, entry in entries.items():
        judged = _judged(entry, order_id, balances, now_ms)
        over = order_id in done and not judged.unsettled and not judged.odd
        was_out = order_id in known and known[order_id].reverted  # the books hear of its return
        if (not over or was_out) and (judged.odd or not _forgotten(judged, balances)):
            found[order_id] = judged
    return found


@again(1)
def _telling(rows: tuple[RestingOrder, ...]) -> tuple[RestingOrder, ...]:
    """Without those that tell nothing where nothing is known yet: ours that rest untouched."""
    return tuple(
        row
        for row in rows
        if row.filled_steps or not row.live or row.ownership is not Ownership.MANAGED
    )


def disagreeing(settlements: Settlements, now_ms: int) -> dict[str, Settlement]:
    """Those that have disagreed for too long."""
    return {
        order_id: entry
        for order_id, entry in settlements.items()
        if entry.odd_since_ms is not None and now_ms - entry.odd_since_ms > DISAGREES_AFTER_MS
    }


def pending(settlements: Settlements, market: Instrument) -> Pending:
    """The sum of what the balances may lack."""
    found = Pending()
    for entry in settlements.values():
        steps = entry.pending
        if not steps:
            continue
        if entry.side is Side.BUY:
            found = changed(
                found,
                bought=found.bought + entry.size(steps),
                bought_for=found.bought_for + entry.notional(market, steps),
            )
        else:
            found = changed(found, sold=found.sold + entry.size(steps))
    return found


def lacking(settlements: Settlements, market: Instrument) -> Pending:
    """The part of it that the chain was asked about: what these very balances do lack."""
    return pending({k: entry for k, entry in settlements.items() if entry.asked}, market)


def told_beside(fill: Fill, settlements: Settlements, balances: Balances | None) -> bool:
    """Whether the chain was asked about its order at the balances' very block, and the order's row
    has it: then the balances contain the fill, or it is pending by invariant 1."""
    if balances is None or fill.order_id not in balances.settled:
        return False
    entry = settlements.get(fill.order_id)
    return entry is None or entry.filled >= entry.unbooked + entry.booked


def unasked(settlements: Settlements) -> bool:
    """Whether the chain was not asked yet about one of them."""
    return any(entry.pending and not entry.asked for entry in settlements.values())


def unsettled(settlements: Settlements, market: Instrument) -> dict[str, tuple[Size, Amount]]:
    """By order id, what its signature can fill beside what its row has left, and its worth."""
    return {
        order_id: (entry.size(entry.unsettled), entry.notional(market, entry.unsettled))
        for order_id, entry in settlements.items()
        if entry.unsettled
    }


def _expired(expiry_ms: int, balances: Balances | None) -> bool:
    return balances is not None and balances.block_time_ms > expiry_ms + EXPIRED_AFTER_MS


def _read(row: RestingOrder, before: Settlement | None, now_ms: int) -> Settlement:
    if before is None:
        before = _unread(row.order_id, row.side, row.price, now_ms)
    grown = row.filled_steps > before.filled
    return changed(
        before,
        nonce=row.nonce,
        side=row.side,
        price=row.price,
        lot=row.lot,
        filled=max(row.filled_steps, before.filled),
        since_ms=now_ms if grown else before.since_ms,
        since_block_ms=None if grown else before.since_block_ms,
        expiry_ms=row.expiry_ms,
    )


def _unread(order_id: str, side: Side, price: Price, now_ms: int) -> Settlement:
    """An order whose row is not read yet: the next read asks for it."""
    parts = OrderId.parse(order_id)
    return Settlement(
        nonce=0 if parts is None else parts.nonce,
        side=side,
        price=price,
        lot=NO_SIZE,
        filled=0,
        settled=0,
        asked=False,
        since_ms=now_ms,
        since_block_ms=None,
        expiry_ms=now_ms,
    )


def _judged(entry: Settlement, order_id: str, balances: Balances | None, now_ms: int) -> Settlement:
    if balances is None:
        return entry
    count, block_ms = balances.settled.get(order_id), balances.block_time_ms
    if count is not None:
        if count < entry.settled:  # the block that had it is no longer the chain's: it waits anew
            entry = changed(entry, since_ms=now_ms, since_block_ms=block_ms)
        entry = changed(entry, settled=count, asked=True)
    if entry.since_block_ms is None:
        entry = changed(entry, since_block_ms=block_ms)
    passed_ms = min(now_ms - entry.since_ms, block_ms - (entry.since_block_ms or block_ms))
    late = entry.asked and passed_ms > REVERTED_AFTER_MS
    reverted = entry.unsettled if late else min(entry.reverted, entry.unsettled)
    odd_since_ms = entry.odd_since_ms if entry.odd_since_ms is not None else now_ms
    return changed(entry, reverted=reverted, odd_since_ms=odd_since_ms if entry.odd else None)


def _forgotten(entry: Settlement, balances: Balances | None) -> bool:
    return balances is not None and balances.block_time_ms > entry.expiry_ms + FORGOTTEN_AFTER_MS

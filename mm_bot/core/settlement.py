"""Own fills between the order table and the chain.

The table tells a fill before the chain has it: the executor waits for no receipt, nodes lag, and a
match that was booked can still revert. The chain's own count of an order (`TradeModule.filled`),
read at the very block of the balances, says what those balances contain. Amounts are steps, the
whole numbers that orders are counted in: one cNGN on spot, one lot on a future.

Invariants (behaviour.md section 2):
1. What the row of an order says is filled and the chain's count lacks is pending: exposure and
   headroom take it as bought for bids and as sold for asks, whichever is worse.
2. Pending ends by the chain's count, or as reverted once blocks went on for `REVERTED_AFTER_MS`
   without it. What reverted leaves the books, and returns to them should it settle after all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import OrderId, RestingOrder
from mm_bot.core.snapshot import Balances, Fill

REVERTED_AFTER_MS = 60_000
"""A match that the chain does not show that long after its row was seen is taken as reverted, by
our clock and by the blocks' times: neither a step of ours nor a node that stands still counts."""
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
    """Filled before the books began."""
    reverted: int = 0

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
        if market.is_spot:
            return Amount(Decimal(steps))
        return market.notional(self.price, self.size(steps))


Settlements = Mapping[str, Settlement]
"""By order id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What the balances may lack, each side by itself."""

    bought: Size = NO_SIZE
    bought_for: Amount = NO_AMOUNT
    sold: Size = NO_SIZE


def settle(
    known: Settlements,
    rows: Iterable[RestingOrder],
    fills: Iterable[Fill],
    balances: Balances | None,
    now_ms: int,
    *,
    books_begin: bool,
    taken_out: Mapping[str, int],
) -> dict[str, Settlement]:
    """What is known after one observation. `books_begin`: no fill was counted before it;
    `taken_out` is what left the books as reverted, over restarts."""
    entries = dict(known)
    dead = set()
    for row in rows:
        if not row.live:
            dead.add(row.order_id)
        before = entries.get(row.order_id)
        if not row.filled_steps and before is None:
            continue
        entry = _read(row, before, now_ms, books_begin=books_begin)
        if before is None:
            entry = replace(entry, reverted=taken_out.get(row.order_id, 0))
        entries[row.order_id] = entry
    for fill in fills:
        parts = OrderId.parse(fill.order_id)
        if fill.order_id not in entries and parts is not None:
            entries[fill.order_id] = _only_filled(fill, parts.nonce, now_ms)
    found = {}
    for order_id, entry in entries.items():
        judged = _judged(entry, order_id, balances, now_ms)
        over = order_id in dead and not judged.unsettled
        was_out = order_id in known and known[order_id].reverted  # the books hear of its return
        if (not over or was_out) and not _forgotten(judged, balances):
            found[order_id] = judged
    return found


def pending(settlements: Settlements, market: Instrument) -> Pending:
    """The sum of what the balances may lack."""
    found = Pending()
    for entry in settlements.values():
        steps = entry.pending
        if not steps:
            continue
        if entry.side is Side.BUY:
            found = replace(
                found,
                bought=found.bought + entry.size(steps),
                bought_for=found.bought_for + entry.notional(market, steps),
            )
        else:
            found = replace(found, sold=found.sold + entry.size(steps))
    return found


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


def _read(
    row: RestingOrder, before: Settlement | None, now_ms: int, *, books_begin: bool
) -> Settlement:
    grown = before is None or row.filled_steps > before.filled
    return Settlement(
        nonce=row.nonce,
        side=row.side,
        price=row.price,
        lot=row.lot,
        filled=row.filled_steps if before is None else max(row.filled_steps, before.filled),
        settled=0 if before is None else before.settled,
        asked=before is not None and before.asked,
        since_ms=before.since_ms if before and not grown else now_ms,
        since_block_ms=before.since_block_ms if before and not grown else None,
        expiry_ms=row.expiry_ms,
        unbooked=before.unbooked if before else row.filled_steps * books_begin,
        reverted=0 if before is None else before.reverted,
    )


def _only_filled(fill: Fill, nonce: int, now_ms: int) -> Settlement:
    """An order whose row is not read yet: the next read asks for it."""
    return Settlement(
        nonce=nonce,
        side=fill.side,
        price=fill.price,
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
    count = balances.settled.get(order_id)
    if count is not None:
        entry = replace(entry, settled=max(entry.settled, count), asked=True)
    block_ms = balances.block_time_ms
    if entry.since_block_ms is None:
        entry = replace(entry, since_block_ms=block_ms)
    passed_ms = min(now_ms - entry.since_ms, block_ms - (entry.since_block_ms or block_ms))
    late = entry.asked and passed_ms > REVERTED_AFTER_MS
    reverted = entry.unsettled if late else min(entry.reverted, entry.unsettled)
    return replace(entry, reverted=reverted)


def _forgotten(entry: Settlement, balances: Balances | None) -> bool:
    return balances is not None and balances.block_time_ms > entry.expiry_ms + FORGOTTEN_AFTER_MS

"""What the books and the liability rest on, as the state file has it: signatures, and orders whose
fills are not settled yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from mm_bot.core.exact import Amount, Price, Size, exact, plain
from mm_bot.core.instrument import Side
from mm_bot.core.liability import Signature, Signed
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderId
from mm_bot.core.settlement import Settlement
from mm_bot.host.persistent import PersistentState, SignedOrder

UNLISTED = "unlisted"
"""What the id of a sum of signatures begins with."""
LISTED = 200
"""Signatures that the state file lists one by one."""
_COUNTS = ("filled", "settled", "unbooked", "reverted", "booked", "counts_after", "expiry_ms")


def signatures(state: PersistentState) -> dict[str, Signature]:
    """Those that the order table may not show, and what may have been signed beside them."""
    found: dict[str, Signature] = {}
    listed = ((order.order_id, _signature(order)) for order in state.signed_orders)
    for name, signature in (*listed, *_allowed(state).items()):
        # Sums of earlier crashes have this one's name where all expire together, as on a future
        # that ends: they add up.
        before = found.get(name)
        found[name] = signature if before is None else _sum(before, signature)
    return found


def _sum(before: Signature, more: Signature) -> Signature:
    return replace(
        before,
        left=before.left + more.left,
        notional=before.notional + more.notional,
        expiry_ms=max(before.expiry_ms, more.expiry_ms),
    )


def told(settlements: Mapping[str, Settlement]) -> list[dict[str, object]]:
    """As JSON has them."""
    return [
        {
            "order_id": order_id,
            "side": entry.side.value,
            "price": plain(entry.price.value),
            "lot": plain(entry.lot.value),
            "trades": sorted(entry.trades),
            "odd_since_ms": entry.odd_since_ms,
            **{name: getattr(entry, name) for name in _COUNTS},
        }
        for order_id, entry in sorted(settlements.items())
    ]


def settlements(state: PersistentState, now_ms: int) -> dict[str, Settlement]:
    """As `told` told them. How long each waits for the chain begins anew; since when it disagrees
    does not, so that no number of restarts puts the halt off, or ends it.

    Raises:
        ValueError, TypeError, KeyError: where `told` would not have written that.
    """
    found = {}
    entries = state.books.get("settlements", [])
    if not isinstance(entries, list):
        raise ValueError(f"settlements is {entries!r:.40}")
    for entry in entries:
        counts = {name: entry[name] for name in _COUNTS}
        for each in (*counts.values(), *entry["trades"]):
            _whole(each)
        odd_since_ms = entry.get("odd_since_ms")  # earlier versions did not write it
        if odd_since_ms is not None:
            odd_since_ms = min(_whole(odd_since_ms), now_ms)
        parts = OrderId.parse(entry["order_id"])
        found[entry["order_id"]] = Settlement(
            nonce=0 if parts is None else parts.nonce,
            side=Side(entry["side"]),
            price=Price(_positive(entry["price"])),
            lot=Size(_positive(entry["lot"])),
            asked=False,
            since_ms=now_ms,
            since_block_ms=None,
            trades=frozenset(entry["trades"]),
            odd_since_ms=odd_since_ms,
            **counts,
        )
    return found


def _whole(number: object) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"settlements has {number!r:.40}")
    return number


def _positive(text: object) -> Decimal:
    value = exact(text) if isinstance(text, str) else Decimal(-1)
    if value < 0:
        raise ValueError(f"settlements has {text!r:.40}")
    return value


def _allowed(state: PersistentState) -> dict[str, Signature]:
    """What the process before may have signed and not listed, as one signature a side."""
    allowance = state.allowance
    found = {}
    for side in Side:
        most = allowance.side(side)
        if most.size:
            found[f"{UNLISTED}:{side.value}:{allowance.expiry_s}"] = Signature(
                side=side,
                left=Size(most.size),
                notional=Amount(most.notional),
                expiry_ms=allowance.expiry_s * 1000,
            )
    return found


def _signature(order: SignedOrder) -> Signature:
    return Signature(
        side=Side(order.side),
        left=Size(order.size),
        notional=Amount(order.notional),
        expiry_ms=order.expiry_s * 1000,
    )


def signed_orders(memory: Memory) -> tuple[SignedOrder, ...]:
    """Signatures that the order table may not show. Of very many the ones that expire first are
    listed as one a side, with the last expiry of them."""
    hidden = list(Signed.of(memory.signatures).hidden.items())
    hidden.sort(key=lambda each: (-each[1].expiry_ms, each[0]))
    single = hidden[:LISTED]
    merged: dict[Side, Signature] = {}
    for _, signature in hidden[LISTED:]:
        before = merged.get(signature.side)
        if before is not None:
            signature = _sum(before, signature)
        merged[signature.side] = signature
    count = len(hidden)
    rest = [(f"{UNLISTED}:{side.value}:{count}", s) for side, s in merged.items()]
    return tuple(
        SignedOrder(
            order_id=order_id,
            side=signature.side.value,
            size=signature.left.value,
            notional=signature.notional.value,
            expiry_s=signature.expiry_ms // 1000,
        )
        for order_id, signature in (*single, *rest)
    )

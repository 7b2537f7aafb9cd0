"""Orders by how far from the price they were: as many in each bucket as in any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from mm_bot.core.commands import NewOrder
from mm_bot.core.exact import Price

BUCKETS: Final = 8
Row = tuple[float, float, float, float]
"""Basis points from the price, lots, and two numbers more."""


def away_bps(order: NewOrder, price: Price) -> float:
    """How far the order is on its own side of the price; below 0 where it is beyond it."""
    mid = float(price.value)
    return (mid - float(order.price.value)) * order.side.sign / mid * 10_000


def buckets(rows: Sequence[Row]) -> Iterator[tuple[dict[str, Any], list[Row]]]:
    """From the nearest on: what to tell of each bucket, and what is in it."""
    ordered = sorted(rows)
    each = max(1, -(-len(ordered) // BUCKETS))
    for i in range(0, len(ordered), each):
        bucket = ordered[i : i + each]
        told = {
            "from_bps": round(bucket[0][0], 4),
            "to_bps": round(bucket[-1][0], 4),
            "orders": len(bucket),
        }
        yield told, bucket


def share(bucket: Sequence[Row], member: int) -> float:
    """That member's sum in lots, of all lots."""
    return round(sum(row[member] for row in bucket) / sum(row[1] for row in bucket), 6)

"""Numbers for fills whose exchange names them by text: the core counts by numbers that grow."""

from __future__ import annotations

import hashlib


def fill_number(trade_id: str, at_ms: int) -> int:
    """Time, then a hash of the id: the same fill has the same number for ever, and later fills have
    higher ones. Below 2**106."""
    digest = hashlib.sha256(trade_id.encode()).digest()
    return (at_ms << 64) | int.from_bytes(digest[:8])


def before(at_ms: int) -> int:
    """A number below that of every fill from `at_ms` on."""
    return max(0, at_ms << 64)


def time_ms(number: int) -> int:
    """When a fill of that number was made."""
    return number >> 64

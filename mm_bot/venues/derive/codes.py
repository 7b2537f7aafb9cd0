"""Error codes that decide more than that something was refused. Source: the vendor's table of
2026-11."""

from __future__ import annotations

from typing import Final

SUBACCOUNT_MISMATCH: Final = 10_003
DENIED: Final = frozenset(
    (
        10_002,  # wallet mismatch
        SUBACCOUNT_MISMATCH,
        14_000,  # account not found
        14_001,  # subaccount not found
        14_014,  # invalid signature
        14_020,  # wallet header: 14020 to 14023
        14_021,
        14_022,
        14_023,
        14_026,  # session key not found
        14_029,  # this machine's address is not on the key's list
        14_030,  # session key expired
        14_031,  # wrong scope
        14_032,  # no administrator
        16_000,  # restricted region
        16_001,  # disabled by compliance
    )
)
"""We are not who we say, or may not: the same again ends the same way."""

"""What `Matching.verifyAndMatch` takes: signed actions, taker first, and the match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

VERIFY_AND_MATCH = (
    "(uint256,uint256,address,bytes,uint256,address,address)[]",
    "bytes[]",
    "bytes",
)
"""The types of its arguments."""
_MATCH = "(uint256,uint256,(uint256,uint256,int256,uint256)[],bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One signed order as the contract takes it."""

    subaccount_id: int
    nonce: int
    module: str
    data: bytes
    expiry: int
    owner: str
    signer: str

    @property
    def members(self) -> tuple[Any, ...]:
        """In the order of the contract's struct."""
        return (
            self.subaccount_id,
            self.nonce,
            self.module,
            self.data,
            self.expiry,
            self.owner,
            self.signer,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What one maker gives or takes; price and amount are chain integers, the fee is cash."""

    filled_account: int
    amount_filled: int
    price: int
    fee: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One taker against its makers, in the order of the actions."""

    taker_account: int
    fills: tuple[Fill, ...]
    taker_fee: int = 0
    manager_data: bytes = b""


def match_arguments(
    actions: Sequence[Action], signatures: Sequence[bytes], match: Match
) -> tuple[list[tuple[Any, ...]], list[bytes], bytes]:
    """The three arguments of `verifyAndMatch`; `actions` is the taker, then a maker for each fill.

    The match travels as bytes: the module decodes them, `Matching` only passes them on.
    """
    fills = [
        (fill.filled_account, fill.amount_filled, fill.price, fill.fee) for fill in match.fills
    ]
    packed = encode([_MATCH], [(match.taker_account, match.taker_fee, fills, match.manager_data)])
    return [action.members for action in actions], list(signatures), packed

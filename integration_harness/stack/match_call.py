"""The call of `Matching.verifyAndMatch`, encoded: signed actions, taker first, and the match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integration_harness.stack.rpc import Word, encode_words, selector

VERIFY_AND_MATCH = selector(
    "verifyAndMatch((uint256,uint256,address,bytes,uint256,address,address)[],bytes[],bytes)"
)
GET_ACTION_HASH = selector("getActionHash((uint256,uint256,address,bytes,uint256,address,address))")


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


def verify_and_match_data(
    actions: Sequence[Action], signatures: Sequence[bytes], match: Match
) -> str:
    """The transaction's input; `actions` is the taker, then a maker for each fill."""
    arguments = _tuple(
        _Tail(_array([_encode_action(action) for action in actions])),
        _Tail(_array([_bytes(signature) for signature in signatures])),
        _Tail(_bytes(_encode_match(match))),
    )
    return VERIFY_AND_MATCH + arguments.hex()


def action_hash_data(action: Action) -> str:
    """The input of `Matching.getActionHash`."""
    return GET_ACTION_HASH + _tuple(_Tail(_encode_action(action))).hex()


@dataclass(frozen=True, slots=True)
class _Tail:
    """A member of variable length: the head holds its offset, it follows behind."""

    content: bytes


def _encode_action(action: Action) -> bytes:
    return _tuple(
        action.subaccount_id,
        action.nonce,
        action.module,
        _Tail(_bytes(action.data)),
        action.expiry,
        action.owner,
        action.signer,
    )


def _encode_match(match: Match) -> bytes:
    fills = b"".join(
        encode_words(fill.filled_account, fill.amount_filled, fill.price, fill.fee)
        for fill in match.fills
    )
    members = _tuple(
        match.taker_account,
        match.taker_fee,
        _Tail(encode_words(len(match.fills)) + fills),
        _Tail(_bytes(match.manager_data)),
    )
    return _tuple(_Tail(members))


def _tuple(*members: Word | _Tail) -> bytes:
    head = b""
    tail = b""
    for member in members:
        if isinstance(member, _Tail):
            head += encode_words(32 * len(members) + len(tail))
            tail += member.content
        else:
            head += encode_words(member)
    return head + tail


def _array(items: Sequence[bytes]) -> bytes:
    """An array whose items are of variable length."""
    return encode_words(len(items)) + _tuple(*(_Tail(item) for item in items))


def _bytes(data: bytes) -> bytes:
    return encode_words(len(data)) + data + b"\0" * (-len(data) % 32)

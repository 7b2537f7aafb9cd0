"""EIP-712 signatures of Ethereal: `TradeOrder` and `CancelOrder`, packed by hand as static words.

Quantities and prices are signed as whole billionths. What is *not* signed is protected by TLS
alone: client id, post-only, time in force, expiry, and which orders a cancel names. The vendor's
vectors pin the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mm_bot.fields.keccak import keccak_256
from mm_bot.venues.signing import Signer, address_word, bool_word, uint_word

ORDER_FIELDS: Final = (
    "address sender, bytes32 subaccount, uint128 quantity, uint128 price, bool reduceOnly, "
    "uint8 side, uint8 engineType, uint32 productId, uint64 nonce, uint64 signedAt"
)
CANCEL_FIELDS: Final = "address sender, bytes32 subaccount, uint64 nonce"
NAME: Final = "Ethereal"
VERSION: Final = "1"
PERPETUALS: Final = 0
"""The engine type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOrder:
    """An order as it is signed. `sender` is the address that signs, the owner's or a linked
    signer's; `subaccount` is always the owner's."""

    sender: str
    subaccount: bytes
    quantity: int
    price: int
    reduce_only: bool
    side: int
    product_id: int
    nonce: int
    signed_at_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """A cancel as it is signed, of whichever orders."""

    sender: str
    subaccount: bytes
    nonce: int


class Domain:
    """The signing domain of one network."""

    __slots__ = ("separator",)

    def __init__(self, *, chain_id: int, contract: str) -> None:
        self.separator: Final = keccak_256(
            _DOMAIN_TYPE
            + keccak_256(NAME.encode())
            + keccak_256(VERSION.encode())
            + uint_word(chain_id)
            + address_word(contract)
        )

    def sign_order(self, signer: Signer, order: TradeOrder) -> str:
        """65 bytes in hexadecimal digits, with 0x."""
        return "0x" + signer.sign(self.order_digest(order)).hex()

    def sign_cancel(self, signer: Signer, cancel: CancelOrder) -> str:
        return "0x" + signer.sign(self.cancel_digest(cancel)).hex()

    def order_digest(self, order: TradeOrder) -> bytes:
        return self._digest(
            _ORDER_TYPE
            + address_word(order.sender)
            + _word(order.subaccount)
            + _uint(order.quantity, 128)
            + _uint(order.price, 128)
            + bool_word(order.reduce_only)
            + _uint(order.side, 8)
            + _uint(PERPETUALS, 8)
            + _uint(order.product_id, 32)
            + _uint(order.nonce, 64)
            + _uint(order.signed_at_s, 64)
        )

    def cancel_digest(self, cancel: CancelOrder) -> bytes:
        return self._digest(
            _CANCEL_TYPE
            + address_word(cancel.sender)
            + _word(cancel.subaccount)
            + _uint(cancel.nonce, 64)
        )

    def _digest(self, struct: bytes) -> bytes:
        return keccak_256(b"\x19\x01" + self.separator + keccak_256(struct))


def _uint(value: int, bits: int) -> bytes:
    if type(value) is int and value >> bits:
        raise ValueError(f"{value} is no uint{bits}")
    return uint_word(value)


def _word(value: bytes) -> bytes:
    if len(value) != 32:
        raise ValueError("a bytes32 has 32 bytes")
    return value


def _type(name: str, fields: str) -> bytes:
    return keccak_256(f"{name}({fields.replace(', ', ',')})".encode())


_DOMAIN_TYPE: Final = keccak_256(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_ORDER_TYPE: Final = _type("TradeOrder", ORDER_FIELDS)
_CANCEL_TYPE: Final = _type("CancelOrder", CANCEL_FIELDS)

"""The bytes behind a signature: TradeData, Action and Cancel, hashed and recovered.

Used by the two servers of the exchange (the API checks, the matcher submits). Clients sign with
an independent typed-data library in `orders`, so that each side checks the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import coincurve
import sha3

_WORD: Final = 32
_TRADE_DATA_BYTES: Final = 7 * _WORD
_SIGNATURE_BYTES: Final = 65
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def keccak_256(data: bytes) -> bytes:
    """Ethereum's hash."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


def selector(signature: str) -> str:
    """The first four bytes of a function's hash, as 0x hex."""
    return "0x" + keccak_256(signature.encode())[:4].hex()


def word(value: int) -> bytes:
    """One ABI word of a signed or an unsigned number."""
    return (value % 2**256).to_bytes(_WORD, "big")


def address_word(address: str) -> bytes:
    """One ABI word of an address; raises ValueError where it is none."""
    raw = bytes.fromhex(address.removeprefix("0x"))
    if len(raw) != 20:
        raise ValueError("an address has 20 bytes")
    return raw.rjust(_WORD, b"\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeData:
    """The signed trade; prices and amounts in 18-decimal fixed point."""

    asset: str
    sub_id: int
    limit_price: int
    desired_amount: int
    worst_fee: int
    recipient_id: int
    is_bid: bool


def decode_trade_data(raw: bytes) -> TradeData | None:
    """The seven words of `data`; None where the length is another."""
    if len(raw) != _TRADE_DATA_BYTES:
        return None
    words = [raw[i : i + _WORD] for i in range(0, _TRADE_DATA_BYTES, _WORD)]
    return TradeData(
        asset="0x" + words[0][12:].hex(),
        sub_id=int.from_bytes(words[1], "big"),
        limit_price=int.from_bytes(words[2], "big", signed=True),
        desired_amount=int.from_bytes(words[3], "big", signed=True),
        worst_fee=int.from_bytes(words[4], "big"),
        recipient_id=int.from_bytes(words[5], "big"),
        is_bid=any(words[6]),
    )


def encode_trade_data(trade: TradeData) -> bytes:
    """The inverse of `decode_trade_data`."""
    return b"".join(
        (
            address_word(trade.asset),
            word(trade.sub_id),
            word(trade.limit_price),
            word(trade.desired_amount),
            word(trade.worst_fee),
            word(trade.recipient_id),
            word(int(trade.is_bid)),
        )
    )


class Domain:
    """The EIP-712 domain of one Matching contract on one chain."""

    def __init__(self, chain_id: int, matching_address: str) -> None:
        self.separator: Final = keccak_256(
            _DOMAIN_TYPE
            + keccak_256(b"Matching")
            + keccak_256(b"1.0")
            + word(chain_id)
            + address_word(matching_address)
        )

    def action_digest(self, action: Mapping[str, str]) -> bytes:
        """The digest of an action's string members; raises ValueError or KeyError on nonsense."""
        return self._digest(
            _ACTION_TYPE
            + word(int(action["subaccount_id"]))
            + word(int(action["nonce"]))
            + address_word(action["module"])
            + keccak_256(bytes.fromhex(action["data"].removeprefix("0x")))
            + word(int(action["expiry"]))
            + address_word(action["owner"])
            + address_word(action["signer"])
        )

    def cancel_digest(self, *, owner: str, signer: str, nonce: int, expiry: int) -> bytes:
        """The digest of a cancel request."""
        return self._digest(
            _CANCEL_TYPE + address_word(owner) + address_word(signer) + word(nonce) + word(expiry)
        )

    def _digest(self, struct: bytes) -> bytes:
        return keccak_256(b"\x19\x01" + self.separator + keccak_256(struct))


def personal_digest(text: str) -> bytes:
    """The EIP-191 digest of a text a wallet shows its owner."""
    raw = text.encode()
    return keccak_256(b"\x19Ethereum Signed Message:\n" + str(len(raw)).encode() + raw)


def recover(digest: bytes, signature: str) -> str | None:
    """The lower-case address that signed, None where the signature is not a proper one.

    Proper: 65 bytes, v 27 or 28, low s.
    """
    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
    except ValueError:
        return None
    if len(raw) != _SIGNATURE_BYTES or raw[64] not in (27, 28):
        return None
    if int.from_bytes(raw[32:64], "big") > _HALF_ORDER:
        return None
    compact = raw[:64] + bytes((raw[64] - 27,))
    try:
        key = coincurve.PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception:  # the library raises bare Exception where no point fits
        return None
    return "0x" + keccak_256(key.format(compressed=False)[1:])[12:].hex()


_DOMAIN_TYPE: Final = keccak_256(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_ACTION_TYPE: Final = keccak_256(
    b"Action(uint256 subaccountId,uint256 nonce,address module,bytes data,uint256 expiry,"
    b"address owner,address signer)"
)
_CANCEL_TYPE: Final = keccak_256(
    b"Cancel(address owner,address signer,uint256 nonce,uint256 expiry)"
)
assert _ACTION_TYPE.hex() == "4d7a9f27c403ff9c0f19bce61d76d82f9aa29f8d6d4b0c5474607d9770d1af17"

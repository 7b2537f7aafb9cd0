"""EIP-712 signatures over the messages of a Matching contract, `Action` and `Cancel`: shared by the
exchanges that settle on one.

The words are packed by hand, since both messages are static but for one hashed member, and the
domain separator is computed once. Kept by hand for its time: 38 to 54 us a signature, where
`sign_typed_data` takes 578 us and eth_abi with coincurve 148 to 185; importing eth_account for it
would add 0.7 s and 29 MB to the way to the first quote. Fields have types and no defaults, so
that nothing can be signed as silently empty; named tuples, since one is made in a third of a frozen
dataclass's time. `tests/vectors/eip712.json` pins the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

import coincurve

from mm_bot.fields.keccak import keccak_256

WORD_BYTES: Final = 32
ADDRESS_BYTES: Final = 20
SIGNATURE_BYTES: Final = 65


def uint_word(value: int) -> bytes:
    """One ABI word of an unsigned number."""
    try:
        if type(value) is int:
            return value.to_bytes(WORD_BYTES, "big")
    except OverflowError:
        pass
    raise ValueError(f"{value!r} is no uint256")


def int_word(value: int) -> bytes:
    """One ABI word of a signed number."""
    try:
        if type(value) is int:
            return value.to_bytes(WORD_BYTES, "big", signed=True)
    except OverflowError:
        pass
    raise ValueError(f"{value!r} is no int256")


def bool_word(value: bool) -> bytes:
    """One ABI word of a truth value; nothing else is truthy enough to be signed."""
    if type(value) is not bool:
        raise ValueError(f"{value!r} is no bool")
    return int(value).to_bytes(WORD_BYTES, "big")


def address_bytes(address: str) -> bytes:
    """The 20 bytes of a 0x address."""
    try:
        raw = bytes.fromhex(address.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != ADDRESS_BYTES or not address.startswith("0x"):
        raise ValueError(f"{address!r} is no address")
    return raw


@lru_cache(maxsize=64)  # the same few in every order
def address_word(address: str) -> bytes:
    """One ABI word of an address."""
    return address_bytes(address).rjust(WORD_BYTES, b"\0")


class TradeData(NamedTuple):
    """What an action trades; prices and amounts in chain integers."""

    asset: str
    sub_id: int
    limit_price: int
    desired_amount: int
    worst_fee: int
    recipient_id: int
    is_bid: bool

    def encode(self) -> bytes:
        """The static ABI tuple: seven words."""
        return b"".join(
            (
                address_word(self.asset),
                uint_word(self.sub_id),
                int_word(self.limit_price),
                int_word(self.desired_amount),
                uint_word(self.worst_fee),
                uint_word(self.recipient_id),
                bool_word(self.is_bid),
            )
        )


class Action(NamedTuple):
    """An order as it is signed; `data` is an encoded `TradeData`."""

    subaccount_id: int
    nonce: int
    module: str
    data: bytes
    expiry_s: int
    owner: str
    signer: str


class CancelRequest(NamedTuple):
    """A cancel request as it is signed."""

    owner: str
    signer: str
    nonce: int
    expiry_s: int


class Domain:
    """The EIP-712 domain of one Matching contract on one chain."""

    __slots__ = ("separator",)

    def __init__(self, *, chain_id: int, matching: str) -> None:
        self.separator: Final = keccak_256(
            _DOMAIN_TYPE
            + keccak_256(b"Matching")
            + keccak_256(b"1.0")
            + uint_word(chain_id)
            + address_word(matching)
        )

    def action_digest(self, action: Action) -> bytes:
        """What is signed for an order."""
        return self._digest(
            _ACTION_TYPE
            + uint_word(action.subaccount_id)
            + uint_word(action.nonce)
            + address_word(action.module)
            + keccak_256(action.data)
            + uint_word(action.expiry_s)
            + address_word(action.owner)
            + address_word(action.signer)
        )

    def cancel_digest(self, cancel: CancelRequest) -> bytes:
        """What is signed for a cancel."""
        return self._digest(
            _CANCEL_TYPE
            + address_word(cancel.owner)
            + address_word(cancel.signer)
            + uint_word(cancel.nonce)
            + uint_word(cancel.expiry_s)
        )

    def _digest(self, struct: bytes) -> bytes:
        return keccak_256(_SIGNED + self.separator + keccak_256(struct))


class SharedWords:
    """What all orders of one account in one asset share, packed once: the fast path of
    `TradeData.encode` and `Domain.action_digest`, which say the same of each order by itself."""

    __slots__ = ("_accounts", "_asset", "_domain", "_module", "_terms", "_type")

    def __init__(self, domain: Domain, action: Action, trade: TradeData) -> None:
        """Of any of these orders: its nonce, expiry, price, amount and side count for nothing."""
        terms = uint_word(trade.worst_fee) + uint_word(trade.recipient_id)
        self._asset = address_word(trade.asset) + uint_word(trade.sub_id)
        self._terms = {is_bid: terms + bool_word(is_bid) for is_bid in (False, True)}
        self._type = _ACTION_TYPE + uint_word(action.subaccount_id)
        self._module = address_word(action.module)
        self._accounts = address_word(action.owner) + address_word(action.signer)
        self._domain = _SIGNED + domain.separator

    def data(self, limit_price: int, desired_amount: int, is_bid: bool) -> bytes:
        """The trade of an order, encoded."""
        price, amount = int_word(limit_price), int_word(desired_amount)
        return b"".join((self._asset, price, amount, self._terms[is_bid]))

    def digest(self, nonce: int, data: bytes, expiry_s: int) -> bytes:
        """What is signed for an order."""
        struct = b"".join(
            (
                self._type,
                uint_word(nonce),
                self._module,
                keccak_256(data),
                uint_word(expiry_s),
                self._accounts,
            )
        )
        return keccak_256(self._domain + keccak_256(struct))


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Signer:
    """One private key. It never shows in a repr, and cannot be read back."""

    address: str
    """Lower case."""
    _key: coincurve.PrivateKey = field(repr=False)

    def __init__(self, private_key: bytes) -> None:
        if len(private_key) != WORD_BYTES:
            raise ValueError("a private key has 32 bytes")
        try:
            key = coincurve.PrivateKey(private_key)
        except ValueError:
            raise ValueError("the private key is outside of the curve's range") from None
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "address", _address_of(key.public_key))

    def sign(self, digest: bytes) -> bytes:
        """The 65-byte signature of a digest: r, s (low), v (27 or 28)."""
        compact = self._key.sign_recoverable(digest, hasher=None)
        return compact[:64] + bytes((compact[64] + 27,))

    def sign_action(self, domain: Domain, action: Action) -> bytes:
        return self.sign(domain.action_digest(action))

    def sign_cancel(self, domain: Domain, cancel: CancelRequest) -> bytes:
        return self.sign(domain.cancel_digest(cancel))

    def check(self) -> None:
        """Sign once and recover ourselves: the API does not verify signatures, so a broken library
        would show only when matches fail on chain."""
        digest = keccak_256(b"self-check")
        assert recover(digest, self.sign(digest)) == self.address, "own signature does not recover"


def recover(digest: bytes, signature: bytes) -> str:
    """The lower-case address that signed; raises ValueError where the signature is malformed."""
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (27, 28):
        raise ValueError("a signature has 65 bytes and ends in 27 or 28")
    compact = signature[:64] + bytes((signature[64] - 27,))
    return _address_of(coincurve.PublicKey.from_signature_and_message(compact, digest, hasher=None))


def _address_of(public_key: coincurve.PublicKey) -> str:
    return "0x" + keccak_256(public_key.format(compressed=False)[1:])[-ADDRESS_BYTES:].hex()


_SIGNED: Final = b"\x19\x01"
"""What begins everything that is signed by EIP-712."""
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

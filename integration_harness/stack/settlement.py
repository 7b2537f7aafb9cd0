"""The executor: puts one match on chain, or says why the chain would not have it.

1. A match is simulated before it is sent, so a match that cannot settle costs no transaction.
2. `settle` returns only when the receipt is there; None means settled.
3. `fault_of` finds what is wrong with one order by itself, so that a bad order does not take a
   good one down with it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from integration_harness.stack.rpc import Rpc, RpcError, call_data, encode_words, selector
from integration_harness.stack.settings import ChainSettings
from integration_harness.stack.signed_data import (
    Domain,
    TradeData,
    decode_trade_data,
    keccak_256,
    recover,
    word,
)

_GAS: Final = 2_000_000
_RECEIPT_SECONDS: Final = 30.0
_ERRORS: Final = {
    selector(f"{name}()"): name
    for name in (
        "OV_ActionExpired",
        "OV_InvalidSignature",
        "OV_InvalidActionOwner",
        "OV_SignerNotOwnerOrSessionKeyExpired",
        "TM_InvalidNonce",
        "TM_InvalidRecipientId",
        "TM_IsBidMismatch",
        "TM_AssetMismatch",
        "TM_AssetSubIdMismatch",
        "TM_InvalidFillAmount",
        "TM_PriceTooHigh",
        "TM_PriceTooLow",
        "TM_FeeTooHigh",
        "TM_FillLimitCrossed",
        "WA_InsufficientBalance",
        "FA_NotListed",
        "FA_Expired",
        "FA_OnlyReduceBeforeExpiry",
    )
}
_VERIFY_AND_MATCH: Final = selector(
    "verifyAndMatch((uint256,uint256,address,bytes,uint256,address,address)[],bytes[],bytes)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """An order as its owner signed it."""

    action: Mapping[str, str]
    signature: str

    @property
    def owner(self) -> str:
        return self.action["owner"]

    @property
    def nonce(self) -> int:
        return int(self.action["nonce"])

    @property
    def data(self) -> bytes:
        return bytes.fromhex(self.action["data"].removeprefix("0x"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two orders and the fill; price and amount in 18-decimal fixed point."""

    taker: SignedOrder
    maker: SignedOrder
    price: int
    amount: int


class Executor:
    """Sends matches from the executor's account, which the node holds unlocked."""

    def __init__(self, rpc: Rpc, chain: ChainSettings, executor_address: str) -> None:
        self._rpc = rpc
        self._chain = chain
        self._address = executor_address
        self._domain = Domain(chain.chain_id, chain.matching_address)

    def settle(self, match: Match) -> str | None:
        """Settle and wait for the receipt; the name of the chain's error where it refuses."""
        try:
            calldata = _VERIFY_AND_MATCH + _verify_and_match(match).hex()
        except ValueError:
            return "malformed action or signature"
        transaction = {
            "from": self._address,
            "to": self._chain.matching_address,
            "data": calldata,
            "gas": hex(_GAS),
        }
        try:
            self._rpc.call("eth_call", transaction, "latest")
        except RpcError as error:
            return error_name(error)
        transaction_hash = self._rpc.call("eth_sendTransaction", transaction)
        give_up_at = time.monotonic() + _RECEIPT_SECONDS
        while time.monotonic() < give_up_at:
            receipt = self._rpc.call("eth_getTransactionReceipt", transaction_hash)
            if receipt is not None:
                return None if receipt["status"] == "0x1" else "reverted"
            time.sleep(0.002)
        raise TimeoutError(f"no receipt of {transaction_hash} within {_RECEIPT_SECONDS:g} s")

    def wait_until_idle(self) -> None:
        """Return when none of the executor's transactions is on its way any more."""
        give_up_at = time.monotonic() + _RECEIPT_SECONDS
        while time.monotonic() < give_up_at:
            sent, mined = (
                self._rpc.call("eth_getTransactionCount", self._address, block)
                for block in ("pending", "latest")
            )
            if sent == mined:
                return
            time.sleep(0.01)
        raise TimeoutError("the executor's transactions are not mined")

    def filled(self, order: SignedOrder) -> int:
        """How much of an order is settled on chain."""
        return self._read(self._chain.trade_address, "filled(address,uint256)", order)

    def fault_of(self, order: SignedOrder, match: Match, now_seconds: int) -> str | None:
        """What makes this order unfit for any match of that price and amount, if anything."""
        try:
            trade = decode_trade_data(order.data)
            digest = self._domain.action_digest(order.action)
        except ValueError:
            trade = None
        if trade is None:
            return "malformed action"
        if int(order.action["expiry"]) < now_seconds:
            return "OV_ActionExpired"
        if not self._may_sign(digest, order, now_seconds):
            return "OV_InvalidSignature"
        bound = self._read(self._chain.trade_address, "seenNonces(address,uint256)", order)
        if bound not in (0, int.from_bytes(keccak_256(order.data), "big")):
            return "TM_InvalidNonce"
        if self.filled(order) + match.amount > trade.desired_amount:
            return "TM_FillLimitCrossed"
        return self._fault_of_terms(order, trade, match)

    def _fault_of_terms(self, order: SignedOrder, trade: TradeData, match: Match) -> str | None:
        owner_word = int(order.owner, 16)
        for account, fault in (
            (int(order.action["subaccount_id"]), "OV_InvalidActionOwner"),
            (trade.recipient_id, "TM_InvalidRecipientId"),
        ):
            held_for = self._rpc.read(
                self._chain.matching_address, "subAccountToOwner(uint256)", account
            )
            if held_for[0] != owner_word:
                return fault
        if trade.is_bid and match.price > trade.limit_price:
            return "TM_PriceTooHigh"
        if not trade.is_bid and match.price < trade.limit_price:
            return "TM_PriceTooLow"
        return None

    def _may_sign(self, digest: bytes, order: SignedOrder, now_seconds: int) -> bool:
        signer = order.action["signer"].lower()
        if recover(digest, order.signature) != signer and not self._contract_signed(
            signer, digest, order.signature
        ):
            return False
        if signer == order.owner.lower():
            return True
        until = self._rpc.read(
            self._chain.matching_address, "sessionKeys(address,address)", signer, order.owner
        )
        return until[0] >= now_seconds

    def _contract_signed(self, signer: str, digest: bytes, signature: str) -> bool:
        """ERC-1271: a contract answers with the selector of the question."""
        question = selector("isValidSignature(bytes32,bytes)")
        try:
            raw = bytes.fromhex(signature.removeprefix("0x"))
            data = question + _tuple(digest, _bytes(raw)).hex()
            answer = self._rpc.call("eth_call", {"to": signer, "data": data}, "latest")
        except (RpcError, ValueError):
            return False
        return str(answer).startswith(question)

    def _read(self, to: str, signature: str, order: SignedOrder) -> int:
        answer = self._rpc.call(
            "eth_call", {"to": to, "data": call_data(signature, order.owner, order.nonce)}, "latest"
        )
        return int(answer, 16)


def error_name(error: RpcError) -> str:
    """The chain's name of a revert, or what it returned."""
    return _ERRORS.get(error.data[:10], error.data[:10] or "execution failed")


class _Dynamic(bytes):
    """An encoded value that stands in the tail of its tuple."""


def _verify_and_match(match: Match) -> bytes:
    orders = (match.taker, match.maker)
    fills = _Dynamic(
        word(1)
        + word(int(match.maker.action["subaccount_id"]))
        + word(match.amount)
        + word(match.price)
        + word(0)
    )
    trade = _tuple(word(int(match.taker.action["subaccount_id"])), word(0), fills, _bytes(b""))
    return _tuple(
        _array(*(_action(order.action) for order in orders)),
        _array(*(_bytes(bytes.fromhex(order.signature[2:])) for order in orders)),
        _bytes(_tuple(_Dynamic(trade))),
    )


def _action(action: Mapping[str, str]) -> _Dynamic:
    return _Dynamic(
        _tuple(
            encode_words(int(action["subaccount_id"]), int(action["nonce"]), action["module"]),
            _bytes(bytes.fromhex(action["data"].removeprefix("0x"))),
            encode_words(int(action["expiry"]), action["owner"], action["signer"]),
        )
    )


def _tuple(*parts: bytes) -> bytes:
    """Heads then tails; a part that is not dynamic is words that stand where they are."""
    head_length = sum(32 if isinstance(part, _Dynamic) else len(part) for part in parts)
    heads, tails = b"", b""
    for part in parts:
        if isinstance(part, _Dynamic):
            heads += word(head_length + len(tails))
            tails += part
        else:
            heads += part
    return heads + tails


def _array(*items: _Dynamic) -> _Dynamic:
    return _Dynamic(word(len(items)) + _tuple(*items))


def _bytes(raw: bytes) -> _Dynamic:
    return _Dynamic(word(len(raw)) + raw + b"\0" * (-len(raw) % 32))

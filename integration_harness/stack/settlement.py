"""The executor: puts one match on chain, or says why the chain would not have it.

1. A match is simulated before it is sent, so a match that cannot settle costs no transaction.
2. `settle` does not wait for the receipt, as the real one does not: None means sent, and what is
   sent may still revert. With `wait_for_receipt` None means settled.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from integration_harness.stack.rpc import Rpc, RpcError, call_data, encode_words, selector
from integration_harness.stack.settings import MatcherSettings
from integration_harness.stack.signed_data import word

_SIMULATED_GAS: Final = 2_000_000
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
        "AC_CannotTransferAssetToOneself",
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

    def __init__(self, rpc: Rpc, settings: MatcherSettings) -> None:
        self._rpc = rpc
        self._chain = settings.chain
        self._address = settings.executor_address
        self._gas = settings.executor_gas
        self._wait_for_receipt = settings.wait_for_receipt

    def settle(self, match: Match) -> str | None:
        """Send a match; the name of the chain's error where it refuses beforehand."""
        try:
            calldata = _VERIFY_AND_MATCH + _verify_and_match(match).hex()
        except ValueError:
            return "malformed action or signature"
        transaction = {
            "from": self._address,
            "to": self._chain.matching_address,
            "data": calldata,
            "gas": hex(_SIMULATED_GAS),
        }
        try:
            self._rpc.call("eth_call", transaction, "latest")
        except RpcError as error:
            return error_name(error)
        sent = {**transaction, "gas": hex(self._gas)}
        transaction_hash = self._rpc.call("eth_sendTransaction", sent)
        if not self._wait_for_receipt:
            return None
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

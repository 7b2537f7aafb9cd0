"""The executor: puts one match on chain, or says why the chain would not have it.

1. A match is simulated before it is sent, so a match that cannot settle costs no transaction.
2. `settle` does not wait for the receipt, as the real one does not: None means sent, and what is
   sent may still revert. With `wait_for_receipt` None means settled.
3. Its four JSON-RPC methods are asked by hand. A run of the tests starts this process a hundred
   times, and with web3 its start takes 1.7 s of processor time instead of 0.7.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests
from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError
from eth_utils.abi import function_signature_to_4byte_selector

from integration_harness.stack import match_call
from integration_harness.stack.settings import ChainSettings, MatcherSettings


def _selector(signature: str) -> str:
    return "0x" + function_signature_to_4byte_selector(signature).hex()


_SIMULATED_GAS: Final = hex(2_000_000)
_ANSWER_SECONDS: Final = 10.0
_RECEIPT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.002
_ERRORS: Final = {
    _selector(f"{name}()"): name
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
_VERIFY_AND_MATCH: Final = _selector(f"verifyAndMatch({','.join(match_call.VERIFY_AND_MATCH)})")
_FILLED: Final = _selector("filled(address,uint256)")


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


class NodeError(Exception):
    """The node answered with an error; `data` is what a reverted call returned, if anything."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error.get('message')} ({error.get('code')})")
        data = error.get("data")
        self.data: Final = data if isinstance(data, str) else ""


class Executor:
    """Sends matches from the executor's account, which the node holds unlocked."""

    def __init__(self, session: requests.Session, settings: MatcherSettings) -> None:
        session.trust_env = False
        self._session = session
        self._chain: ChainSettings = settings
        self._address = settings.executor_address
        self._gas = settings.executor_gas
        self._wait_for_receipt = settings.wait_for_receipt

    def settle(self, match: Match) -> str | None:
        """Send a match; the name of the chain's error where it refuses beforehand."""
        try:
            arguments = encode(match_call.VERIFY_AND_MATCH, _arguments(match))
        except (ValueError, EncodingError):
            return "malformed action or signature"
        transaction = {
            "from": self._address,
            "to": self._chain.matching_address,
            "data": _VERIFY_AND_MATCH + arguments.hex(),
            "gas": _SIMULATED_GAS,
        }
        try:
            self._ask("eth_call", transaction, "latest")
        except NodeError as error:
            return error_name(error)
        sent = self._ask("eth_sendTransaction", {**transaction, "gas": hex(self._gas)})
        if not self._wait_for_receipt:
            return None
        give_up_at = time.monotonic() + _RECEIPT_SECONDS
        while time.monotonic() < give_up_at:
            receipt = self._ask("eth_getTransactionReceipt", sent)
            if receipt is not None:
                return None if receipt["status"] == "0x1" else "reverted"
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"no receipt of {sent} within {_RECEIPT_SECONDS:g} s")

    def wait_until_idle(self) -> None:
        """Return when none of the executor's transactions is on its way any more."""
        give_up_at = time.monotonic() + _RECEIPT_SECONDS
        while time.monotonic() < give_up_at:
            sent, mined = (
                self._ask("eth_getTransactionCount", self._address, block)
                for block in ("pending", "latest")
            )
            if sent == mined:
                return
            time.sleep(_POLL_SECONDS)
        raise TimeoutError("the executor's transactions are not mined")

    def filled(self, order: SignedOrder) -> int:
        """How much of an order is settled on chain."""
        data = _FILLED + encode(["address", "uint256"], [order.owner, order.nonce]).hex()
        call = {"to": self._chain.trade_address, "data": data}
        return int(self._ask("eth_call", call, "latest"), 16)

    def _ask(self, method: str, *params: Any) -> Any:
        """The result of one request; NodeError, or OSError where the node is away."""
        body: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": method,
            "params": params,
        }
        reply = self._session.post(self._chain.rpc_url, json=body, timeout=_ANSWER_SECONDS).json()
        if "error" in reply:
            raise NodeError(reply["error"])
        return reply["result"]


def error_name(error: NodeError) -> str:
    """The chain's name of a revert, or what it returned."""
    return _ERRORS.get(error.data[:10], error.data[:10] or "execution failed")


def _arguments(match: Match) -> tuple[Any, ...]:
    orders = (match.taker, match.maker)
    fill = match_call.Fill(
        filled_account=int(match.maker.action["subaccount_id"]),
        amount_filled=match.amount,
        price=match.price,
    )
    taker_account = int(match.taker.action["subaccount_id"])
    return match_call.match_arguments(
        [_action(order.action) for order in orders],
        [bytes.fromhex(order.signature.removeprefix("0x")) for order in orders],
        match_call.Match(taker_account=taker_account, fills=(fill,)),
    )


def _action(action: Mapping[str, str]) -> match_call.Action:
    return match_call.Action(
        subaccount_id=int(action["subaccount_id"]),
        nonce=int(action["nonce"]),
        module=action["module"],
        data=bytes.fromhex(action["data"].removeprefix("0x")),
        expiry=int(action["expiry"]),
        owner=action["owner"],
        signer=action["signer"],
    )

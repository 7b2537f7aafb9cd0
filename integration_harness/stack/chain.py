"""The deployed exchange as a test or a scenario handles it: look at balances, turn its knobs.

Every transaction is waited for. One that would revert raises RpcError, whose `data` begins with the
selector of the contract's error.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coincurve import PrivateKey

from integration_harness.stack.deploy import Funds
from integration_harness.stack.deployment import Account, Deployment
from integration_harness.stack.evm_node import DEV_KEYS
from integration_harness.stack.match_call import Action, Match, verify_and_match_data
from integration_harness.stack.rpc import (
    Rpc,
    Word,
    address_of,
    call_data,
    checksum_address,
    keccak256,
    signed,
)

_RICH = hex(10**24)
_GAS = hex(5_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One line of a subaccount, 18 decimals, signed."""

    asset: str
    sub_id: int
    amount: int


class Chain:
    """The contracts of one deployment, over one connection."""

    def __init__(self, rpc_url: str, deployment: Deployment) -> None:
        self.rpc = Rpc(rpc_url)
        self.deployment = deployment
        self._where = deployment.addresses
        self._admin = deployment.deployer.address
        self._unlocked = {address for address, _ in DEV_KEYS}

    def balances(self, subaccount_id: int) -> tuple[Balance, ...]:
        """Everything a subaccount holds; zero balances are left out."""
        words = self.rpc.read(
            self._where.sub_accounts, "getAccountBalances(uint256)", subaccount_id
        )
        assert len(words) == 2 + 3 * words[1]
        return tuple(
            Balance(asset=address_of(words[at]), sub_id=words[at + 1], amount=signed(words[at + 2]))
            for at in range(2, len(words), 3)
        )

    def balance(self, subaccount_id: int, asset: str, sub_id: int = 0) -> int:
        """One balance, zero where there is none."""
        signature = "getBalance(uint256,address,uint256)"
        return signed(
            self.rpc.read(self._where.sub_accounts, signature, subaccount_id, asset, sub_id)[0]
        )

    def now(self) -> int:
        """The time calls are evaluated at: that of the latest block."""
        block = self.rpc.call("eth_getBlockByNumber", "latest", False)
        return int(block["timestamp"], 16)

    def advance(self, seconds: int) -> None:
        """Put the chain's clock forward, for good."""
        self.rpc.batch([("evm_increaseTime", (seconds,)), ("evm_mine", ())])

    def deposit(self, subaccount_id: int, asset: str, amount: int) -> None:
        self._administer(
            self._where.deposit, "move(uint256,address,uint256)", subaccount_id, asset, amount
        )

    def withdraw(self, subaccount_id: int, asset: str, amount: int) -> None:
        self._administer(
            self._where.withdrawal, "move(uint256,address,uint256)", subaccount_id, asset, amount
        )

    def set_feed(self, answer: int) -> None:
        """A fresh answer of the cNGN/USD feed, in the feed's decimals."""
        self._administer(self._where.feed, "setAnswer(int256)", answer)

    def set_feed_round(self, answer: int, updated_at: int) -> None:
        """Any answer with any time."""
        self._administer(self._where.feed, "setRound(int256,uint256)", answer, updated_at)

    def mark(self, expiry: int) -> int:
        """The mark of a future, zero where the expiry is not listed."""
        return signed(self.rpc.read(self._where.future, "mark(uint256)", expiry)[0])

    def set_mark(self, expiry: int, mark: int) -> None:
        """Move a mark (all holders are paid the difference), or list a new expiry."""
        self._administer(self._where.future, "setMark(uint256,int256)", expiry, mark)

    def create_account(self, name: str, private_key: str, funds: Sequence[Funds]) -> Account:
        """A further owner with a subaccount in custody for each of the funds."""
        owner = address_for(private_key)
        ids: list[int] = []
        for each in funds:
            receipt = self._administer(self._where.matching, "createSubAccountFor(address)", owner)
            subaccount_id = int(receipt["logs"][-1]["topics"][1], 16)
            if each.cash:
                self.deposit(subaccount_id, self._where.cash, each.cash)
            if each.wrapped_cngn:
                self.deposit(subaccount_id, self._where.wrapped_cngn, each.wrapped_cngn)
            ids.append(subaccount_id)
        return Account(name=name, address=owner, private_key=private_key, subaccount_ids=tuple(ids))

    def register_session_key(self, owner: Account, session_key: str, expiry: int) -> None:
        """Let another address sign for an owner."""
        self.send(
            owner.address,
            self._where.matching,
            call_data("registerSessionKey(address,uint256)", session_key, expiry),
        )

    def deregister_session_key(self, owner: Account, session_key: str) -> None:
        """End it ten minutes from now."""
        self.send(
            owner.address,
            self._where.matching,
            call_data("deregisterSessionKey(address)", session_key),
        )

    def match(
        self,
        actions: Sequence[Action],
        signatures: Sequence[bytes],
        match: Match,
        *,
        sender: str | None = None,
    ) -> dict[str, Any]:
        """Settle a match as the executor, or try to as somebody else; the receipt."""
        return self.send(
            sender or self.deployment.executor.address,
            self._where.matching,
            verify_and_match_data(actions, signatures, match),
        )

    def send(self, sender: str, to: str, data: str) -> dict[str, Any]:
        """Send a transaction from any address, key or not, and wait for its receipt."""
        if sender not in self._unlocked:
            self.rpc.batch(
                [("anvil_impersonateAccount", (sender,)), ("anvil_setBalance", (sender, _RICH))]
            )
            self._unlocked.add(sender)
        transaction = {"from": sender, "to": to, "data": data, "gas": _GAS}
        # Tried first, since a mined transaction does not tell with which error it reverted.
        self.rpc.call("eth_call", transaction, "latest")
        sent = self.rpc.call("eth_sendTransaction", transaction)
        give_up_at = time.monotonic() + 10
        while (receipt := self.rpc.call("eth_getTransactionReceipt", sent)) is None:
            assert time.monotonic() < give_up_at, "a transaction is not mined within 10 s"
            time.sleep(0.002)
        assert isinstance(receipt, dict)
        assert receipt["status"] == "0x1", f"transaction {sent} reverted when it was mined"
        return receipt

    def close(self) -> None:
        """Drop the connection; the next use makes a new one."""
        self.rpc.close()

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _administer(self, to: str, signature: str, *words: Word) -> dict[str, Any]:
        return self.send(self._admin, to, call_data(signature, *words))


def address_for(private_key: str) -> str:
    """The address a private key signs for."""
    public = PrivateKey(bytes.fromhex(private_key.removeprefix("0x"))).public_key
    return checksum_address("0x" + keccak256(public.format(compressed=False)[1:])[12:].hex())

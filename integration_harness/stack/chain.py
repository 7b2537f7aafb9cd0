"""The deployed exchange as the harness handles it: look at balances, turn its knobs, settle.

1. Every transaction is waited for. One that would revert raises web3's ContractLogicError, whose
   `data` begins with the selector of the contract's error.
2. Reads work against any node's URL and any deployment, the local one or a foreign one. A node that
   is away or refuses raises OSError.
3. Amounts and prices are the chain's integers, 18 decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_account import Account as EthAccount
from eth_utils.address import to_checksum_address

from integration_harness.stack import contracts
from integration_harness.stack.deployment import Account, Deployment, Deposit
from integration_harness.stack.evm_node import DEV_KEYS
from integration_harness.stack.match_call import Action, Match, match_arguments
from integration_harness.stack.node_client import ask, connected

if TYPE_CHECKING:
    from web3 import Web3
    from web3.contract import Contract
    from web3.contract.contract import ContractFunction
    from web3.types import TxReceipt

_RICH = hex(10**24)
_GAS = 5_000_000
_MINED_SECONDS = 10
_POLL_SECONDS = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One line of a subaccount, 18 decimals, signed."""

    asset: str
    sub_id: int
    amount: int


class Chain:
    """The contracts of one deployment, over one connection. Not to be shared between threads."""

    def __init__(self, rpc_url: str, deployment: Deployment) -> None:
        self._connection = ExitStack()
        self.web3 = self._connection.enter_context(connected(rpc_url))
        self.deployment = deployment
        self._contracts: dict[str, Contract] = {}
        self._unlocked = {address for address, _ in DEV_KEYS}

    @property
    def matching(self) -> Any:
        """The functions of `Matching`; so with each property below."""
        return self._functions("Matching", self.deployment.addresses.matching)

    @property
    def trade(self) -> Any:
        return self._functions("TradeModule", self.deployment.addresses.trade)

    @property
    def sub_accounts(self) -> Any:
        return self._functions("SubAccounts", self.deployment.addresses.sub_accounts)

    @property
    def future(self) -> Any:
        return self._functions("Future", self.deployment.addresses.future)

    @property
    def feed(self) -> Any:
        return self._functions("PriceFeed", self.deployment.addresses.feed)

    @property
    def treasury(self) -> Any:
        """Of deposits; the one of withdrawals has the same functions."""
        return self._functions("Treasury", self.deployment.addresses.deposit)

    def request(self, method: str, *params: object) -> Any:
        """The result of any JSON-RPC method as the node gives it."""
        return _looked(lambda: ask(self.web3, method, *params))

    def chain_id(self) -> int:
        return int(self.request("eth_chainId"), 16)

    def balances(self, subaccount_id: int) -> tuple[Balance, ...]:
        """Everything a subaccount holds; zero balances are left out."""
        lines = _read(self.sub_accounts.getAccountBalances(subaccount_id))
        return tuple(Balance(asset=line[0], sub_id=line[1], amount=line[2]) for line in lines)

    def balance(self, subaccount_id: int, asset: str, sub_id: int = 0) -> int:
        """One balance, zero where there is none."""
        address = to_checksum_address(asset)
        return int(_read(self.sub_accounts.getBalance(subaccount_id, address, sub_id)))

    def cash_asset(self) -> str:
        """The quote asset of the trade module, lower case."""
        return str(_read(self.trade.quoteAsset())).lower()

    def subaccount_owner(self, subaccount_id: int) -> str:
        """Who Matching keeps a subaccount for, lower case; the zero address where for nobody."""
        return str(_read(self.matching.subAccountToOwner(subaccount_id))).lower()

    def filled(self, owner: str, nonce: int) -> int:
        """How much of an order is settled."""
        return int(_read(self.trade.filled(to_checksum_address(owner), nonce)))

    def mark(self, expiry: int) -> int:
        """The mark of a future, zero where the expiry is not listed."""
        return int(_read(self.future.mark(expiry)))

    def now(self) -> int:
        """The time calls are evaluated at: that of the latest block."""
        return int(self.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def advance(self, seconds: int) -> None:
        """Put the chain's clock forward, for good."""
        self.request("evm_increaseTime", seconds)
        self.request("evm_mine")

    def deposit(self, subaccount_id: int, asset: str, amount: int) -> None:
        self.administer(self.treasury.move(subaccount_id, to_checksum_address(asset), amount))

    def withdraw(self, subaccount_id: int, asset: str, amount: int) -> None:
        functions = self._functions("Treasury", self.deployment.addresses.withdrawal)
        self.administer(functions.move(subaccount_id, to_checksum_address(asset), amount))

    def set_feed(self, answer: int) -> None:
        """A fresh answer of the cNGN/USD feed, in the feed's decimals."""
        self.administer(self.feed.setAnswer(answer))

    def set_feed_round(self, answer: int, updated_at: int) -> None:
        """Any answer with any time."""
        self.administer(self.feed.setRound(answer, updated_at))

    def set_mark(self, expiry: int, mark: int) -> None:
        """Move a mark (all holders are paid the difference), or list a new expiry."""
        self.administer(self.future.setMark(expiry, mark))

    def open_subaccount(self, owner: str, funds: Deposit) -> int:
        """A new subaccount in custody, with its money; its id."""
        opened = self.administer(self.matching.createSubAccountFor(owner))
        subaccount_id = int.from_bytes(opened["logs"][-1]["topics"][1], "big")
        where = self.deployment.addresses
        for asset, amount in ((where.cash, funds.cash), (where.wrapped_cngn, funds.wrapped_cngn)):
            if amount:
                self.deposit(subaccount_id, asset, amount)
        return subaccount_id

    def create_account(self, name: str, private_key: str, funds: Sequence[Deposit]) -> Account:
        """An owner with a subaccount in custody for each of the funds."""
        owner = address_for(private_key)
        ids = tuple(self.open_subaccount(owner, each) for each in funds)
        return Account(name=name, address=owner, private_key=private_key, subaccount_ids=ids)

    def register_session_key(self, owner: Account, session_key: str, expiry: int) -> None:
        """Let another address sign for an owner."""
        self.send(
            owner.address,
            self.matching.registerSessionKey(to_checksum_address(session_key), expiry),
        )

    def deregister_session_key(self, owner: Account, session_key: str) -> None:
        """End it ten minutes from now."""
        self.send(
            owner.address, self.matching.deregisterSessionKey(to_checksum_address(session_key))
        )

    def match(
        self,
        actions: Sequence[Action],
        signatures: Sequence[bytes],
        match: Match,
        *,
        sender: str | None = None,
    ) -> TxReceipt:
        """Settle a match as the executor, or try to as somebody else; the receipt."""
        arguments = match_arguments(actions, signatures, match)
        return self.send(
            sender or self.deployment.executor.address, self.matching.verifyAndMatch(*arguments)
        )

    def administer(self, function: ContractFunction) -> TxReceipt:
        """Send a transaction as the administrator of every contract."""
        return self.send(self.deployment.deployer.address, function)

    def send(self, sender: str, function: ContractFunction) -> TxReceipt:
        """Send a transaction from any address, key or not, and wait for its receipt."""
        if sender not in self._unlocked:
            self.request("anvil_impersonateAccount", sender)
            self.request("anvil_setBalance", sender, _RICH)
            self._unlocked.add(sender)
        # Tried first, since a mined transaction does not tell with which error it reverted.
        function.call({"from": to_checksum_address(sender), "gas": _GAS})
        sent = function.transact({"from": to_checksum_address(sender), "gas": _GAS})
        return mined(self.web3, sent)

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _functions(self, name: str, address: str) -> Any:
        known = self._contracts.get(address)
        if known is None:
            known = contract(self.web3, name, address)
            self._contracts[address] = known
        return known.functions


def contract(web3: Web3, name: str, address: str) -> Contract:
    """A contract of the exchange where it is deployed."""
    return web3.eth.contract(to_checksum_address(address), abi=list(contracts.load(name).abi))


def create(web3: Web3, name: str, *arguments: Any, sender: str) -> str:
    """Put a contract of the exchange on chain from an unlocked account; its address."""
    compiled = contracts.load(name)
    factory = web3.eth.contract(abi=list(compiled.abi), bytecode=compiled.creation_code)
    transaction = {"from": to_checksum_address(sender), "gas": _GAS}
    sent = factory.constructor(*arguments).transact(transaction)
    return str(mined(web3, sent)["contractAddress"])


def mined(web3: Web3, transaction_hash: Any) -> TxReceipt:
    """The receipt of a transaction that must succeed."""
    receipt = web3.eth.wait_for_transaction_receipt(
        transaction_hash, timeout=_MINED_SECONDS, poll_latency=_POLL_SECONDS
    )
    assert receipt["status"] == 1, (
        f"transaction {transaction_hash.hex()} reverted when it was mined"
    )
    return receipt


def address_for(private_key: str) -> str:
    """The checksummed address a private key signs for."""
    return str(EthAccount.from_key(private_key).address)


def _read(function: Any) -> Any:
    return _looked(function.call)


def _looked(look: Any) -> Any:
    """What a look gives; OSError where the node refuses to say, as where it is away."""
    from web3.exceptions import Web3RPCError

    try:
        return look()
    except Web3RPCError as error:
        raise OSError(f"the node refuses: {error}") from error

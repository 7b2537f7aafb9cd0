"""Put the whole exchange on an empty development chain.

Everything is sent by the deployer (the first development key, unlocked in the node), so the
addresses are known beforehand. One transaction follows the receipt of the one before: sent all at
once, the node's mixed mining sometimes leaves the rest of the queue behind for ever. Amounts are
chain integers with 18 decimals.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration_harness.stack import contracts
from integration_harness.stack.deployment import Account, Addresses, Deployment
from integration_harness.stack.evm_node import DEV_KEYS
from integration_harness.stack.rpc import (
    Call,
    Rpc,
    Word,
    call_data,
    contract_address,
    encode_words,
)

ONE = 10**18
_DEPLOY_GAS = 4_000_000
_CALL_GAS = 1_000_000

# In the order they are deployed: the deployer's first transactions. The name in `Addresses`, the
# contract, and the constructor's arguments, where text names another of the addresses.
_CONTRACTS: tuple[tuple[str, str, tuple[Word, ...]], ...] = (
    ("sub_accounts", "SubAccounts", ()),
    ("cash", "Cash", ()),
    ("matching", "Matching", ("sub_accounts",)),
    ("trade", "TradeModule", ("matching", "sub_accounts", "cash", 1)),
    ("wrapped_cngn", "WrappedCngn", ("sub_accounts", "trade", "cash")),
    ("future", "Future", ("sub_accounts", "trade", "cash")),
    ("deposit", "Treasury", ("sub_accounts", True)),
    ("withdrawal", "Treasury", ("sub_accounts", False)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """What one subaccount starts with."""

    cash: int = 0
    wrapped_cngn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """Everything a test or a scenario may want otherwise."""

    maker_spot: Funds = Funds(cash=100_000 * ONE, wrapped_cngn=160_000_000 * ONE)
    maker_future: Funds = Funds(cash=2_000_000 * ONE)
    maker_spare: Funds = Funds()
    taker: Funds = Funds(cash=20_000_000 * ONE, wrapped_cngn=1_600_000_000 * ONE)
    taker_count: int = 2
    # Expiry in unix seconds -> first mark, cNGN per USDC.
    marks: Mapping[int, int] = field(
        default_factory=lambda: {1795996800: 1_600 * ONE, 1811721600: 1_680 * ONE}
    )
    feed_decimals: int = 8
    feed_answer: int = 64_000  # 0.00064 USD per cNGN: 1562.5 cNGN per USDC


def deploy(rpc_url: str, folder: Path, options: DeployOptions | None = None) -> Deployment:
    """Deploy, fund and write `<folder>/<chain id>/matching.json` and `core.json`."""
    wanted = options or DeployOptions()
    with Rpc(rpc_url) as rpc:
        chain_id, count = rpc.batch(
            [("eth_chainId", ()), ("eth_getTransactionCount", (DEV_KEYS[0][0], "latest"))]
        )
        assert int(count, 16) == 0, "the chain was used before: addresses would differ"
        plan = _Plan(options=wanted)
        deployment = plan.build(int(chain_id, 16))
        for index, call in enumerate(plan.calls()):
            _mine(rpc, index, call)
    write_files(deployment, folder)
    return deployment


def write_files(deployment: Deployment, folder: Path) -> None:
    """The deployment in the format the exchange publishes its own in."""
    where = deployment.addresses
    target = folder / str(deployment.chain_id)
    target.mkdir(parents=True, exist_ok=True)
    matching = {
        "matching": where.matching,
        "trade": where.trade,
        "deposit": where.deposit,
        "withdrawal": where.withdrawal,
    }
    core = {
        "subAccounts": where.sub_accounts,
        "cash": where.cash,
        "wrappedCngn": where.wrapped_cngn,
        "future": where.future,
        "cngnUsdFeed": where.feed,
    }
    (target / "matching.json").write_text(json.dumps(matching, indent=2))
    (target / "core.json").write_text(json.dumps(core, indent=2))


class _Plan:
    """Collects the deployer's transactions, whose order gives every address and account id."""

    def __init__(self, *, options: DeployOptions) -> None:
        self._options = options
        self._sender = DEV_KEYS[0][0]
        self._transactions: list[dict[str, Any]] = []
        self._account_count = 0

    def build(self, chain_id: int) -> Deployment:
        addresses = self._create_contracts()
        where = Addresses(**addresses)
        for mover in ("trade", "wrapped_cngn", "future", "deposit", "withdrawal"):
            self._call(where.sub_accounts, "authorise(address,bool)", addresses[mover], True)
        self._call(where.matching, "setTradeExecutor(address,bool)", DEV_KEYS[1][0], True)
        self._call(where.matching, "setAllowedModule(address,bool)", where.trade, True)
        fee_recipient_id = self._open(where, DEV_KEYS[0][0], Funds())
        accounts = self._create_accounts(where, fee_recipient_id)
        for expiry, mark in self._options.marks.items():
            self._call(where.future, "setMark(uint256,int256)", expiry, mark)
        return Deployment(
            chain_id=chain_id,
            addresses=where,
            accounts=accounts,
            fee_recipient_id=fee_recipient_id,
            future_expiries=tuple(self._options.marks),
        )

    def calls(self) -> list[Call]:
        return [
            ("eth_sendTransaction", ({**transaction, "nonce": hex(nonce)},))
            for nonce, transaction in enumerate(self._transactions)
        ]

    def _create_contracts(self) -> dict[str, str]:
        addresses = {
            name: contract_address(self._sender, nonce)
            for nonce, (name, _, _) in enumerate(_CONTRACTS)
        }
        for _, contract, arguments in _CONTRACTS:
            self._create(
                contract,
                *(addresses[word] if isinstance(word, str) else word for word in arguments),
            )
        addresses["feed"] = contract_address(self._sender, len(self._transactions))
        self._create("PriceFeed", self._options.feed_decimals, self._options.feed_answer)
        return addresses

    def _create_accounts(self, where: Addresses, fee_recipient_id: int) -> dict[str, Account]:
        options = self._options
        assert 1 <= options.taker_count <= len(DEV_KEYS) - 4, "more takers than development keys"
        roles: list[tuple[str, int, Sequence[Funds]]] = [
            ("maker", 2, (options.maker_spot, options.maker_future, options.maker_spare))
        ]
        roles += [
            (f"taker{number}", 2 + number, (options.taker,))
            for number in range(1, options.taker_count + 1)
        ]
        accounts = {
            "deployer": _account("deployer", 0, fee_recipient_id),
            "executor": _account("executor", 1),
        }
        for name, key, funds in roles:
            ids = [self._open(where, DEV_KEYS[key][0], each) for each in funds]
            accounts[name] = _account(name, key, *ids)
        self._call(where.sub_accounts, "createAccount(address)", DEV_KEYS[-1][0])
        self._account_count += 1
        accounts["stranger"] = _account("stranger", len(DEV_KEYS) - 1, self._account_count)
        return accounts

    def _open(self, where: Addresses, owner: str, funds: Funds) -> int:
        """A new subaccount in custody, with its money."""
        self._call(where.matching, "createSubAccountFor(address)", owner)
        self._account_count += 1
        for asset, amount in ((where.cash, funds.cash), (where.wrapped_cngn, funds.wrapped_cngn)):
            if amount:
                signature = "move(uint256,address,uint256)"
                self._call(where.deposit, signature, self._account_count, asset, amount)
        return self._account_count

    def _create(self, contract: str, *arguments: Word) -> None:
        code = contracts.load(contract).creation_code + encode_words(*arguments)
        self._send(_DEPLOY_GAS, data="0x" + code.hex())

    def _call(self, to: str, signature: str, *words: Word) -> None:
        self._send(_CALL_GAS, to=to, data=call_data(signature, *words))

    def _send(self, gas: int, **members: str) -> None:
        self._transactions.append({"from": self._sender, "gas": hex(gas), **members})


def _account(name: str, key: int, *subaccount_ids: int) -> Account:
    address, private_key = DEV_KEYS[key]
    return Account(
        name=name, address=address, private_key=private_key, subaccount_ids=subaccount_ids
    )


def _mine(rpc: Rpc, index: int, call: Call) -> None:
    """Send one transaction, wait until it is mined, and assert that it succeeded."""
    sent = rpc.batch([call])[0]
    give_up_at = time.monotonic() + 10
    while (receipt := rpc.call("eth_getTransactionReceipt", sent)) is None:
        assert time.monotonic() < give_up_at, f"transaction {index} is not mined within 10 s"
        time.sleep(0.001)
    assert receipt["status"] == "0x1", f"transaction {index} of the deployment reverted"

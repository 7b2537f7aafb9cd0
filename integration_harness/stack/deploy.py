"""Put the whole exchange on a development chain.

Everything is sent by the deployer (the first development key, unlocked in the node). One
transaction follows the receipt of the one before: sent all at once, the node's mixed mining
sometimes leaves the rest of the queue behind for ever. Amounts are chain integers with 18 decimals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from integration_harness.stack.chain import Chain, create
from integration_harness.stack.deployment import Account, Addresses, Deployment, Deposit
from integration_harness.stack.evm_node import DEV_KEYS
from integration_harness.stack.node_client import connected

if TYPE_CHECKING:
    from web3 import Web3

ONE = 10**18
_FEE_RECIPIENT_ID = 1  # the first subaccount there is

# In the order they are deployed. The name in `Addresses`, the contract, and the constructor's
# arguments, where text names one of the addresses before it.
_CONTRACTS: tuple[tuple[str, str, tuple[str | int | bool, ...]], ...] = (
    ("sub_accounts", "SubAccounts", ()),
    ("cash", "Cash", ()),
    ("matching", "Matching", ("sub_accounts",)),
    ("trade", "TradeModule", ("matching", "sub_accounts", "cash", _FEE_RECIPIENT_ID)),
    ("wrapped_cngn", "WrappedCngn", ("sub_accounts", "trade", "cash")),
    ("future", "Future", ("sub_accounts", "trade", "cash")),
    ("deposit", "Treasury", ("sub_accounts", True)),
    ("withdrawal", "Treasury", ("sub_accounts", False)),
)
_ADMINISTRATORS = ("deployer", "executor")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """Everything a test or a scenario may want otherwise."""

    maker_spot: Deposit = field(default=Deposit(cash=100_000 * ONE, wrapped_cngn=160_000_000 * ONE))
    maker_future: Deposit = field(default=Deposit(cash=2_000_000 * ONE))
    maker_spare: Deposit = field(default=Deposit())
    taker: Deposit = field(default=Deposit(cash=20_000_000 * ONE, wrapped_cngn=1_600_000_000 * ONE))
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
    with connected(rpc_url) as web3:
        bare = Deployment(
            chain_id=web3.eth.chain_id,
            addresses=_create_contracts(web3, wanted),
            accounts={role: _account(role, key) for key, role in enumerate(_ADMINISTRATORS)},
            fee_recipient_id=0,
            future_expiries=tuple(wanted.marks),
        )
    with Chain(rpc_url, bare) as chain:
        deployment = _furnish(chain, bare, wanted)
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


def _create_contracts(web3: Web3, options: DeployOptions) -> Addresses:
    feed = ("feed", "PriceFeed", (options.feed_decimals, options.feed_answer))
    addresses: dict[str, str] = {}
    for name, source, arguments in (*_CONTRACTS, feed):
        words = [addresses[word] if isinstance(word, str) else word for word in arguments]
        addresses[name] = create(web3, source, *words, sender=DEV_KEYS[0][0])
    return Addresses(**addresses)


def _furnish(chain: Chain, bare: Deployment, options: DeployOptions) -> Deployment:
    """Permissions, people and their money, futures: everything behind the bare contracts."""
    where = bare.addresses
    for mover in (where.trade, where.wrapped_cngn, where.future, where.deposit, where.withdrawal):
        chain.administer(chain.sub_accounts.authorise(mover, True))
    chain.administer(chain.matching.setTradeExecutor(bare.executor.address, True))
    chain.administer(chain.matching.setAllowedModule(where.trade, True))
    fee_recipient_id = chain.open_subaccount(bare.deployer.address, Deposit())
    assert fee_recipient_id == _FEE_RECIPIENT_ID, "the trade module pays fees to another account"
    accounts = {
        "deployer": replace(bare.deployer, subaccount_ids=(fee_recipient_id,)),
        "executor": bare.executor,
    }
    for name, key, funds in _traders(options):
        accounts[name] = chain.create_account(name, DEV_KEYS[key][1], funds)
    accounts["stranger"] = _stranger(chain)
    for expiry, mark in options.marks.items():
        chain.set_mark(expiry, mark)
    return replace(bare, accounts=accounts, fee_recipient_id=fee_recipient_id)


def _traders(options: DeployOptions) -> list[tuple[str, int, Sequence[Deposit]]]:
    """Role, number of the key, and funds a subaccount."""
    assert 1 <= options.taker_count <= len(DEV_KEYS) - 4, "more takers than development keys"
    maker = (options.maker_spot, options.maker_future, options.maker_spare)
    return [
        ("maker", 2, maker),
        *(
            (f"taker{each}", 2 + each, (options.taker,))
            for each in range(1, options.taker_count + 1)
        ),
    ]


def _stranger(chain: Chain) -> Account:
    """Whose subaccount exists but is not in custody."""
    last = len(DEV_KEYS) - 1
    made = chain.administer(chain.sub_accounts.createAccount(DEV_KEYS[last][0]))
    return _account("stranger", last, int.from_bytes(made["logs"][-1]["topics"][3], "big"))


def _account(name: str, key: int, *subaccount_ids: int) -> Account:
    address, private_key = DEV_KEYS[key]
    return Account(
        name=name, address=address, private_key=private_key, subaccount_ids=subaccount_ids
    )

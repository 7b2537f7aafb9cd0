"""Around the trading: custody, accounts, the price feed, who administers, the published files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from web3.exceptions import ContractLogicError

from integration_harness.stack.chain import Chain
from integration_harness.stack.deploy import write_files
from integration_harness.stack.deployment import Deployment, Deposit
from tests.stack.signing_desk import ONE, Order, refused, trade


def test_feed(chain: Chain) -> None:
    """The feed has Chainlink's shape and can be healthy, stale, or nonsense."""
    assert chain.feed.decimals().call() == 8
    chain.set_feed(62_500)
    fresh = chain.feed.latestRoundData().call()
    assert fresh[1] == 62_500
    assert fresh[3] == chain.now()
    chain.set_feed_round(-1, 1_000)
    stale = chain.feed.latestRoundData().call()
    assert (stale[1], stale[3], stale[0]) == (-1, 1_000, fresh[0] + 1)


def test_administration_is_closed(chain: Chain) -> None:
    """A stranger can neither move funds, nor the mark, nor the feed, nor admit an executor."""
    where, stranger = chain.deployment.addresses, chain.deployment.accounts["stranger"].address
    attempts = (
        ("TR_OnlyAdmin()", chain.treasury.move(7, where.cash, 1)),
        ("FA_OnlyKeeper()", chain.future.setMark(1, 1)),
        ("PF_OnlyOwner()", chain.feed.setAnswer(1)),
        ("M_OnlyAdmin()", chain.matching.setTradeExecutor(stranger, True)),
        ("AC_OnlyAdmin()", chain.sub_accounts.authorise(stranger, True)),
        ("AC_NotAuthorised()", chain.sub_accounts.adjustBalance(7, where.cash, 0, 1)),
    )
    for error, attempt in attempts:
        with refused(error):
            chain.send(stranger, attempt)


def test_custody(chain: Chain) -> None:
    """A deposited subaccount belongs to Matching, which knows its owner; withdrawing undoes it."""
    where, stranger = chain.deployment.addresses, chain.deployment.accounts["stranger"]
    account_id = stranger.subaccount_ids[0]

    def owners() -> tuple[str, str]:
        token = chain.sub_accounts.ownerOf(account_id).call()
        return token, chain.matching.subAccountToOwner(account_id).call()

    nobody = "0x" + "0" * 40
    assert owners() == (stranger.address, nobody)
    deposit = chain.matching.depositSubAccount(account_id)
    with refused("ERC721InsufficientApproval(address,uint256)"):
        chain.send(stranger.address, deposit)
    chain.send(stranger.address, chain.sub_accounts.approve(where.matching, account_id))
    chain.send(stranger.address, deposit)
    assert owners() == (where.matching, stranger.address)
    chain.send(stranger.address, chain.matching.withdrawSubAccount(account_id))
    assert owners() == (stranger.address, nobody)


def test_absent_account(chain: Chain) -> None:
    """`ownerOf` of an account that does not exist reverts as OpenZeppelin's does, with the id."""
    with pytest.raises(ContractLogicError) as caught:
        chain.sub_accounts.ownerOf(99).call()
    assert caught.value.data == "0x7e273289" + f"{99:064x}"


def test_new_owner(chain: Chain, ask: Order) -> None:
    """A further funded owner can be made at any time and trade at once."""
    owner = chain.create_account("late", "0x" + "55" * 32, [Deposit(cash=ONE), Deposit()])
    bid = replace(ask, owner=owner, is_bid=True)
    trade(chain, bid, ask, amount=ONE)
    assert chain.balance(owner.subaccount_ids[0], ask.asset) == ONE
    assert chain.balances(owner.subaccount_ids[1]) == ()


def test_deployment_files(chain: Chain, tmp_path: Path) -> None:
    """The deployment survives its JSON form and is published in the exchange's own format."""
    deployment = chain.deployment
    deployment.to_json(tmp_path / "deployment.json")
    assert Deployment.from_json(tmp_path / "deployment.json") == deployment
    write_files(deployment, tmp_path)
    matching = json.loads((tmp_path / "31337" / "matching.json").read_text())
    core = json.loads((tmp_path / "31337" / "core.json").read_text())
    where = deployment.addresses
    assert (matching["matching"], matching["trade"]) == (where.matching, where.trade)
    assert (core["subAccounts"], core["cash"]) == (where.sub_accounts, where.cash)
    assert chain.cash_asset() == where.cash.lower()

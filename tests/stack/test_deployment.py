"""Around the trading: custody, accounts, the price feed, who administers, the published files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from integration_harness.stack.chain import Chain
from integration_harness.stack.deploy import Funds, write_files
from integration_harness.stack.deployment import Deployment
from integration_harness.stack.rpc import RpcError, address_of, call_data, signed
from tests.stack.signing_desk import ONE, Order, refused, trade


def test_feed(chain: Chain) -> None:
    """The feed has Chainlink's shape and can be healthy, stale, or nonsense."""
    feed = chain.deployment.addresses.feed
    assert chain.rpc.read(feed, "decimals()") == [8]
    chain.set_feed(62_500)
    fresh = chain.rpc.read(feed, "latestRoundData()")
    assert fresh[1] == 62_500
    assert fresh[3] == chain.now()
    chain.set_feed_round(-1, 1_000)
    stale = chain.rpc.read(feed, "latestRoundData()")
    assert (signed(stale[1]), stale[3], stale[0]) == (-1, 1_000, fresh[0] + 1)


def test_administration_is_closed(chain: Chain) -> None:
    """A stranger can neither move funds, nor the mark, nor the feed, nor admit an executor."""
    where, stranger = chain.deployment.addresses, chain.deployment.accounts["stranger"].address
    attempts = (
        ("TR_OnlyAdmin()", where.deposit, "move(uint256,address,uint256)", (7, where.cash, 1)),
        ("FA_OnlyKeeper()", where.future, "setMark(uint256,int256)", (1, 1)),
        ("PF_OnlyOwner()", where.feed, "setAnswer(int256)", (1,)),
        ("M_OnlyAdmin()", where.matching, "setTradeExecutor(address,bool)", (stranger, True)),
        ("AC_OnlyAdmin()", where.sub_accounts, "authorise(address,bool)", (stranger, True)),
        (
            "AC_NotAuthorised()",
            where.sub_accounts,
            "adjustBalance(uint256,address,uint256,int256)",
            (7, where.cash, 0, 1),
        ),
    )
    for error, to, signature, words in attempts:
        with refused(error):
            chain.send(stranger, to, call_data(signature, *words))


def test_custody(chain: Chain) -> None:
    """A deposited subaccount belongs to Matching, which knows its owner; withdrawing undoes it."""
    where, stranger = chain.deployment.addresses, chain.deployment.accounts["stranger"]
    account_id = stranger.subaccount_ids[0]

    def owners() -> tuple[str, str]:
        token = chain.rpc.read(where.sub_accounts, "ownerOf(uint256)", account_id)[0]
        human = chain.rpc.read(where.matching, "subAccountToOwner(uint256)", account_id)[0]
        return address_of(token), address_of(human)

    nobody = address_of(0)
    assert owners() == (stranger.address, nobody)
    deposit = call_data("depositSubAccount(uint256)", account_id)
    with refused("ERC721InsufficientApproval(address,uint256)"):
        chain.send(stranger.address, where.matching, deposit)
    approve = call_data("approve(address,uint256)", where.matching, account_id)
    chain.send(stranger.address, where.sub_accounts, approve)
    chain.send(stranger.address, where.matching, deposit)
    assert owners() == (where.matching, stranger.address)
    withdraw = call_data("withdrawSubAccount(uint256)", account_id)
    chain.send(stranger.address, where.matching, withdraw)
    assert owners() == (stranger.address, nobody)


def test_absent_account(chain: Chain) -> None:
    """`ownerOf` of an account that does not exist reverts as OpenZeppelin's does, with the id."""
    with pytest.raises(RpcError) as caught:
        chain.rpc.read(chain.deployment.addresses.sub_accounts, "ownerOf(uint256)", 99)
    assert caught.value.data == "0x7e273289" + f"{99:064x}"


def test_new_owner(chain: Chain, ask: Order) -> None:
    """A further funded owner can be made at any time and trade at once."""
    owner = chain.create_account("late", "0x" + "55" * 32, [Funds(cash=ONE), Funds()])
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
    quote = chain.rpc.read(where.trade, "quoteAsset()")[0]
    assert address_of(quote) == where.cash

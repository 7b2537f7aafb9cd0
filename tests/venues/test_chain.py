"""Chain reads: one call that carries its own block, and balances in the units of the market."""

from __future__ import annotations

import asyncio

import pytest
from eth_abi.abi import encode

from integration_harness.stack.node_client import ask, connected
from integration_harness.stack.up import LocalExchange
from mm_bot.core.exact import Amount, Size
from mm_bot.errors import EdgeError
from mm_bot.io.http import open_client
from mm_bot.venues.numo.account import (
    AccountBalances,
    AssetBalance,
    decode_balances,
    market_balances,
)
from mm_bot.venues.numo.chain import CallRevertedError, Chain
from mm_bot.venues.numo.units import ref
from mm_bot.venues.signing import Domain
from tests.venues.desk import CNGN, FUTURE, FUTURE_MARKET, SPOT_MARKET

CASH = "0x" + "33" * 20
ONE = 10**18


def test_balances_come_with_their_own_block(exchange: LocalExchange) -> None:
    """The one call agrees with the node about block number, its time, and every balance."""
    addresses, maker = exchange.deployment.addresses, exchange.deployment.maker

    async def read() -> AccountBalances:
        async with open_client("", 2000) as client:
            chain = Chain(client, exchange.rpc_url)
            return await chain.balances(addresses.sub_accounts, maker.subaccount_ids[0])

    account = asyncio.run(read())
    with connected(exchange.rpc_url) as web3:
        block = ask(web3, "eth_getBlockByNumber", hex(account.block_number), False)
    assert account.block_time_s == int(block["timestamp"], 16)
    assert account.of(addresses.cash.lower(), 0) > 0
    assert account.of(addresses.wrapped_cngn.lower(), 0) > 0
    assert account.of(CNGN, 7) == 0


def test_the_contracts_are_who_they_should_be(exchange: LocalExchange) -> None:
    """Domain, owners, quote asset, code and chain id are read as deployed."""
    deployment = exchange.deployment
    addresses, maker = deployment.addresses, deployment.maker

    async def read() -> None:
        async with open_client("", 2000) as client:
            chain = Chain(client, exchange.rpc_url)
            subaccount = maker.subaccount_ids[0]
            ours = Domain(chain_id=exchange.chain_id, matching=addresses.matching).separator
            assert await chain.chain_id() == exchange.chain_id
            assert await chain.domain_separator(addresses.matching) == ours
            assert await chain.quote_asset(addresses.trade) == addresses.cash.lower()
            holder = await chain.owner_of(addresses.sub_accounts, subaccount)
            assert holder == addresses.matching.lower()
            owner = await chain.subaccount_owner(addresses.matching, subaccount)
            assert owner == maker.address.lower()
            assert await chain.has_code(addresses.matching)
            assert not await chain.has_code(maker.address)
            assert await chain.session_key_expiry_s(addresses.matching, CNGN, CASH) == 0
            with pytest.raises(CallRevertedError):
                await chain.owner_of(addresses.sub_accounts, 10**9)
            with pytest.raises(EdgeError):
                await chain.balances(maker.address, subaccount)

    asyncio.run(read())


def test_a_node_that_is_not_there_is_an_edge_error_without_its_url() -> None:
    """The key in a node's URL does not show."""

    async def read() -> None:
        async with open_client("", 500) as client:
            await Chain(client, "http://127.0.0.1:9/v2/secret").chain_id()

    with pytest.raises(EdgeError) as caught:
        asyncio.run(read())
    assert caught.value.source == "node"
    assert "secret" not in str(caught.value)


def account(*entries: tuple[str, int, int]) -> AccountBalances:
    return AccountBalances(
        block_number=7,
        block_time_s=9,
        entries=tuple(AssetBalance(asset=a, sub_id=s, balance=b) for a, s, b in entries),
    )


def test_spot_balances_are_cash_and_cngn() -> None:
    """Base is the trade module's quote asset, quote the wrapped cNGN of the orders."""
    held = account((CASH, 0, 25 * ONE // 10), (CNGN, 0, 4000 * ONE), (FUTURE, 1, 5))
    balances = market_balances(held, SPOT_MARKET, CASH)
    assert (balances.base, balances.quote) == (Size.of("2.5"), Amount.of(4000))
    assert (balances.block_number, balances.block_time_ms) == (7, 9000)


def test_future_balances_are_position_and_cash() -> None:
    """Base is the signed position of exactly this expiry; cash may be below zero."""
    expiry = ref(FUTURE_MARKET).sub_id
    held = account((CASH, 0, -ONE), (FUTURE, expiry, -3 * ONE), (FUTURE, expiry + 1, 9 * ONE))
    balances = market_balances(held, FUTURE_MARKET, CASH)
    assert (balances.base, balances.quote) == (Size.of(-3), Amount.of(-1))


def test_balances_are_decoded_as_abi_says() -> None:
    """An independent encoder's bytes come out as they went in."""
    rows = [(CASH, 0, -5), (CNGN, 2**255, 2**200)]
    answer = encode(["uint256", "uint256"], [7, 9]) + encode(["(address,uint256,int256)[]"], [rows])
    assert decode_balances(answer) == account(*rows)
    for broken in (answer[:-1], answer + b"\0" * 32, answer[:64], b""):
        with pytest.raises(EdgeError):
            decode_balances(broken)

"""Our hand-packed chain reads against web3, which knows the contracts by their ABI alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import httpx
import orjson
import pytest
from web3 import HTTPProvider, Web3

from integration_harness.stack import contracts
from integration_harness.stack.up import LocalExchange
from mm_bot.io.http import LeanClient, LeanTransport, dialed, open_client
from mm_bot.io.http_connection import Answer
from mm_bot.io.resolver import SYSTEM
from mm_bot.io.streamed_body import StreamedBody
from mm_bot.venues.numo.account import AccountBalances
from mm_bot.venues.numo.chain import Chain


@pytest.fixture
def contract(exchange: LocalExchange) -> Callable[[str, str], Any]:
    web3 = Web3(HTTPProvider(exchange.rpc_url))

    def at(name: str, address: str) -> Any:
        return web3.eth.contract(
            address=Web3.to_checksum_address(address), abi=contracts.load(name).abi
        )

    return at


def test_every_read_of_ours_is_what_web3_reads(
    exchange: LocalExchange, contract: Callable[[str, str], Any]
) -> None:
    """Balances, owners, session keys, domain separator and quote asset, decoded by two codes."""
    addresses, maker = exchange.deployment.addresses, exchange.deployment.maker
    account = maker.subaccount_ids[0]

    async def ours() -> tuple[Any, ...]:
        async with open_client("", 2000) as client:
            chain = Chain(client, exchange.rpc_url)
            balances = await chain.balances(addresses.sub_accounts, account)
            return (
                sorted((e.asset, e.sub_id, e.balance) for e in balances.entries),
                await chain.owner_of(addresses.sub_accounts, account),
                await chain.subaccount_owner(addresses.matching, account),
                await chain.session_key_expiry_s(addresses.matching, addresses.cash, maker.address),
                await chain.domain_separator(addresses.matching),
                await chain.quote_asset(addresses.trade),
            )

    sub_accounts = contract("SubAccounts", addresses.sub_accounts).functions
    matching = contract("Matching", addresses.matching).functions
    trade = contract("TradeModule", addresses.trade).functions
    owner = Web3.to_checksum_address(maker.address)
    cash = Web3.to_checksum_address(addresses.cash)
    theirs = (
        sorted((a.lower(), s, b) for a, s, b in sub_accounts.getAccountBalances(account).call()),
        sub_accounts.ownerOf(account).call().lower(),
        matching.subAccountToOwner(account).call().lower(),
        matching.sessionKeys(cash, owner).call(),
        matching.domainSeparator().call(),
        trade.quoteAsset().call().lower(),
    )
    assert asyncio.run(ours()) == theirs


class NodeWithoutPrograms(LeanTransport):
    """A node that answers a call without a receiver with an error, and everything else itself."""

    async def exchanged(
        self,
        request: httpx.Request,
        data: bytes,
        extensions: Mapping[str, Any],
        streamed: StreamedBody | None = None,
    ) -> Answer:
        asked = orjson.loads(data.partition(b"\r\n\r\n")[2])
        if asked["method"] == "eth_call" and "to" not in asked["params"][0]:
            error = {"code": -32602, "message": "missing receiver"}
            content = orjson.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": error})
            return Answer(request=request, status_code=200, fields=[], content=content)
        return await super().exchanged(request, data, extensions, streamed)


def test_a_node_without_receiverless_calls_gives_the_same_balances(
    exchange: LocalExchange,
) -> None:
    """Where the node refuses the one-call read, balances come from the latest block by number."""
    addresses, maker = exchange.deployment.addresses, exchange.deployment.maker

    async def read(transport: LeanTransport) -> AccountBalances:
        async with LeanClient(transport=transport) as client:
            chain = Chain(client, exchange.rpc_url)
            return await chain.balances(addresses.sub_accounts, maker.subaccount_ids[0])

    connect = partial(dialed, SYSTEM)
    plain = asyncio.run(read(LeanTransport(connect)))
    refused = asyncio.run(read(NodeWithoutPrograms(connect)))
    assert refused.entries == plain.entries
    assert abs(refused.block_number - plain.block_number) <= 1

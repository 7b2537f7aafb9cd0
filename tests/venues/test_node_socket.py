"""A node's WebSocket, against the real node: the same answers as over HTTP, and new blocks told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import pytest
from websockets.asyncio.server import ServerConnection, serve

from integration_harness.stack.evm_node import EvmNode
from integration_harness.stack.node_client import ask, connected
from integration_harness.stack.supervisor import Supervisor
from integration_harness.stack.up import LocalExchange
from mm_bot.clock import SystemClock
from mm_bot.core.exact import Price
from mm_bot.errors import EdgeError
from mm_bot.io.http import open_client
from mm_bot.prices.build import AnchorConfig, build
from mm_bot.prices.oracle import OracleSpec
from mm_bot.prices.spec import SourceContext
from mm_bot.venues.numo.chain import CallRevertedError, Chain
from tests.prices.support import OPEN_GUARD

AN_HOUR_MS = 3_600_000
WITHIN_S = 20


@asynccontextmanager
async def chain_at(url: str) -> AsyncIterator[Chain]:
    async with open_client("", 2_000) as client, AsyncExitStack() as cleanup:
        chain = Chain(client, url)
        cleanup.push_async_callback(chain.aclose)
        yield chain


def socket_url(url: str) -> str:
    return "ws" + url.removeprefix("http")


async def until(news: asyncio.Event) -> None:
    """The next of it."""
    async with asyncio.timeout(WITHIN_S):
        await news.wait()
    news.clear()


def test_a_socket_answers_as_http_does(exchange: LocalExchange) -> None:
    """All that the bot asks at once, each answer its own, refusals of a contract included."""
    addresses, maker = exchange.deployment.addresses, exchange.deployment.maker
    subaccount = maker.subaccount_ids[0]

    async def told(chain: Chain) -> tuple[object, ...]:
        with pytest.raises(CallRevertedError):
            await chain.owner_of(addresses.sub_accounts, 10**9)
        account, *rest = await asyncio.gather(
            chain.balances(addresses.sub_accounts, subaccount),
            chain.chain_id(),
            chain.owner_of(addresses.sub_accounts, subaccount),
            chain.has_code(addresses.matching),
            chain.domain_separator(addresses.matching),
        )
        return account.entries, *rest

    async def both() -> None:
        async with chain_at(exchange.rpc_url) as http, chain_at(socket_url(exchange.rpc_url)) as ws:
            assert await told(ws) == await told(http)

    asyncio.run(both())


def test_each_block_is_told_and_a_lost_node_is_said_and_found_again() -> None:
    """Once on subscribing and at each block; in between questions fail without the URL's key."""
    sources: list[tuple[str, str]] = []
    block, source = asyncio.Event(), asyncio.Event()

    def on_source(name: str, why: str) -> None:
        sources.append((name, why))
        source.set()

    async def live(node: EvmNode) -> None:
        async with chain_at(socket_url(node.url) + "?key=secret") as chain:
            chain.on_block(block.set)
            following = asyncio.create_task(chain.blocks(on_source))
            for _ in range(2):
                await until(source)
                assert sources[-1] == ("subscription", "")
                await until(block)
                before = await chain.head()
                with connected(node.url) as web3:
                    await asyncio.to_thread(ask, web3, "evm_mine")
                await until(block)
                assert (await chain.head()).number == before.number + 1
                await asyncio.to_thread(node.stop)
                await until(source)
                assert sources[-1][0] == "poll"
                with pytest.raises(EdgeError) as refused:
                    await chain.chain_id()
                assert refused.value.source == "node"
                assert "secret" not in f"{sources} {refused.value}"
                await asyncio.to_thread(node.start)
                await until_subscribed(sources, source)
            following.cancel()

    with Supervisor() as supervisor:
        node = EvmNode(supervisor, block_time_seconds=600)  # else by transactions alone
        node.start()
        asyncio.run(live(node))


async def until_subscribed(sources: list[tuple[str, str]], source: asyncio.Event) -> None:
    """However often it was tried before; what was told last is told again to who looks next."""
    while sources[-1][0] != "subscription":
        await until(source)
    source.set()


def test_a_feed_is_read_at_the_block_that_changed_it(exchange: LocalExchange) -> None:
    """Without waiting for its time, an hour later."""
    feed = OracleSpec(address=exchange.deployment.addresses.feed)
    moved = asyncio.Event()

    async def follow() -> None:
        async with chain_at(socket_url(exchange.rpc_url)) as chain:
            context = SourceContext(
                clock=SystemClock(), eth_call=chain.eth_call, on_block=chain.on_block
            )
            anchor = AnchorConfig(
                source=feed, guard=OPEN_GUARD, interval_ms=AN_HOUR_MS, timeout_ms=2_000
            )
            runner = build(anchor, context)
            assert runner is not None
            runner.on_update = moved.set
            following = asyncio.create_task(chain.blocks(lambda *_: None))
            runner.start()
            try:
                for price in (Decimal(1600), Decimal(1250), Decimal(1600)):
                    await asyncio.to_thread(exchange.set_price, price)
                    while runner.latest().price != Price(price):
                        await until(moved)
            finally:
                following.cancel()
                await runner.aclose()

    asyncio.run(follow())


def test_what_a_node_says_beside_its_answers_harms_nothing() -> None:
    """Neither what is no JSON nor answers to nobody; a connection that ends answers nothing."""
    junk = ("{", "[]", "7", '{"id":[1]}', '{"id":true,"result":"0x9"}', '{"id":99,"result":"0x9"}')

    async def node(socket: ServerConnection) -> None:
        await socket.recv()
        for text in junk:
            await socket.send(text)
        await socket.send(b"\xff\xfe")
        await socket.send('{"jsonrpc":"2.0","id":1,"result":"0x7"}')
        await socket.recv()

    async def talk() -> None:
        async with serve(node, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with chain_at(f"ws://127.0.0.1:{port}") as chain:
                assert await chain.chain_id() == 7
                with pytest.raises(EdgeError, match="ended the WebSocket"):
                    await chain.chain_id()

    asyncio.run(talk())

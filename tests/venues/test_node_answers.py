"""What a node says is taken for what it is: a revert, a moment of its own, or an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from integration_harness.stack.up import LocalExchange
from mm_bot.errors import EdgeError, IdentityError, UnreachableError
from mm_bot.io.http import open_client
from mm_bot.venues.numo.account import AccountBalances
from mm_bot.venues.numo.chain import CallRevertedError, Chain
from mm_bot.venues.numo.exchange import NumoVenue
from mm_bot.venues.signing import uint_word
from tests.venues.desk import CNGN, venue_config
from tests.venues.raw_server import Answer, Server

WORDS = b"".join(map(uint_word, (7, 9, 32, 0)))
"""Block 7 at second 9 with no balances, as the program returns it."""
BUSY = {"code": -32016, "message": "over rate limit"}
Node = Callable[[dict[str, Any]], dict[str, Any]]


@asynccontextmanager
async def node(answer: Node) -> AsyncIterator[tuple[Chain, list[dict[str, Any]]]]:
    """A chain behind a node that answers so; gives what it was asked too."""
    asked: list[dict[str, Any]] = []

    async def serve(server: Server, writer: asyncio.StreamWriter) -> None:
        request = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
        asked.append(request)
        body = json.dumps({"id": request["id"], **answer(request)}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    listener = await asyncio.start_server(Server(serve).serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with open_client("", 2000) as client:
        yield Chain(client, url), asked
    listener.close()


def is_program(request: dict[str, Any]) -> bool:
    return request["method"] == "eth_call" and "to" not in request["params"][0]


def fine(request: dict[str, Any]) -> dict[str, Any]:
    if request["method"] == "eth_getBlockByNumber":
        return {"result": {"number": "0x7", "timestamp": "0x9"}}
    return {"result": "0x" + (WORDS if is_program(request) else WORDS[64:]).hex()}


def said(error: dict[str, Any]) -> EdgeError:
    async def run() -> EdgeError:
        async with node(lambda request: {"error": error}) as (chain, _):
            with pytest.raises(EdgeError) as caught:
                await chain.eth_call(CNGN, b"")
            return caught.value

    return asyncio.run(run())


@pytest.mark.parametrize(
    "error",
    [
        {"code": 3, "message": "execution reverted", "data": "0x"},
        {"code": 3, "message": "execution reverted"},
        {"code": -32000, "message": "reverted", "data": "0x08c379a0"},
        {"code": -32015, "message": "VM error", "data": "Reverted 0x08c379a0"},
    ],
)
def test_a_revert_is_code_3_or_hex_data(error: dict[str, Any]) -> None:
    """Only these say something of the contract."""
    assert isinstance(said(error), CallRevertedError)


@pytest.mark.parametrize(
    "error",
    [
        {"code": -32005, "message": "limit exceeded", "data": "see https://rpc.test/k3y?a=b"},
        {"code": -32016, "message": "over rate limit"},
        {"code": -32000, "message": "header not found"},
        {"code": -32603, "message": "too much " * 1000, "data": {"k": 1}},
        {},
    ],
)
def test_whatever_else_a_node_says_is_no_revert(error: dict[str, Any]) -> None:
    """Its words are kept, cut, and rid of URLs."""
    got = said(error)
    assert not isinstance(got, CallRevertedError)
    assert str(error.get("message", ""))[:16] in got.reason
    assert "k3y" not in got.reason
    assert len(got.reason) < 500


def test_one_refusal_in_flight_is_forgotten() -> None:
    """The two-request way bridges one bad moment; after its pause the one call is back."""
    busy = True

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        return {"error": BUSY} if busy and is_program(request) else fine(request)

    async def run() -> tuple[AccountBalances, list[bool]]:
        nonlocal busy
        async with node(answer) as (chain, asked):
            await chain.balances(CNGN, 1)
            busy = False
            while True:
                before = len(asked)
                account = await chain.balances(CNGN, 1)
                if is_program(asked[before]):
                    return account, [is_program(request) for request in asked[before:]]
                await asyncio.sleep(0.05)

    account, last = asyncio.run(run())
    assert (account.block_number, account.block_time_s) == (7, 9)
    assert last == [True]


def test_a_node_without_programs_is_not_asked_for_one_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first read asks for it; the next ones, within its pause, do not."""
    monkeypatch.setattr("mm_bot.venues.numo.chain._PROGRAM_AGAIN_S", 60.0)

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        return {"error": BUSY} if is_program(request) else fine(request)

    async def run() -> list[bool]:
        async with node(answer) as (chain, asked):
            for _ in range(4):
                await chain.balances(CNGN, 1)
            return [is_program(request) for request in asked]

    asked = asyncio.run(run())
    assert asked.count(True) == 1
    assert len(asked) == 9


def each(answer: Answer) -> Callable[[Any, Any], Awaitable[None]]:
    """A server of its own for each connection, so that none sees another's requests."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Server(answer).serve(reader, writer)

    return serve


def start_through(
    exchange: LocalExchange, answers: list[dict[str, Any]], *, reach_ms: int = 15_000
) -> tuple[str, int]:
    """Start through a node that first gives each of `answers` to an `eth_call`, the last one for
    ever where it is an error; how the start failed, if it did, and how often it was asked."""

    async def run() -> tuple[str, int]:
        calls = 0

        async def relay(server: Server, writer: asyncio.StreamWriter) -> None:
            nonlocal calls
            body = server.requests[-1].partition(b"\r\n\r\n")[2]
            request = json.loads(body)
            if request["method"] == "eth_call" and answers:
                calls += 1
                error = answers.pop(0) if len(answers) > 1 else answers[0]
                answer = json.dumps({"id": request["id"], **error}).encode()
                if "result" in error:
                    answers.clear()
                    answer = (await real.post(exchange.rpc_url, content=body)).content
            else:
                answer = (await real.post(exchange.rpc_url, content=body)).content
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))

        headers = {"content-type": "application/json"}
        async with open_client("", 2000, headers) as real:
            listener = await asyncio.start_server(each(relay), "127.0.0.1", 0)
            port = listener.sockets[0].getsockname()[1]
            config = venue_config(
                exchange,
                exchange.spot.symbol,
                rpc_url=f"http://127.0.0.1:{port}",
                reach_timeout_ms=reach_ms,
                dry_run=True,
            )
            venue = NumoVenue(config)
            failure = ""
            try:
                await venue.open()
            except (IdentityError, UnreachableError) as error:
                failure = f"{type(error).__name__}: {error}"
            finally:
                await venue.aclose()
                listener.close()
            return failure, calls

    return asyncio.run(run())


def test_a_start_outlives_a_nodes_bad_moments(exchange: LocalExchange) -> None:
    """Errors without data and a rate limit's prose are asked again until the node answers."""
    limit = {"code": -32005, "message": "limit exceeded", "data": "try again later"}
    bad = [{"error": BUSY}, {"error": limit}, {"error": {"code": -32000, "message": "busy"}}]
    failure, calls = start_through(exchange, [*bad, *bad, {"result": "real"}])
    assert failure == ""
    assert calls == 7


def test_a_node_that_never_answers_ends_the_start_with_its_text(exchange: LocalExchange) -> None:
    """Exit 4 and the node's own words, not another identity."""
    limit = {"code": -32005, "message": "daily limit reached", "data": "upgrade your plan"}
    failure, calls = start_through(exchange, [{"error": limit}], reach_ms=4_000)
    assert failure.startswith("UnreachableError: chain node at http://127.0.0.1:")
    assert "daily limit reached" in failure
    assert calls > 4


def test_a_revert_at_start_is_an_answer_and_not_asked_again(exchange: LocalExchange) -> None:
    """A contract that refuses is the wrong one: exit 3, at once."""
    revert = {"code": 3, "message": "execution reverted", "data": "0x"}
    failure, calls = start_through(exchange, [{"error": revert}])
    assert failure.startswith("IdentityError: ")
    assert calls <= 6

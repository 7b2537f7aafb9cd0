"""Claims about the HTTP server, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from mm_bot.errors import SettingsError
from mm_bot.observe.http_limits import CLIENT_LIMIT_PERCENT
from mm_bot.observe.http_server import CONNECTION_LIMIT, HttpServer
from mm_bot.observe.pages import Pages
from mm_bot.observe.redact import Redactor
from tests.observe.http_helpers import REASONS, REPORTED, exchange, get, serve


def test_healthz_is_200_while_the_process_runs() -> None:
    """Liveness looks at nothing else."""

    async def scenario(port: int) -> None:
        status, headers, body = await get(port, "/healthz")
        assert (status, json.loads(body)) == (200, {"status": "ok"})
        assert headers["Content-Type"] == "application/json"

    serve(scenario)


def test_readyz_lists_every_reason_at_once() -> None:
    """Ready is 200 without reasons; not ready is 503 with all of them."""

    async def scenario(port: int) -> None:
        REASONS.clear()
        assert (await get(port, "/readyz"))[0] == 200
        REASONS.extend(["halted: balances stale", "no bid for 12.0 s"])
        status, _, body = await get(port, "/readyz")
        assert status == 503
        assert json.loads(body) == {"ready": False, "reasons": REASONS}

    serve(scenario)


def test_metrics_have_the_type_that_prometheus_expects() -> None:
    """The exposition is served as it is, under its own content type."""

    async def scenario(port: int) -> None:
        status, headers, body = await get(port, "/metrics")
        assert status == 200
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert body == b"# HELP up Up.\nup 1.0\n"

    serve(scenario)


def test_no_secret_leaves_through_the_status() -> None:
    """What the redactor knows is masked in status answers too."""
    redactor = Redactor()
    redactor.add("topsecretkey")

    async def scenario(port: int) -> None:
        _, _, body = await get(port, "/status")
        assert json.loads(body) == {"mode": "normal", "url": "https://node/v2/[secret]"}

    serve(scenario, redact=redactor)


def test_head_answers_without_a_body() -> None:
    """HEAD tells the length of what GET would send."""

    async def scenario(port: int) -> None:
        status, headers, body = await get(port, "/", "HEAD")
        assert (status, headers["Content-Length"], body) == (200, "15", b"")

    serve(scenario)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [("GET", "/nothing", 404), ("POST", "/status", 405), ("DELETE", "/nothing", 404)],
)
def test_other_requests_are_refused_in_json(method: str, target: str, expected: int) -> None:
    """Unknown paths and methods that could change something get a reason."""

    async def scenario(port: int) -> None:
        status, headers, body = await get(port, target, method)
        assert status == expected
        assert json.loads(body)["error"]
        assert ("Allow" in headers) == (expected == 405)

    serve(scenario)


def test_a_handler_is_given_the_query() -> None:
    """What follows the question mark reaches the handler as it is."""

    async def scenario(port: int) -> None:
        assert (await get(port, "/echo?market=A%20B&x"))[2] == b"market=A%20B&x"

    serve(scenario)


def test_a_failing_page_is_500_and_reported() -> None:
    """A page that raises harms nothing but itself, and somebody is told."""

    async def scenario(port: int) -> None:
        REPORTED.clear()
        assert (await get(port, "/broken"))[0] == 500
        assert REPORTED == [("/broken", "the status is broken")]
        assert (await get(port, "/healthz"))[0] == 200

    serve(scenario)


def test_connections_are_kept_alive() -> None:
    """Several requests go over one connection, also sent in one piece, answered in order."""

    async def scenario(port: int) -> None:
        request = b"GET /echo?%d HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /echo?3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        raw = await exchange(port, request % 1 + request % 2 + last)
        assert raw.count(b"HTTP/1.1 200 OK") == 3
        assert [raw.index(b"\r\n\r\n%d" % each) for each in (1, 2, 3)] == sorted(
            raw.index(b"\r\n\r\n%d" % each) for each in (1, 2, 3)
        )

    serve(scenario)


def test_a_request_may_arrive_byte_by_byte() -> None:
    """Where packets end does not matter."""

    async def scenario(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()

    serve(scenario)


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HTTP/1.1 400 "),
        (b"hello\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, b"HTTP/1.1 431 "),
        (b"GET /" + b"a" * 40_000, b"HTTP/1.1 431 "),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n" + b"a" * 40_000,
            b"HTTP/1.1 413 ",
        ),
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 "),
        (
            b"GET /healthz HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 ",
        ),
    ],
)
def test_what_is_not_a_small_request_is_refused(request_bytes: bytes, expected: bytes) -> None:
    """Noise, too much of anything, old versions and upgrades end in an answer and a close."""

    async def scenario(port: int) -> None:
        raw = await exchange(port, request_bytes)
        # A client that is still sending may lose the answer to the reset; never the server.
        assert raw.startswith(expected) or (not raw and len(request_bytes) > 16_384)
        assert (await get(port, "/healthz"))[0] == 200

    serve(scenario)


def test_a_slow_client_is_cut() -> None:
    """Who does not complete a request in time loses the connection."""

    async def scenario(port: int) -> None:
        began = asyncio.get_running_loop().time()
        assert await exchange(port, b"GET /healthz HT") == b""
        assert asyncio.get_running_loop().time() - began < 4.5, "the default is 5"

    serve(scenario, timeout_s=0.2)


def test_a_client_that_does_not_read_is_cut() -> None:
    """Answers that nobody reads are not piled up."""

    async def scenario(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
        await asyncio.sleep(0.2)
        assert (await get(port, "/healthz"))[0] == 200
        writer.transport.abort()

    serve(scenario)


def test_too_much_in_one_breath_is_cut() -> None:
    """Of a flood of requests on one connection only the first few are answered."""

    async def scenario(port: int) -> None:
        raw = await exchange(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        assert raw.count(b"200 OK") <= 8

    serve(scenario)


def test_connections_are_bounded_and_a_probe_is_always_answered() -> None:
    """Clients that hold twice as many connections as there are, sending half a request each, keep
    nobody out; the oldest of them were cut, and no more than their share is open."""

    async def scenario(port: int) -> None:
        held = []
        for _ in range(2 * CONNECTION_LIMIT):
            held.append(await asyncio.open_connection("127.0.0.1", port))
            held[-1][1].write(b"GET /healthz HT")
        for _ in range(20):
            assert (await get(port, "/healthz"))[0] == 200
        cut = [await is_cut(reader) for reader, _ in held]
        share = CONNECTION_LIMIT * CLIENT_LIMIT_PERCENT // 100
        assert all(cut[: len(held) - share])
        assert not all(cut)
        for _, writer in held:
            writer.close()

    serve(scenario)


async def is_cut(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 0.05) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_who_asks_too_often_waits_and_other_pages_do_not() -> None:
    """With a rate of 2 a second, 5 requests at once are all answered, the last not before its
    turn; meanwhile another page is answered while requests of the first are still waiting."""

    async def scenario(port: int) -> None:
        asked = [asyncio.create_task(get(port, "/metrics")) for _ in range(5)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert (await get(port, "/healthz"))[0] == 200
        assert not all(task.done() for task in asked)
        assert {(await task)[0] for task in asked} == {200}

    serve(scenario, rate=2.0)


def test_a_taken_port_is_a_fault_of_the_settings() -> None:
    """The fault names the variable, the address and the remedy; the exit code is 2."""

    async def scenario(port: int) -> None:
        with pytest.raises(SettingsError) as caught:
            await HttpServer({}).start("127.0.0.1", port)
        assert f"MM_METRICS_ADDR=127.0.0.1:{port}" in str(caught.value)
        assert "in use" in str(caught.value)
        assert caught.value.exit_code == 2

    serve(scenario)


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 8080), ("no.such.host.invalid", 80),
                                            ("127.0.0.1", 70000)])  # fmt: skip
def test_an_address_that_is_not_ours_is_a_fault(host: str, port: int) -> None:
    """So is one that this machine does not have, a name nobody knows, and an impossible port."""
    with pytest.raises(SettingsError, match="MM_METRICS_ADDR"):
        asyncio.run(HttpServer({}).start(host, port))


def test_an_empty_host_is_every_interface() -> None:
    """ ":8080" listens everywhere."""

    with socket.create_server(("", 0)) as probe:
        port = probe.getsockname()[1]

    async def run() -> None:
        server = HttpServer(Pages(ready=list, status=dict, metrics=bytes).routes())
        await server.start("", port)
        try:
            assert (await get(port, "/healthz"))[0] == 200
        finally:
            await server.close()

    asyncio.run(run())

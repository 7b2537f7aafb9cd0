"""The service as a process, against real servers that misbehave in every way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.anchors.servers import Answer, RawServer, json_answer, raw_server
from tests.anchors.support import run
from tests.fair_anchor.support import (
    FIELDS,
    FUTURE,
    ONE_FUTURE,
    SPOT,
    Service,
    Told,
    ended,
    running,
)

TIMEOUT_MS = 300
KEY = "key-that-nobody-may-see"
HTML = {"content-type": "text/html"}
BOARD = (
    '{"data": {"buyOrders": [{"price": "1592", "status": "active"}, {"price": "1599", "status": '
    '"cancelled"}], "sellOrders": [{"price": "1608", "status": ""}]}}'
)
Scenario = Callable[[RawServer, Service], Awaitable[None]]


def against(folder: Path, answer: Answer, scenario: Scenario, **environment: str) -> None:
    """Runs `scenario` with a service whose http source is a server that answers so; `{url}` in a
    value of the environment is that server's."""

    async def whole() -> None:
        async with raw_server(answer) as server:
            given = {
                **ONE_FUTURE,
                "FAIR_ANCHOR_SPOT_SOURCES": "http",
                "FAIR_ANCHOR_HTTP_URL": f"{server.url}/price?key={KEY}",
                "FAIR_ANCHOR_TIMEOUT_MS": str(TIMEOUT_MS),
                "FAIR_ANCHOR_CACHE_MS": "10",
                **{
                    f"FAIR_ANCHOR_{name}": text.replace("{url}", server.url)
                    for name, text in environment.items()
                },
            }
            with ExitStack() as stack:
                service = await asyncio.to_thread(stack.enter_context, running(folder, given))
                await scenario(server, service)

    run(whole())


async def price(service: Service, market: str = FUTURE) -> Told:
    """`/price`, without holding up the server that lives in this loop."""
    return await asyncio.to_thread(service.price, market)


async def until(service: Service, status: int) -> Told:
    return await asyncio.to_thread(service.until, status)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (json_answer('{"price": "NaN"}'), "not finite"),
        (json_answer('{"price": Infinity}'), "not finite"),
        (json_answer('{"price": -1600}'), "not positive"),
        (json_answer('{"price": 0}'), "not positive"),
        (json_answer('{"price": 1e25}'), "implausible"),
        (json_answer('{"price": 0.000625}'), "implausible"),
        (json_answer('{"price": "1' + "0" * 5_000 + '"}'), "implausible"),
        (json_answer('{"price": null}'), "no price"),
        (json_answer('{"cost": 1600}'), "no price"),
        (json_answer("[1600]"), "malformed"),
        (json_answer("{{{"), "malformed"),
        (json_answer("\x00\x01 garbage"), "malformed"),
        (json_answer(""), "empty body"),
        (json_answer("1600", headers=HTML), "content type"),
        (json_answer("1600", status="302 Found", headers={"location": "/other"}), "redirect"),
        (json_answer("1600", status="429 Too Many Requests"), "rate limited"),
        (json_answer("1600", status="500 Internal Server Error"), "status not 200"),
        (json_answer('{"price": 1600}', cut=True), "broken answer"),
        (json_answer(" " * 100_000 + "1600"), "body too large"),
        (json_answer("1600", raw=b"this is no HTTP\r\n\r\n"), "broken answer"),
        (json_answer("1600", delay_seconds=1.0), "timeout"),
        (json_answer("1600.000000", body_pause_seconds=0.1), "timeout"),
        (json_answer('{"price": 1600, "generated_at": "2001-01-01T00:00:00Z"}'), "too old"),
        (json_answer('{"price": 1600, "generated_at": "2098-01-01T00:00:00Z"}'), "from the fut"),
    ],
)
def test_what_is_no_price_is_refused_with_its_own_reason(
    answer: Answer, reason: str, tmp_path: Path
) -> None:
    """Whatever a source sends instead of a price: 502 in JSON with the reason, /healthz and
    /readyz 503, and the service recovers by itself."""

    async def scenario(server: RawServer, service: Service) -> None:
        told = await price(service)
        assert (told.status, told.content_type) == (502, "application/json")
        assert told.tried()["http"].startswith(reason), told.body
        assert told.body["market"] == FUTURE
        for page in ("/healthz", "/readyz"):
            assert (await asyncio.to_thread(service.get, page)).status == 503
        # It asked for a pause of a second or more, which is waited for.
        server.answer(json_answer('{"price": 1600}'))
        assert (await until(service, 200)).body["spot"] == 1600

    against(tmp_path, answer, scenario)


def test_an_answer_has_exactly_its_fields_and_every_digit(tmp_path: Path) -> None:
    """All thirteen fields and no other, in JSON, with exact numbers, and the spot's own time."""

    async def scenario(server: RawServer, service: Service) -> None:
        told = await price(service)
        assert (told.status, told.content_type) == (200, "application/json")
        assert list(told.body) == FIELDS
        assert told.body["spot"] == Decimal("1600.123456789012345678901234567890")
        assert told.body["price"] == told.body["fair"] > told.body["spot"]
        assert (told.body["rate_apr"], told.body["carry_bps"]) == (Decimal("0.08"), 5)
        assert told.body["expiry_utc"] == "2099-11-30T00:00:00Z"
        assert (told.body["source"], told.body["confidence"]) == ("http", "high")
        assert datetime.fromisoformat(told.body["generated_at"]).tzinfo is not None
        assert f"market={SPOT}".encode() in server.requests[0]

    body = '{"price": 1600.123456789012345678901234567890}'
    against(tmp_path, json_answer(body), scenario, RATE_APR="0.08", CARRY_BPS="5")


def test_every_error_is_json(tmp_path: Path) -> None:
    """An unsupported market is 400, an unknown page 404, another method 405, and what is no HTTP
    400: all of them JSON; only /metrics is not."""

    async def scenario(server: RawServer, service: Service) -> None:
        told = await price(service, "OTHER")
        assert (told.status, told.body["supported"]) == (400, [FUTURE, SPOT])
        assert (await asyncio.to_thread(service.get, "/nothing")).status == 404
        posted = await asyncio.to_thread(service.client.post, service.url + "/price")
        assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
        assert "error" in posted.json()
        for sent in (b"nonsense\r\n\r\n", b"GET /price HTTP/1.1\r\nx: " + b"y" * 20_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(sent)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            assert head.startswith(b"HTTP/1.1 400 ")
            assert b"application/json" in head
            assert body.startswith(b'{"error":')
        text = await asyncio.to_thread(service.metrics)
        assert 'fair_anchor_requests_total{status="400"} 1.0' in text

    against(tmp_path, json_answer("1600"), scenario)


def test_any_market_is_priced_like_the_one_future_where_that_is_allowed(tmp_path: Path) -> None:
    """With FAIR_ANCHOR_ALLOW_ANY_MARKET an unknown symbol gets the future's value under its own
    name."""

    async def scenario(server: RawServer, service: Service) -> None:
        told = await price(service, "OTHER")
        assert (told.status, told.body["market"]) == (200, "OTHER")
        assert told.body["expiry_utc"] == "2099-11-30T00:00:00Z"

    against(tmp_path, json_answer("1600"), scenario, ALLOW_ANY_MARKET="true")


def test_the_spot_market_is_served_from_outside_sources(tmp_path: Path) -> None:
    """The spot symbol has the bare spot, with no time to expiry."""

    async def scenario(server: RawServer, service: Service) -> None:
        told = await price(service, SPOT)
        assert (told.status, told.body["price"], told.body["t_years"]) == (200, 1600, 0)
        assert told.body["expiry_utc"] is None

    against(tmp_path, json_answer("1600"), scenario, RATE_APR="0.5", CARRY_ABS="7")


def test_several_futures_have_their_own_expiries_and_rates(tmp_path: Path) -> None:
    """Each market of one process is priced by its expiry and rate; an expired one is the spot."""

    async def scenario(server: RawServer, service: Service) -> None:
        found = {name: (await price(service, name)).body for name in ("NEAR", "FAR", "PAST")}
        assert found["NEAR"]["rate_apr"] == Decimal("0.1")
        assert found["FAR"]["rate_apr"] == Decimal("0.2")
        assert 1600 == found["PAST"]["price"] < found["NEAR"]["price"] < found["FAR"]["price"]
        health = await asyncio.to_thread(service.get, "/healthz")
        assert (health.status, health.body["status"]) == (200, "ok")
        assert set(health.body["fair"]) == {"NEAR", "FAR", "PAST", FUTURE}

    against(
        tmp_path,
        json_answer("1600"),
        scenario,
        MARKETS="NEAR=2090-01-01T00:00:00Z,FAR=2091-01-01T00:00:00Z,PAST=2020-01-01T00:00:00Z",
        RATE_CURVE="2090-01-01T00:00:00Z=0.1,2091-01-01T00:00:00Z=0.2",
    )


def test_a_jump_must_be_confirmed(tmp_path: Path) -> None:
    """A price that jumps is refused until it has been said three times, and then believed."""

    async def scenario(server: RawServer, service: Service) -> None:
        assert (await price(service)).status == 200
        server.answer(json_answer("2000"))
        await asyncio.sleep(0.05)
        assert (await price(service)).tried()["http"].startswith("jump: 1600 -> 2000")
        assert (await until(service, 200)).body["spot"] == 2000
        counted = await asyncio.to_thread(service.metrics)
        assert 'refusals_total{reason="jump",source="http"} 2.0' in counted

    against(tmp_path, json_answer("1600"), scenario)


def test_a_frozen_source_fails_closed_and_recovers(tmp_path: Path) -> None:
    """A source that stops answering is a 502 once its cached answer is over, and nothing else."""

    async def scenario(server: RawServer, service: Service) -> None:
        assert (await price(service)).status == 200
        server.answer(json_answer("1600", delay_seconds=30.0))
        await asyncio.sleep(0.25)
        began = asyncio.get_running_loop().time()
        assert (await price(service)).tried()["http"] == f"timeout: no answer in {TIMEOUT_MS} ms"
        assert asyncio.get_running_loop().time() - began < 5
        server.answer(json_answer("1600"))
        await until(service, 200)

    against(tmp_path, json_answer("1600"), scenario, CACHE_MS="200")


def test_the_board_is_preferred_and_its_failure_shows(tmp_path: Path) -> None:
    """The StablesRail board is used while it answers, by its key; then the next source, and
    /healthz says degraded and which source fails."""

    async def scenario(server: RawServer, service: Service) -> None:
        server.script = lambda request: json_answer(BOARD if b"/fx/" in request else "1601")
        told = await price(service)
        assert (told.body["source"], told.body["spot"]) == ("strails", 1600)
        asked = next(request for request in server.requests if b"/fx/" in request)
        assert b"/fx/orderbook?pair=CNGN-USDC&limit=10" in asked
        assert b"x-api-key: " + KEY.encode() in asked
        server.script = lambda request: json_answer("{" if b"/fx/" in request else "1601")
        await asyncio.sleep(0.05)
        health = await asyncio.to_thread(service.get, "/healthz")
        assert (health.status, health.body["status"]) == (200, "degraded")
        assert health.body["failing_sources"]["strails"].startswith("malformed")
        counted = await asyncio.to_thread(service.metrics)
        assert 'fair_anchor_source_in_use{source="http"} 1.0' in counted
        assert "fair_anchor_degraded 1.0" in counted

    against(
        tmp_path,
        json_answer("1601"),
        scenario,
        SPOT_SOURCES="strails,http",
        STRAILS_API_URL="{url}",
        STRAILS_API_KEY=KEY,
    )


def test_the_fallback_is_said_to_be_one(tmp_path: Path) -> None:
    """Where nothing answers, the guarded fallback has low confidence and /healthz is degraded."""

    async def scenario(server: RawServer, service: Service) -> None:
        told = await price(service)
        assert (told.body["source"], told.body["confidence"]) == ("guarded_fallback", "low")
        health = await asyncio.to_thread(service.get, "/healthz")
        assert (health.status, health.body["status"]) == (200, "degraded")

    against(
        tmp_path,
        json_answer("{"),
        scenario,
        GUARDED_FALLBACK_ENABLED="true",
        GUARDED_FALLBACK_SPOT_PRICE="1600",
    )


def test_many_requests_are_few_reads(tmp_path: Path) -> None:
    """Hundreds of requests at once, within one cache time, are one read of the source."""

    async def scenario(server: RawServer, service: Service) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            url = f"{service.url}/price?market={FUTURE}"
            answers = await asyncio.gather(*(client.get(url) for _ in range(300)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(server.requests) == 1

    against(
        tmp_path,
        json_answer("1600", delay_seconds=0.2),
        scenario,
        CACHE_MS="60000",
        TIMEOUT_MS="3000",
    )


def test_no_key_is_ever_shown(tmp_path: Path) -> None:
    """A key in a source's URL is in no answer, metric or line of the log."""

    async def scenario(server: RawServer, service: Service) -> None:
        shown = [str((await price(service)).body)]
        shown += [str((await asyncio.to_thread(service.get, "/healthz")).body)]
        shown += [await asyncio.to_thread(service.metrics)]
        assert await asyncio.to_thread(service.stop) == 0
        shown.append(service.log_path.read_text())
        assert KEY.encode() in server.requests[0]
        assert not any(KEY in text for text in shown)
        assert re.search('"event":"stopped"', shown[-1])

    against(tmp_path, json_answer("1600", status="500 No"), scenario, LOG_LEVEL="DEBUG")


def test_a_taken_address_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    """Where something else listens already, the process ends with 2 and names the variable."""
    environment = {
        **ONE_FUTURE,
        "FAIR_ANCHOR_SPOT_SOURCES": "fixed",
        "FAIR_ANCHOR_FIXED_PRICE": "1600",
    }
    with running(tmp_path, environment) as service:
        told = service.price()
        assert (told.body["source"], told.body["price"]) == ("fixed", 1600)
        done = ended({**environment, "FAIR_ANCHOR_LISTEN_ADDR": f"127.0.0.1:{service.port}"})
        assert done.returncode == 2
        assert "FAIR_ANCHOR_LISTEN_ADDR" in done.stderr
        assert service.stop() == 0

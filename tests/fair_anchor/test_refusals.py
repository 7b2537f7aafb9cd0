"""The service as a process, against real servers that misbehave in every way."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.fair_anchor.scenario import KEY, against, price, until
from tests.fair_anchor.support import FUTURE, ONE_FUTURE, Service, running
from tests.prices.servers import Answer, RawServer, json_answer, raw_server
from tests.prices.streams import Coinbase, coinbase
from tests.prices.support import run

HTML = {"content-type": "text/html"}
HASTY = {"TIMEOUT_MS": "800"}


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
        (json_answer("1600", delay_seconds=3.0), "timeout"),
        (json_answer("1600.000000", body_pause_seconds=0.3), "timeout"),
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

    against(tmp_path, answer, scenario, **(HASTY if reason == "timeout" else {}))


def test_a_jump_must_be_confirmed(tmp_path: Path) -> None:
    """A price that jumps is refused until it has been said three times, and then believed."""

    async def scenario(server: RawServer, service: Service) -> None:
        assert (await price(service)).status == 200
        server.answer(json_answer("1800"))
        await asyncio.sleep(0.05)
        assert (await price(service)).tried()["http"].startswith("jump: 1600 -> 1800")
        assert (await until(service, 200)).body["spot"] == 1800
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
        assert (await price(service)).tried()["http"] == "timeout: no answer in 800 ms"
        assert asyncio.get_running_loop().time() - began < 5
        server.answer(json_answer("1600"))
        await until(service, 200)

    against(tmp_path, json_answer("1600"), scenario, CACHE_MS="200", **HASTY)


def test_a_cross_rate_of_streams(tmp_path: Path) -> None:
    """Coinbase's book times the http source, as an expression; a gap in the stream is no price
    until there is a new book."""

    async def follow(exchange: Coinbase, service: Service) -> None:
        asking = asyncio.create_task(price(service))
        await exchange.next_subscriber()
        await exchange.snapshot("1.99", "2.01")
        await asking
        told = await until(service, 200)
        assert (told.body["source"], told.body["spot"]) == ("multiply(http,coinbase)", 1600)
        exchange.sequence += 7
        await exchange.heartbeat()
        await until(service, 502)
        await exchange.next_subscriber()
        await exchange.snapshot("1.99", "2.01")
        await until(service, 200)

    async def whole() -> None:
        async with coinbase() as exchange, raw_server(json_answer("800")) as server:
            given = {
                **ONE_FUTURE,
                "FAIR_ANCHOR_SPOT_SOURCES": "multiply(http,coinbase)",
                "FAIR_ANCHOR_HTTP_URL": server.url,
                "FAIR_ANCHOR_COINBASE_URL": exchange.url,
                "FAIR_ANCHOR_COINBASE_PRODUCT_ID": exchange.product_id,
                "FAIR_ANCHOR_CACHE_MS": "10",
            }
            with ExitStack() as stack:
                service = await asyncio.to_thread(stack.enter_context, running(tmp_path, given))
                await follow(exchange, service)

    run(whole())


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

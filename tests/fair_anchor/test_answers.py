"""What the service answers as a process: every page, every market, every error."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from tests.fair_anchor.scenario import KEY, against, price
from tests.fair_anchor.support import FIELDS, FUTURE, ONE_FUTURE, SPOT, Service, ended, running
from tests.prices.servers import RawServer, json_answer

BOARD = (
    '{"data": {"buyOrders": [{"price": "1592", "status": "active"}, {"price": "1599", "status": '
    '"cancelled"}], "sellOrders": [{"price": "1608", "status": ""}]}}'
)


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
        large = b"GET /price HTTP/1.1\r\nx: " + b"y" * 20_000
        for sent, status in ((b"nonsense\r\n\r\n", b"400"), (large, b"431")):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(sent)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            assert head.split()[1] == status
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


def test_the_board_is_preferred_and_its_failure_shows(tmp_path: Path) -> None:
    """The StablesRail board is used while it answers, by its key; then the next source, and
    /healthz says degraded and which source fails."""

    async def scenario(server: RawServer, service: Service) -> None:
        server.script = lambda request: json_answer(BOARD if b"/fx/" in request else "1601")
        await asyncio.sleep(0.3)  # the read at the start was answered otherwise
        await price(service)
        await asyncio.sleep(0.3)
        told = await price(service)
        assert (told.body["source"], told.body["spot"]) == ("strails", 1600)
        asked = next(request for request in reversed(server.requests) if b"/fx/" in request)
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

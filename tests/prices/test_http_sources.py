"""Claims about sources over HTTP, each against a real server that misbehaves in one way."""

from __future__ import annotations

import asyncio
import gzip
from decimal import Decimal

import httpx
import pytest

from mm_bot.clock import SystemClock
from mm_bot.core.exact import Price
from mm_bot.io.errors import FOREIGN
from mm_bot.prices.fetch import BODY_BYTES_MAX, refused_from
from mm_bot.prices.fetch import Answer as Fetched
from mm_bot.prices.guarded import Guarded, GuardPolicy
from mm_bot.prices.http import HttpSource, reading_of, url_for_market
from mm_bot.prices.runner import AnchorRunner
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from mm_bot.prices.zero_ex import ZeroExSource, ZeroExSpec
from tests.prices.servers import Answer, json_answer, raw_server
from tests.prices.support import OPEN_GUARD, TIMEOUT_MS, read_guarded, run

MARKET = "USDCcNGN-APR30-2026"
SLOW_MS = 300
"""How long a read waits where a server is slow on purpose."""


def read_http(
    answer: Answer, policy: GuardPolicy = OPEN_GUARD, timeout_ms: int = TIMEOUT_MS
) -> Reading:
    async def scenario() -> Reading:
        async with raw_server(answer) as server:
            source = HttpSource(server.url + "/price", MARKET)
            return await read_guarded(source, policy, timeout_ms)

    return run(scenario())


def http_refusal(
    answer: Answer, policy: GuardPolicy = OPEN_GUARD, timeout_ms: int = TIMEOUT_MS
) -> AnchorError:
    with pytest.raises(AnchorError) as caught:
        read_http(answer, policy, timeout_ms)
    return caught.value


@pytest.mark.parametrize(
    ("body", "price"),
    [
        ('{"price": 123.45}', "123.45"),
        ('{"price": "123.45", "source": "x", "confidence": 0.5}', "123.45"),
        ("123.45", "123.45"),
        (" 1600\n", "1600"),
        ("1.6e3", "1600"),
        ('{"price": 1600.100000000000000000000000000000001}', "1600.1" + "0" * 31 + "1"),
    ],
)
def test_a_price_is_what_the_body_says_to_the_last_digit(body: str, price: str) -> None:
    """JSON number, JSON string or bare number; no float on the way."""
    assert read_http(json_answer(body)).price.value == Decimal(price)


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "application/x+json", ""])
def test_text_and_json_content_is_read(content_type: str) -> None:
    """Also where the server does not say what it sends."""
    answer = json_answer("1600", headers={"content-type": content_type})
    assert read_http(answer).price == Price.of(1600)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json_answer("garbage"), RejectReason.MALFORMED),
        (json_answer("<html>1600</html>"), RejectReason.MALFORMED),
        (json_answer('{"price": 16'), RejectReason.MALFORMED),
        (json_answer("[1600]"), RejectReason.MALFORMED),
        (json_answer("null"), RejectReason.MALFORMED),
        (json_answer("1600 1700"), RejectReason.MALFORMED),
        (json_answer("1_600"), RejectReason.MALFORMED),
        (json_answer("[" * 60_000), RejectReason.MALFORMED),
        (json_answer('{"a":' * 10_000), RejectReason.MALFORMED),
        (Answer(body=b"\xff\xfe\x00\x01"), RejectReason.MALFORMED),
        (json_answer("{}"), RejectReason.NO_PRICE),
        (json_answer('{"price": null}'), RejectReason.NO_PRICE),
        (json_answer('{"price": true}'), RejectReason.NO_PRICE),
        (json_answer('{"price": [1600]}'), RejectReason.NO_PRICE),
        (json_answer('{"price": "1,600"}'), RejectReason.NO_PRICE),
        (json_answer('{"price": "1_600"}'), RejectReason.NO_PRICE),
        (json_answer('{"price": "\\u0661\\u0666"}'), RejectReason.NO_PRICE),
        (json_answer('{"price": ""}'), RejectReason.NO_PRICE),
        (json_answer('{"price": NaN}'), RejectReason.NOT_FINITE),
        (json_answer('{"price": "nan"}'), RejectReason.NOT_FINITE),
        (json_answer('{"price": Infinity}'), RejectReason.NOT_FINITE),
        (json_answer('{"price": "-inf"}'), RejectReason.NOT_FINITE),
        (json_answer("NaN"), RejectReason.NOT_FINITE),
        (json_answer("-1600"), RejectReason.NOT_POSITIVE),
        (json_answer('{"price": 0}'), RejectReason.NOT_POSITIVE),
        (json_answer('{"price": -0.0}'), RejectReason.NOT_POSITIVE),
        (json_answer('{"price": 1e300}'), RejectReason.IMPLAUSIBLE),
        (json_answer('{"price": 1e-300}'), RejectReason.IMPLAUSIBLE),
        (json_answer('{"price": 1e999999999999999999999}'), RejectReason.NO_PRICE),
        (json_answer('{"price": 1e25}'), RejectReason.IMPLAUSIBLE),
        (json_answer('{"price": ' + "9" * 5_000 + "}"), RejectReason.IMPLAUSIBLE),
        (json_answer(""), RejectReason.EMPTY),
        (json_answer(" \n"), RejectReason.EMPTY),
        (json_answer("1600", headers={"content-type": "text/html"}), RejectReason.CONTENT_TYPE),
        (json_answer("1600", headers={"content-type": "image/png"}), RejectReason.CONTENT_TYPE),
        (Answer(body=gzip.compress(b"1600"), headers={"content-encoding": "gzip"}),
         RejectReason.CONTENT_TYPE),
        (json_answer("1600", status="500 Internal Server Error"), RejectReason.STATUS),
        (json_answer("1600", status="503 Busy"), RejectReason.STATUS),
        (json_answer("1600", status="404 Not Found"), RejectReason.STATUS),
        (json_answer("1600", status="201 Created"), RejectReason.STATUS),
        (json_answer("1600", status="429 Too Many Requests"), RejectReason.RATE_LIMITED),
        (json_answer("", status="302 Found", headers={"location": "/elsewhere"}),
         RejectReason.REDIRECT),
        (json_answer("1600", status="300 Choices"), RejectReason.REDIRECT),
        (json_answer(" " * BODY_BYTES_MAX + "1600"), RejectReason.TOO_LARGE),
        (
            Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (BODY_BYTES_MAX + 1)),
            RejectReason.TOO_LARGE,
        ),
        (Answer(raw=b"SSH-2.0-OpenSSH_9.6\r\n"), RejectReason.BROKEN_ANSWER),
        (Answer(raw=b""), RejectReason.BROKEN_ANSWER),
        (json_answer('{"price": 1600}', cut=True), RejectReason.BROKEN_ANSWER),
        (json_answer("1600", delay_seconds=SLOW_MS / 1000 + 1), RejectReason.TIMEOUT),
        (json_answer("1600" * 9, body_pause_seconds=0.1), RejectReason.TIMEOUT),
    ],
)  # fmt: skip
def test_every_bad_answer_is_refused_with_its_own_reason(
    answer: Answer, expected: RejectReason
) -> None:
    """None crashes, none becomes a price."""
    timeout_ms = SLOW_MS if expected is RejectReason.TIMEOUT else TIMEOUT_MS
    assert http_refusal(answer, timeout_ms=timeout_ms).refusal is expected


def test_a_redirect_is_not_followed() -> None:
    """Whoever may redirect us would name the price."""

    async def scenario() -> tuple[RejectReason, list[bytes]]:
        async with raw_server() as target:
            location = {"location": target.url + "/price"}
            async with raw_server(json_answer("", status="307 T", headers=location)) as server:
                with pytest.raises(AnchorError) as caught:
                    await read_guarded(HttpSource(server.url, MARKET))
            return caught.value.refusal, target.requests

    assert run(scenario()) == (RejectReason.REDIRECT, [])


def test_nobody_there_is_unreachable() -> None:
    """A closed port, and a host name that is none."""

    async def scenario(url: str) -> RejectReason:
        with pytest.raises(AnchorError) as caught:
            await read_guarded(HttpSource(url, MARKET))
        return caught.value.refusal

    assert run(scenario("http://127.0.0.1:1/price")) is RejectReason.UNREACHABLE
    assert run(scenario("http://" + "a" * 70 + ".invalid./price")) is RejectReason.UNREACHABLE


@pytest.mark.parametrize(
    ("generated_at", "as_of_ms"),
    [
        ("2026-04-30T12:00:00Z", 1_777_550_400_000),
        ("2026-04-30T12:00:00.123456789Z", 1_777_550_400_123),
        ("2026-04-30t13:00:00+01:00", 1_777_550_400_000),
        ("2026-04-30T12:00:00", 1_777_550_400_000),
        ("2026-04-30 12:00:00.5", 1_777_550_400_500),
        ("1777550400", 1_777_550_400_000),
        ("1777550400.25", 1_777_550_400_250),
        ("1777550400123", 1_777_550_400_123),
        ("17775", None),
        ("2026-02-31T12:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_generated_at_is_the_datas_time_where_it_can_be_read(
    generated_at: str, as_of_ms: int | None
) -> None:
    """Else the time of the read counts, which the guard fills in."""

    async def scenario() -> int | None:
        body = f'{{"price": 1600, "generated_at": "{generated_at}"}}'
        async with raw_server(json_answer(body)) as server:
            source = HttpSource(server.url, MARKET)
            try:
                return (await source.read()).as_of_ms
            finally:
                await source.aclose()

    assert run(scenario()) == as_of_ms


def test_a_frozen_service_that_answers_200_goes_stale() -> None:
    """Its own time gives it away; one that claims to be from tomorrow is no better."""
    policy = GuardPolicy(max_age_ms=60_000, max_deviation_bps=None)
    old = json_answer('{"price": 1600, "generated_at": "2020-01-01T00:00:00Z"}')
    ahead = json_answer('{"price": 1600, "generated_at": "2999-01-01T00:00:00Z"}')
    assert http_refusal(old, policy).refusal is RejectReason.STALE
    assert http_refusal(ahead, policy).refusal is RejectReason.FUTURE


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://h/price", "http://h/price?market=A-B"),
        ("http://h/price?", "http://h/price?market=A-B"),
        ("http://h/price?key=a%2Fb&x", "http://h/price?key=a%2Fb&x&market=A-B"),
        ("http://h/price?market=A-B", "http://h/price?market=A-B"),
        ("http://h/price?market=OTHER&k=1", "http://h/price?market=OTHER&k=1"),
        ("http://h/price?supermarket=1", "http://h/price?supermarket=1&market=A-B"),
    ],
)
def test_the_market_is_asked_for_once(url: str, asked: str) -> None:
    """Added behind an existing query, left alone where the operator wrote it himself."""
    assert url_for_market(url, "A-B") == asked


def test_keys_never_reach_an_error() -> None:
    """Not from the URL, not from a header that the library quotes when it refuses it."""

    async def scenario() -> list[str]:
        texts = []
        async with raw_server(json_answer("no")) as server:
            spec = ZeroExSpec(
                base_url=server.url + "/hunter2",
                api_key="hunter2\nhunter2",
                chain_id=1,
                sell_token="a",
                buy_token="b",
                amount=1,
            )
            for source in (
                HttpSource(f"{server.url}/hunter2?key=hunter2", MARKET),
                HttpSource("http://127.0.0.1:1/hunter2?key=hunter2", MARKET),
                ZeroExSource(spec),
            ):
                with pytest.raises(AnchorError) as caught:
                    await read_guarded(source)
                texts.append(repr(caught.value) + str(caught.value))
            return [*texts, repr(spec)]

    for text in run(scenario()):
        assert "hunter2" not in text


def test_every_error_of_the_library_is_mapped() -> None:
    """A release that grows an exception outside of these trees fails here."""
    kinds = [
        kind
        for kind in vars(httpx).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert len(kinds) > 20
    for kind in kinds:
        assert issubclass(kind, FOREIGN), kind
        error = kind.__new__(kind)
        assert isinstance(refused_from(error, "http"), AnchorError)


def test_retry_after_is_honoured_within_a_bound() -> None:
    """A minute at the most, and only where it is a number of seconds."""
    for header, expected_ms in (("7", 7_000), ("86400", 60_000), ("-5", None), ("soon", None)):
        headers = {"retry-after": header}
        answer = json_answer("", status="429 Slow down", headers=headers)
        assert http_refusal(answer).retry_after_ms == expected_ms


def test_a_server_that_recovers_is_read_again_without_a_restart() -> None:
    """Down, garbage, a jump, then good: the runner lives through all of it."""

    async def scenario() -> None:
        async with raw_server(json_answer("oops", status="500 No")) as server:
            policy = GuardPolicy(max_age_ms=5_000, max_deviation_bps=Decimal(500))
            source = HttpSource(server.url, MARKET)
            guarded = Guarded(source, policy, timeout_ms=TIMEOUT_MS, clock=SystemClock())
            runner = AnchorRunner(guarded, interval_ms=10, clock=SystemClock())
            changed = asyncio.Event()
            runner.on_update = changed.set
            runner.start()

            async def settle(answer: Answer, price: str | None, error: str | None) -> None:
                server.answer(answer)
                while (q := runner.latest()).price != (Price.of(price) if price else None) or (
                    (q.error or "").partition(":")[0] != (error or "")
                ):
                    changed.clear()
                    await changed.wait()

            await settle(json_answer("oops", status="500 No"), None, "status not 200")
            await settle(json_answer('{"price": 1600}'), "1600", None)
            await settle(json_answer("NaN"), "1600", "not finite")
            await settle(json_answer('{"price": 1610}'), "1610", None)
            await settle(json_answer('{"price": 3200}'), "3200", None)
            assert runner.refusals[RejectReason.JUMP] == 2
            await runner.aclose()

    run(scenario())


@pytest.mark.parametrize("generated_at", ["1777550400", "1777550400123"])
def test_unix_times_are_read_as_numbers_too(generated_at: str) -> None:
    """Seconds or milliseconds, which their size tells apart."""
    body = f'{{"price": 1600, "generated_at": {generated_at}}}'.encode()
    reading, unreadable = reading_of(Fetched(body=body, age_ms=0), "http")
    assert reading.as_of_ms is not None
    assert reading.as_of_ms // 1000 == 1_777_550_400
    assert unreadable == ""


def test_an_unreadable_time_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """With what it says and what would be read; the price still counts."""

    async def scenario() -> None:
        async with raw_server() as server:
            server.script = lambda _: json_answer('{"price": 1600, "generated_at": "yesterday"}')
            source = HttpSource(server.url, MARKET)
            try:
                for _ in range(3):
                    assert (await source.read()).price == Price.of(1600)
            finally:
                await source.aclose()

    run(scenario())
    (record,) = caplog.records
    assert "generated_at cannot be read: 'yesterday'" in record.getMessage()


def test_the_age_that_a_cache_adds_counts() -> None:
    """A body without a time of its own, an hour old by its Age header, is not fresh."""
    policy = GuardPolicy(max_age_ms=60_000, max_deviation_bps=None)
    cached = json_answer("1600", headers={"age": "3600"})
    assert http_refusal(cached, policy).refusal is RejectReason.STALE
    young = json_answer("1600", headers={"age": "59"})
    assert read_http(young).age_ms == 59_000

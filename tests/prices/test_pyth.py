"""Claims about the Pyth source, against a server that streams and polls like Hermes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.clock import SystemClock
from mm_bot.core.exact import Price
from mm_bot.prices.guarded import Guarded, GuardPolicy
from mm_bot.prices.pyth import PythSource, PythSpec, update_of
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from mm_bot.prices.sse import EVENT_BYTES_MAX, EventTooLargeError, events
from tests.prices.servers import Answer, json_answer
from tests.prices.streams import FEED_ID, Hermes, hermes, hermes_message
from tests.prices.support import OPEN_GUARD, run

DOWN = json_answer("", status="503 Down")


@asynccontextmanager
async def source_of(
    server: Hermes, *, silence_ms: int = 5_000, policy: GuardPolicy = OPEN_GUARD
) -> AsyncIterator[Guarded]:
    spec = PythSpec(
        feed_id="0x" + FEED_ID.upper(),
        base_url=server.url + "/",
        key_header="x-key",
        key="k-1",
        max_confidence_bps=Decimal(50),
    )
    clock = SystemClock()
    source = PythSource(spec, clock, silence_ms=silence_ms)
    guarded = Guarded(source, policy, timeout_ms=2_000, clock=clock)
    try:
        yield guarded
    finally:
        await guarded.aclose()


async def price_is(source: Guarded, price: str) -> Reading:
    """Reads until the price is there; the bound is that of `run`."""
    while True:
        try:
            reading = await source.read()
        except AnchorError:
            await asyncio.sleep(0.005)
            continue
        if reading.price == Price.of(price):
            return reading
        await asyncio.sleep(0.005)


async def refusal_is(source: Guarded, expected: RejectReason) -> AnchorError:
    while True:
        try:
            await source.read()
        except AnchorError as error:
            if error.refusal is expected:
                return error
        await asyncio.sleep(0.005)


def test_the_stream_gives_price_confidence_and_publish_time() -> None:
    """price x 10^expo exactly, the publish time as the data's; feed and key are sent."""

    async def scenario() -> None:
        async with hermes() as server, source_of(server) as source:
            server.latest = DOWN
            server.greeting = f": hello\n\ndata:{hermes_message('62501')}\n\n".encode()
            reading = await price_is(source, "0.00062501")
            assert reading.as_of_ms == 1_777_000_000_000
            await server.say(hermes_message("62510", publish_time=1_777_000_001))
            assert (await price_is(source, "0.0006251")).as_of_ms == 1_777_000_001_000
            asked = next(r for r in server.requests if b"/stream" in r).decode()
            line = f"GET /v2/updates/price/stream?ids%5B%5D={FEED_ID}&parsed=true HTTP/1.1"
            assert asked.startswith(line)
            assert "x-key: k-1" in asked

    run(scenario())


def test_where_the_stream_fails_it_is_polled_and_comes_back() -> None:
    """No stream: polls. A stream again: no more polls, and no restart."""

    async def scenario() -> None:
        async with hermes() as server, source_of(server) as source:
            server.refusal = DOWN
            server.latest = json_answer(hermes_message("70000"))
            assert (await source.read()).price == Price.of("0.0007")
            server.refusal = None
            server.greeting = f"data: {hermes_message('80000')}\r\n\r\n".encode()
            await price_is(source, "0.0008")
            polls = server.polls()
            server.hang_up()  # streams end now and then
            await server.streaming.wait()
            await price_is(source, "0.0008")
            assert server.polls() <= polls + 1

    run(scenario())


def test_polls_keep_a_distance() -> None:
    """However often it is read: the public service bans who asks tens of times in ten seconds."""

    async def scenario() -> None:
        async with hermes() as server, source_of(server) as source:
            server.refusal = DOWN
            for _ in range(20):
                await source.read()
            assert server.polls() == 1

    run(scenario())


def test_a_frozen_stream_is_polled_around() -> None:
    """Comments alone do not count as prices, and silence ends the connection."""

    async def scenario() -> None:
        async with hermes() as server, source_of(server, silence_ms=100) as source:
            server.greeting = f"data:{hermes_message('80000')}\n\n".encode()
            server.latest = json_answer(hermes_message("90000"))
            await price_is(source, "0.0008")
            server.greeting = b": still here\n\n"
            server.streaming.clear()
            await price_is(source, "0.0009")
            await server.streaming.wait()
            assert (await source.read()).price == Price.of("0.0009")

    run(scenario())


def test_a_stream_of_comments_alone_is_renewed() -> None:
    """However steadily they come, a connection without prices is given up for another one."""

    async def scenario() -> None:
        async with hermes() as server, source_of(server, silence_ms=300) as source:
            await source.read()
            await server.streaming.wait()
            async with asyncio.timeout(20):
                while sum(b"/stream" in request for request in server.requests) < 2:
                    with suppress(ConnectionError):  # of the connection that was given up
                        await server.push(b": still here\n\n")
                    await asyncio.sleep(0.02)

    run(scenario())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("garbage", RejectReason.MALFORMED),
        ("[]", RejectReason.MALFORMED),
        ("{}", RejectReason.NO_PRICE),
        ('{"parsed": [1, null]}', RejectReason.WRONG_PAIR),
        (hermes_message(feed_id="00" * 32), RejectReason.WRONG_PAIR),
        (hermes_message("NaN"), RejectReason.NO_PRICE),
        (hermes_message("1.5"), RejectReason.NO_PRICE),
        (hermes_message(expo="x"), RejectReason.NO_PRICE),
        (hermes_message(expo=-8.5), RejectReason.NO_PRICE),
        (hermes_message(expo=10**9), RejectReason.IMPLAUSIBLE),
        (hermes_message(conf="-1"), RejectReason.MALFORMED),
        (hermes_message(publish_time=None), RejectReason.NO_PRICE),
        (hermes_message("0"), RejectReason.NOT_POSITIVE),
        (hermes_message("-62500"), RejectReason.NOT_POSITIVE),
        (hermes_message("9" * 29), RejectReason.IMPLAUSIBLE),
        (hermes_message("62500", conf="313"), RejectReason.UNCERTAIN),
    ],
)
def test_bad_messages_are_refused_streamed_and_polled(message: str, expected: RejectReason) -> None:
    """Each with its own reason, and what was good before is not given again."""

    async def scenario(*, streamed: bool) -> None:
        async with hermes() as server, source_of(server) as source:
            server.latest = json_answer(message)
            if streamed:
                server.greeting = f"data:{message}\n\n".encode()
            else:
                server.refusal = DOWN
            await refusal_is(source, expected)

    run(scenario(streamed=True))
    run(scenario(streamed=False))


@pytest.mark.parametrize(
    "refusal",
    [
        json_answer("", status="429 Too Many"),
        json_answer("", status="307 T", headers={"location": "/v2/updates/price/stream"}),
        json_answer(hermes_message()),
        Answer(raw=b"garbage\r\n"),
        Answer(raw=b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + b"x" * 70_000),
        Answer(
            raw=b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
            + b"data:" * 3
            + b"x" * 40_000
            + b"\ndata:"
            + b"x" * 40_000
            + b"\n"
        ),
    ],
)
def test_whatever_the_stream_answers_the_poll_still_works(refusal: Answer) -> None:
    """A stream that is none costs nothing but a poll."""

    async def scenario() -> None:
        async with hermes() as server, source_of(server) as source:
            server.refusal = refusal
            for _ in range(3):
                assert (await source.read()).price == Price.of("0.000625")
                await asyncio.sleep(0.05)

    run(scenario())


def test_a_frozen_feed_goes_stale_by_its_publish_time() -> None:
    """It answers 200 and streams, but the same minute for ever."""

    async def scenario() -> None:
        policy = GuardPolicy(max_age_ms=60_000, max_deviation_bps=None)
        async with hermes() as server, source_of(server, policy=policy) as source:
            old = hermes_message(publish_time=1_600_000_000)
            server.latest, server.greeting = json_answer(old), f"data:{old}\n\n".encode()
            await refusal_is(source, RejectReason.STALE)

    run(scenario())


def test_the_confidence_limit_itself_is_inside() -> None:
    """50 bps of 62400 is 312 exactly."""
    update = update_of(hermes_message("62400", conf="312").encode(), FEED_ID, "pyth")
    assert update.confidence * 10_000 == update.price.value * 50


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b""))),
       st.sampled_from([b"\n", b"\r\n"]), st.integers(1, 7))  # fmt: skip
def test_events_are_the_same_however_the_body_is_cut(
    datas: list[bytes], line_end: bytes, piece: int
) -> None:
    """Any cut, both line ends; comments and other fields are no data."""
    body = b"".join(
        b": c" + line_end + b"id: 1" + line_end + b"data: " + data + line_end * 2 for data in datas
    )

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), piece):
            yield body[start : start + piece]

    async def scenario() -> list[bytes]:
        return [event async for event in events(chunks())]

    assert run(scenario()) == datas


def test_an_endless_event_is_given_up() -> None:
    """Whether it comes in one line or in many."""

    async def scenario(body: bytes) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(EVENT_BYTES_MAX):
                yield body

        with pytest.raises(EventTooLargeError):
            await anext(events(chunks()))

    run(scenario(b"data: " + b"x" * 1_000))
    run(scenario(b"data: " + b"x" * 1_000 + b"\n"))
    run(scenario(b"data:\n"))

"""One feed of Pyth Network's Hermes service: streamed, and polled where the stream fails.

`price x 10^expo` with its confidence interval and publish time. A confidence wider than the limit
is no price; the publish time is the data's. Polls are at least `POLL_LEAST_MS` apart, since the
public service answers a few requests a second and then none for a minute.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from pydantic import SecretStr

from mm_bot.clock import Clock
from mm_bot.core.exact import BPS, Price, multiply, plain, round_half_even
from mm_bot.fields.kinds import API_KEY, BASE_URL, Kind, mapped, token, zero_is_off
from mm_bot.fields.kinds import BPS as BPS_KIND
from mm_bot.fields.model import variable
from mm_bot.prices.parse import json_object
from mm_bot.prices.source import AnchorError, OnStream, Reading, RejectReason
from mm_bot.prices.spec import (
    FEED_ID,
    SourceContext,
    SourceSettings,
    short_feed_id,
    text_of,
    unheard,
)
from mm_bot.prices.sse import EventTooLargeError, events
from mm_bot.prices.stream import Stream

if TYPE_CHECKING:
    import httpx

SILENCE_MS = 10_000
"""A stream without a message for this long has failed: feeds publish every second or faster."""
POLL_LEAST_MS = 1_000

_WHOLE = re.compile(r"-?\d{1,30}", re.ASCII)
_FEED_ID: Kind[str] = mapped(
    token("a feed id: 64 hexadecimal digits", FEED_ID.pattern), str, short_feed_id
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythSpec:
    """`pyth`: one feed of a Hermes service."""

    feed_id: str
    """Hex, with or without 0x."""
    base_url: str = field(default="https://hermes.pyth.network", repr=False)
    key_header: str | None = None
    """The header the key is sent in, for example `authorization`."""
    key: str | None = field(default=None, repr=False)
    max_confidence_bps: Decimal | None = Decimal(50)
    """A confidence interval wider than this part of the price is no price; None is no limit."""

    def build(self, context: SourceContext) -> PythSource:
        return PythSource(self, context.clock, moved=context.moved, on_stream=context.on_stream)


class PythSettings(SourceSettings):
    word = "pyth"
    feed = FEED_ID

    feed_id: Annotated[str | None, _FEED_ID] = variable(
        "PYTH_FEED_ID", "For `pyth`: the price feed."
    )
    base_url: Annotated[str, BASE_URL] = variable(
        "PYTH_BASE_URL", "For `pyth`: Hermes.", default="https://hermes.pyth.network"
    )
    key: Annotated[SecretStr | None, API_KEY] = variable(
        "PYTH_API_KEY", "For `pyth`: the header's whole value.", absent="none is sent"
    )
    key_header: Annotated[str, token("a header's name", r"[A-Za-z0-9-]{1,64}")] = variable(
        "PYTH_API_KEY_HEADER",
        "For `pyth`: the header that the key is sent in.",
        default="authorization",
    )
    max_confidence_bps: Annotated[Decimal | None, zero_is_off(BPS_KIND)] = variable(
        "PYTH_MAX_CONFIDENCE_BPS",
        "For `pyth`: a wider confidence interval is no price.",
        default="50",
    )

    def spec(self, market: str, feed: str) -> PythSpec:
        return PythSpec(
            feed_id=feed or self.feed_id or "",
            base_url=self.base_url,
            key=text_of(self.key),
            key_header=self.key_header,
            max_confidence_bps=self.max_confidence_bps,
        )


SOURCE = PythSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One message about our feed."""

    price: Price
    confidence: Decimal
    publish_ms: int


class PythSource:
    """One price feed."""

    name = "pyth"
    min_interval_ms = 0

    def __init__(
        self,
        spec: PythSpec,
        clock: Clock,
        *,
        silence_ms: int = SILENCE_MS,
        moved: asyncio.Event | None = None,
        on_stream: OnStream = unheard,
    ) -> None:
        from mm_bot.prices.fetch import Fetcher

        self._feed_id = spec.feed_id.lower().removeprefix("0x")
        self._max_confidence_bps = spec.max_confidence_bps
        self._headers = {spec.key_header: spec.key} if spec.key_header and spec.key else {}
        base = spec.base_url.rstrip("/") + "/v2/updates/price"
        query = f"?{quote('ids[]')}={quote(self._feed_id)}&parsed=true"
        self._stream_url = f"{base}/stream{query}"
        self._fetcher = Fetcher(self.name, f"{base}/latest{query}", self._headers)
        self._clock = clock
        self._silence_ms = silence_ms
        self._moved = moved or asyncio.Event()
        told = partial(on_stream, f"{self.name}:{self._feed_id[:8]}")
        self._stream = Stream(self.name, self._session, clock, on_stream=told)
        self._streamed: Update | None = None
        self._streamed_at_ms = 0.0
        self._polled: Update | AnchorError | None = None
        self._polled_at_ms = 0.0

    async def read(self) -> Reading:
        self._stream.start()
        return self._reading(self._live() or await self._poll())

    async def aclose(self) -> None:
        await self._stream.aclose()
        await self._fetcher.aclose()

    def _live(self) -> Update | None:
        """The last streamed update while the stream is alive."""
        silent_ms = self._clock.monotonic_ms() - self._streamed_at_ms
        alive = self._stream.error is None and silent_ms <= self._silence_ms
        return self._streamed if alive else None

    async def _poll(self) -> Update:
        now_ms = self._clock.monotonic_ms()
        if self._polled is None or now_ms - self._polled_at_ms >= POLL_LEAST_MS:
            self._polled_at_ms = now_ms
            try:
                self._polled = update_of((await self._fetcher.get()).body, self._feed_id, self.name)
            except AnchorError as error:
                self._polled = error
        if isinstance(self._polled, AnchorError):
            raise self._polled
        return self._polled

    def _reading(self, update: Update) -> Reading:
        limit_bps = self._max_confidence_bps
        if update.price > Price(Decimal(0)) and limit_bps is not None:
            width = multiply(update.confidence, BPS)
            if width > multiply(update.price.value, limit_bps):
                wide_bps = plain(round_half_even(width, update.price.value, 2))
                detail = f"confidence {wide_bps} bps, limit {plain(limit_bps)}"
                raise AnchorError(self.name, RejectReason.UNCERTAIN, detail)
        return Reading(price=update.price, as_of_ms=update.publish_ms)

    async def _session(self) -> None:
        from mm_bot.io.errors import FOREIGN
        from mm_bot.prices.fetch import STREAMED, new_client, refuse_unless_ok, refused_from

        headers = {**self._headers, "accept": "text/event-stream", "accept-encoding": "identity"}
        try:
            async with (
                new_client(headers) as client,
                client.stream("GET", self._stream_url, extensions=STREAMED) as response,
            ):
                refuse_unless_ok(response, self.name)
                self._refuse_unless_events(response)
                await self._take(response.aiter_raw())
        except EventTooLargeError:
            raise AnchorError(self.name, RejectReason.TOO_LARGE, "an event of the stream") from None
        except FOREIGN as error:
            raise refused_from(error, self.name) from None

    async def _take(self, chunks: AsyncIterator[bytes]) -> None:
        """Prices, as long as they keep coming: comments alone keep no stream."""
        async with aclosing(events(chunks)) as messages:
            while True:
                async with asyncio.timeout(self._silence_ms / 1000):
                    data = await anext(messages, None)
                if data is None:
                    return
                self._streamed = update_of(data, self._feed_id, self.name)
                self._streamed_at_ms = self._clock.monotonic_ms()
                self._stream.delivered()
                self._moved.set()

    def _refuse_unless_events(self, response: httpx.Response) -> None:
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if content_type != "text/event-stream" or encoding != "identity":
            raise AnchorError(self.name, RejectReason.CONTENT_TYPE, repr(content_type[:40]))


def update_of(body: bytes, feed_id: str, source: str) -> Update:
    """Our feed's update in one message of Hermes."""
    parsed = json_object(body, source).get("parsed")
    if not isinstance(parsed, list):
        raise AnchorError(source, RejectReason.NO_PRICE, "no list 'parsed'")
    ours = [entry for entry in parsed if isinstance(entry, dict) and _is_feed(entry, feed_id)]
    if not ours:
        raise AnchorError(
            source, RejectReason.WRONG_PAIR, f"no feed {feed_id[:12]}... in the message"
        )
    price = ours[0].get("price")
    if not isinstance(price, dict):
        raise AnchorError(source, RejectReason.NO_PRICE, "no object 'price'")
    exponent = _whole(price, "expo", source)
    if not -30 <= exponent <= 30:
        raise AnchorError(source, RejectReason.IMPLAUSIBLE, f"exponent {exponent}")
    confidence = _whole(price, "conf", source)
    if confidence < 0:
        raise AnchorError(source, RejectReason.MALFORMED, f"confidence {confidence}")
    return Update(
        price=Price(Decimal(_whole(price, "price", source)).scaleb(exponent)),
        confidence=Decimal(confidence).scaleb(exponent),
        publish_ms=_whole(price, "publish_time", source) * 1000,
    )


def _is_feed(entry: dict[str, object], feed_id: str) -> bool:
    told = entry.get("id")
    return isinstance(told, str) and told.lower().removeprefix("0x") == feed_id


def _whole(fields: dict[str, object], name: str, source: str) -> int:
    """A whole number, written as a number or as text."""
    value = fields.get(name)
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise AnchorError(source, RejectReason.NO_PRICE, f"{name!r} is no whole number")
    return int(value)

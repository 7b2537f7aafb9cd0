"""One WebSocket session: subscriptions with snapshot, resume and updates; auth; ping.

As measured on the real service:

1. A subscription is answered by its snapshot alone, a repeated one by nothing. After it come all of
   the channel's events it does not contain, each once, in the order of their commits, which is not
   that of their numbers. A resume from s is answered by the events above s.
2. Error codes are auth_required, bad_channel, bad_op and bad_json, and resume_too_old.
3. A session that does not read is dropped: its queue is bounded and nothing waits for it.
4. `orders` shows only the orders of the address the session has proved to hold.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from integration_harness.stack.instruments import Instrument, MarketList
from integration_harness.stack.markets_api.database import Database
from integration_harness.stack.markets_api.event_hub import Event, EventHub
from integration_harness.stack.markets_api.snapshots import snapshot
from integration_harness.stack.settings import ApiSettings
from integration_harness.stack.signed_data import personal_digest, recover

_CHANNELS: Final = ("book", "trades", "orders")
_MOST_AUTH_SECONDS: Final = 300
_AUTH_SKEW_SECONDS: Final = 30
_SLOW_READER_CODE: Final = 1013


def auth_text(domain: str, address: str, nonce: str, issued_at: int, expiry: int) -> str:
    """The text a wallet signs to open the `orders` channel."""
    return (
        f"{domain} wants you to authenticate for the Numo markets WebSocket.\n"
        f"Address: {address.lower()}\n"
        f"Nonce: {nonce}\n"
        f"Issued At: {issued_at}\n"
        f"Expiration Time: {expiry}"
    )


@dataclass(slots=True, kw_only=True)
class _Subscription:
    """A channel of a market; events are held in `waiting` until the snapshot is out."""

    channel: str
    instrument: Instrument
    owner: str | None
    contained: frozenset[int] | None = None
    """The numbers of what its beginning holds; None until that is out."""
    waiting: list[Event] = field(default_factory=list)

    def wants(self, event: Event) -> bool:
        return (
            event.channel == self.channel
            and event.market_key == self.instrument.market_key
            and (self.owner is None or event.owner_address == self.owner)
        )


class WebSocketSession:
    """From the handshake to the end of one connection."""

    def __init__(
        self,
        websocket: WebSocket,
        hub: EventHub,
        database: Database,
        markets: MarketList,
        settings: ApiSettings,
    ) -> None:
        self._websocket = websocket
        self._hub = hub
        self._database = database
        self._markets = markets
        self._settings = settings
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(settings.websocket_queue)
        self._too_slow = asyncio.Event()
        self._subscriptions: dict[tuple[str, str], _Subscription] = {}
        self._address: str | None = None

    async def run(self) -> None:
        """Serve until either side ends it."""
        await self._websocket.accept()
        self._hub.add(self._on_event)
        tasks = [
            asyncio.create_task(self._receive()),
            asyncio.create_task(self._send()),
            asyncio.create_task(self._too_slow.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.remove(self._on_event)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._websocket.client_state is WebSocketState.CONNECTED:
            await self._websocket.close(_SLOW_READER_CODE if self._too_slow.is_set() else 1000)

    async def _receive(self) -> None:
        while True:
            try:
                text = await self._websocket.receive_text()
            except (WebSocketDisconnect, KeyError):
                return
            try:
                request = orjson.loads(text)
            except orjson.JSONDecodeError:
                request = None
            if isinstance(request, dict):
                await self._answer(request)
            else:
                self._error("bad_json", "a message is a JSON object")

    async def _send(self) -> None:
        while True:
            text = await self._queue.get()
            await self._websocket.send_text(text.decode())

    async def _answer(self, request: dict[str, Any]) -> None:
        operation = request.get("op")
        if operation == "ping":
            self._put({"type": "pong"})
        elif operation == "auth":
            self._authenticate(request)
        elif operation in ("subscribe", "unsubscribe"):
            await self._change_subscription(operation, request)
        else:
            self._error("bad_op", "op must be subscribe, unsubscribe, ping or auth")

    def _authenticate(self, request: dict[str, Any]) -> None:
        try:
            address = str(request["address"]).lower()
            issued_at, expiry = int(request["issued_at"]), int(request["expiry"])
            text = auth_text(
                self._settings.websocket_domain, address, str(request["nonce"]), issued_at, expiry
            )
            signer = recover(personal_digest(text), str(request["signature"]))
        except (KeyError, TypeError, ValueError):
            self._error("auth_required", "auth needs address, signature, nonce, issued_at, expiry")
            return
        now = self._settings.clock.now_seconds()
        if not 0 < expiry - issued_at <= _MOST_AUTH_SECONDS:
            self._error("auth_required", f"expiry may lie {_MOST_AUTH_SECONDS} s after issued_at")
        elif not issued_at - _AUTH_SKEW_SECONDS <= now < expiry:
            self._error("auth_required", "the authentication is not valid now")
        elif signer != address:
            self._error("auth_required", "the signature is not the address's")
        else:
            self._address = address
            self._put({"type": "ack", "message": "authenticated"})

    async def _change_subscription(self, operation: str, request: dict[str, Any]) -> None:
        channel, symbol = request.get("channel"), request.get("market")
        names = {"channel": channel, "market": symbol}
        if channel not in _CHANNELS or not isinstance(channel, str):
            self._error("bad_channel", "channel must be book, trades or orders", **names)
            return
        instrument = next((i for i in self._markets.listed if i.symbol == symbol), None)
        if instrument is None:
            self._error("bad_channel", "no such market", **names)
            return
        if channel == "orders" and self._address is None:
            self._error("auth_required", "orders needs auth", **names)
            return
        since = request.get("since_seq")
        if since is not None and (type(since) is not int or since < 0):
            self._error("bad_json", "since_seq must be a sequence number", **names)
            return
        key = (channel, instrument.symbol)
        if operation == "unsubscribe":
            self._subscriptions.pop(key, None)
            self._put({"type": "ack", **names, "message": "unsubscribed"})
        elif key not in self._subscriptions:
            await self._subscribe(channel, instrument, since)

    async def _subscribe(self, channel: str, instrument: Instrument, since: int | None) -> None:
        owner = self._address if channel == "orders" else None
        subscription = _Subscription(channel=channel, instrument=instrument, owner=owner)
        # Held from before the read of the snapshot, so that nothing falls between the two.
        self._subscriptions[(channel, instrument.symbol)] = subscription
        await self._hub.ready()
        missed = None
        if since is not None:
            missed = await self._hub.since(instrument.market_key, channel, since)
            if missed is None:
                self._error(
                    "resume_too_old",
                    "events after since_seq are no longer kept",
                    channel=channel,
                    market=instrument.symbol,
                )
        if missed is None:
            contained, data = await snapshot(self._database, instrument, channel, owner)
            self._message("snapshot", subscription, max(contained, default=0), data)
        else:
            contained = frozenset(event.seq for event in missed)
            for event in missed:
                if subscription.wants(event):
                    self._message_of(subscription, event)
        subscription.contained = contained
        held, subscription.waiting = subscription.waiting, []
        for event in held:
            self._update(subscription, event)

    def _on_event(self, event: Event) -> None:
        for subscription in self._subscriptions.values():
            if not subscription.wants(event):
                continue
            if subscription.contained is None:
                subscription.waiting.append(event)
            else:
                self._update(subscription, event)

    def _update(self, subscription: _Subscription, event: Event) -> None:
        assert subscription.contained is not None
        if event.seq not in subscription.contained:
            self._message_of(subscription, event)

    def _message_of(self, subscription: _Subscription, event: Event) -> None:
        self._message("update", subscription, event.seq, orjson.Fragment(event.payload))

    def _message(self, kind: str, subscription: _Subscription, seq: int, data: Any) -> None:
        self._put(
            {
                "type": kind,
                "channel": subscription.channel,
                "market": subscription.instrument.symbol,
                "seq": seq,
                "data": data,
            }
        )

    def _error(self, code: str, message: str, **names: Any) -> None:
        self._put({"type": "error", **names, "code": code, "message": message})

    def _put(self, message: dict[str, Any]) -> None:
        try:
            self._queue.put_nowait(orjson.dumps(message))
        except asyncio.QueueFull:
            self._too_slow.set()

"""Derive as the loop sees it.

The truth is what is asked: `get_subaccount` (open orders, position, collateral in one answer),
`get_order_history` and `get_trade_history`. What the socket pushes wakes the loop, and brings the
book and the public trades, which cannot be asked for.

What can go wrong with a command (specification, sections 7 and 11): only -32603, 9000, 9001, an
unreadable answer, a timeout or a lost socket leave its outcome unknown; every other answer is
definite. The same bytes may be sent again: a signed order is taken once, and 11016 or 11017 then
say that it was. Cancel-on-disconnect is armed in every session and looked at; nothing is placed
while the socket is down, for then nothing would end an order but its signature's five minutes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson

from mm_bot.clock import Clock
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict, Watch
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import OrderId, RestingOrder
from mm_bot.core.snapshot import (
    Balances,
    Book,
    Fill,
    Observation,
    OwnOrders,
    Part,
    PriceLimits,
    Reserved,
    Trade,
)
from mm_bot.errors import EdgeError
from mm_bot.venues import answers, fill_numbers
from mm_bot.venues.base import EthCall, Found, no_chain
from mm_bot.venues.checks import Check, Checks, compare_clocks
from mm_bot.venues.derive import wire
from mm_bot.venues.derive.api import DERIVE, DeriveApi, LostError, NotSentError, RefusedError
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.their_clock import TheirClock
from mm_bot.venues.file_lock import FileLock
from mm_bot.venues.signing import Action, Domain, Signer, TradeData

UNKNOWN_CODES: Final = frozenset({-32603, 9000, 9001})
CONSUMED_CODES: Final = frozenset({11016, 11017})
PAGE: Final = 100
PAGES: Final = 50
"""More pages than this in one read are an answer that never ends."""
TRADES_KEPT: Final = 100
CLOCK_EVERY_MS: Final = 30_000
LOOK_BACK_MS: Final = 60_000
"""How far before the last known fill the history is asked again: it may be indexed late."""


class DeriveVenue:
    """One perpetual of one subaccount."""

    instrument: Instrument

    def __init__(self, config: DeriveConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._signer = Signer(config.signer_key)
        self._signer.check()
        self._domain = Domain(chain_id=config.chain_id, matching=config.matching)
        self._their_clock = TheirClock()
        self._clock_asked_ms = -float(CLOCK_EVERY_MS)
        self._api = DeriveApi(config, self._their_clock, self._pushed)
        self._venue_ids: dict[str, str] = {}
        """The exchange's ids of our orders, by ours."""
        self._rows: tuple[RestingOrder, ...] = ()
        self._book: Part[Book] = Part(value=None, as_of_ms=None, error="no book was pushed yet")
        self._book_data: object = None
        self._book_ms = 0
        self._price_limits: PriceLimits | None = None
        self._trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self._trades_since_ms: int | None = None
        self._balances: Part[Balances] = Part(value=None, as_of_ms=None)
        self._balances_read_ms: int | None = None
        self._armed = False
        self._lock = FileLock(config.lock_file, config.market_symbol)
        self._wake: Callable[[], None] = lambda: None

    # Start-up and commands

    @property
    def eth_call(self) -> EthCall:
        return no_chain(DERIVE)

    async def open(self, on_waiting: Callable[[str], None] = lambda holder: None) -> int:
        """See `LiveVenue.open`. The highest nonce is unknown to an exchange that wants the time."""
        await self._prove(Checks(strict=True))
        if not self._config.dry_run:
            whose = f"subaccount {self._config.subaccount_id}"
            wait = self._config.wait_for_lock
            await self._lock.hold(whose, wait=wait, on_waiting=on_waiting)
        return 0

    async def connect(self) -> None:
        """Learn the instrument, and no more."""
        await self._learn(Checks(strict=True))

    async def check(self) -> tuple[Check, ...]:
        """See `LiveVenue.check`."""
        checks = Checks()
        checks.ok("keys", self._signer.address, "signs, and is recovered from its signature")
        await self._prove(checks)
        return tuple(checks.found)

    async def claim(self) -> str | None:
        return self._lock.claim()

    async def holds_lock(self) -> bool:
        return self._config.dry_run or self._lock.held

    async def own_orders(self, watch: Watch) -> OwnOrders:
        """See `LiveVenue.own_orders`."""
        account = await self._account()
        return await self._own(watch, account)

    async def find(self, order_ids: Sequence[str]) -> Found:
        """See `LiveVenue.find`."""
        try:
            rows = await self._rows_of(await self._account(), order_ids)
        except EdgeError as error:
            return Found(orders=(), fault=error.reason)
        return answers.found(rows, order_ids, self._config.market_symbol)

    async def events(
        self, on_event: Callable[[], None], on_source: Callable[[str, str], None]
    ) -> None:
        """See `LiveVenue.events`: our own orders and trades, the book and the public trades."""
        self._wake = on_event
        while True:
            await self._api.up.wait()
            on_source("socket", "")
            on_event()
            await self._api.down.wait()
            on_source("poll", self._api.problem)

    async def aclose(self) -> None:
        await self._api.aclose()
        self._lock.release()

    # The loop

    async def observe(self, watch: Watch) -> Observation:
        if self._clock.monotonic_ms() - self._clock_asked_ms >= CLOCK_EVERY_MS:
            with suppress(EdgeError):  # the clocks are taken to stand as they did
                await self._ask_clock(self._api.read)
        began_ms = self._clock.now_ms()
        try:
            account = await self._account()
            orders = Part(value=await self._own(watch, account), as_of_ms=began_ms)
        except EdgeError as error:
            failed: Part[OwnOrders] = Part(value=None, as_of_ms=None, error=error.reason)
            return self._observation(failed, self._kept_balances(error))
        position, cash = wire.holdings(account, self.instrument)
        self._balances_read_ms = began_ms
        seen = Balances(base=position, quote=cash, block_number=began_ms, block_time_ms=began_ms)
        self._balances = Part(value=seen, as_of_ms=began_ms)
        return self._observation(orders, self._balances)

    def prepare(self, order: NewOrder) -> PreparedOrder:
        """The params of `private/order`, signed."""
        market, config = self.instrument, self._config
        listed = wire.perpetual(market)
        price, amount = order.price.value, order.size.value
        max_fee = listed.max_fee(price, amount)
        expiry_s = self._their_clock.theirs(order.expiry_s * 1000) // 1000
        data = TradeData(
            asset=listed.asset,
            sub_id=listed.sub_id,
            limit_price=wire.chain(price),
            desired_amount=wire.chain(amount),
            worst_fee=wire.chain(max_fee),
            recipient_id=config.subaccount_id,
            is_bid=order.side is Side.BUY,
        )
        action = Action(
            subaccount_id=config.subaccount_id,
            nonce=order.nonce,
            module=config.trade_module,
            data=data.encode(),
            expiry_s=expiry_s,
            owner=config.owner,
            signer=self._signer.address,
        )
        body = {
            "instrument_name": market.symbol,
            "subaccount_id": config.subaccount_id,
            "direction": order.side.value,
            "amount": wire.text(amount),
            "limit_price": wire.text(price),
            "max_fee": wire.text(max_fee),
            "nonce": str(order.nonce),
            "signature": "0x" + self._signer.sign_action(self._domain, action).hex(),
            "signature_expiry_sec": expiry_s,
            "signer": self._signer.address,
            "order_type": "limit",
            "time_in_force": "gtc" if order.may_take else "post_only",
            "reject_post_only": not order.may_take,
            "label": order.order_id,
            "mmp": False,
        }
        return PreparedOrder(order=order, body=orjson.dumps(body))

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        if not self._api.up.is_set() or not self._armed:
            why = self._api.problem or "cancel-on-disconnect is not armed"
            return Outcome(verdict=Verdict.REFUSED, detail=f"not sent: {why}")
        if not may_send():
            return Outcome(verdict=Verdict.REFUSED, detail="not sent: no longer allowed to")
        answer = await self._write("private/order", prepared.body, is_cancel=False)
        if isinstance(answer, Outcome):
            return answer
        return self._taken(answer, "order", prepared.order.order_id)

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        """By the exchange's id where it is known: that answer says what was left. Else by nonce."""
        config = self._config
        names: dict[str, object] = {
            "instrument_name": config.market_symbol,
            "subaccount_id": config.subaccount_id,
        }
        known = self._venue_ids.get(order_id)
        if known is not None:
            body = orjson.dumps({**names, "order_id": known})
            answer = await self._write("private/cancel", body, is_cancel=True)
            if isinstance(answer, Outcome):
                return answer
            return self._taken({"order": answer}, "order", order_id)
        body = orjson.dumps({**names, "nonce": str(nonce)})
        answer = await self._write("private/cancel_by_nonce", body, is_cancel=True)
        if isinstance(answer, Outcome):
            return answer
        if isinstance(answer, dict) and answer.get("cancelled_orders") == 1:
            return Outcome(verdict=Verdict.ACCEPTED)
        return Outcome(verdict=Verdict.UNKNOWN, detail="no open order of that nonce")

    # Inside

    async def _write(self, method: str, body: bytes, *, is_cancel: bool) -> Any:
        """The result, or how the command ended without one."""
        try:
            return await self._api.write(method, body, is_cancel=is_cancel)
        except NotSentError as error:
            return Outcome(verdict=Verdict.REFUSED, detail=error.reason)
        except LostError as error:
            return Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
        except RefusedError as error:
            if error.code in UNKNOWN_CODES or is_cancel:
                return Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
            conflict = error.code in CONSUMED_CODES
            verdict = Verdict.UNKNOWN if conflict else Verdict.REFUSED
            return Outcome(verdict=verdict, detail=error.reason, conflict=conflict)

    def _taken(self, answer: object, name: str, order_id: str) -> Outcome:
        """What an accepted place or cancel says of its order."""
        try:
            if not isinstance(answer, dict):
                raise EdgeError(DERIVE, "the result is no object")
            entry = answer.get(name)
            row = self._order(entry)
        except EdgeError as error:
            return Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
        if row is None or row.order_id != order_id:
            return Outcome(verdict=Verdict.UNKNOWN, detail="the answer is of another order")
        assert isinstance(entry, dict), "it was read as one"
        self._venue_ids[order_id] = str(entry.get("order_id"))
        return Outcome(verdict=Verdict.ACCEPTED, left=row.notional)

    async def _account(self) -> Mapping[str, Any]:
        answer = await self._api.read(
            "private/get_subaccount", {"subaccount_id": self._config.subaccount_id}
        )
        if not isinstance(answer, dict):
            raise EdgeError(DERIVE, "get_subaccount: the result is no object")
        return answer

    async def _own(self, watch: Watch, account: Mapping[str, Any]) -> OwnOrders:
        """Open orders first, then the terminal ones: one that ends between the two reads is found
        in the second."""
        rows = await self._rows_of(account, watch.order_ids)
        self._rows = tuple(row for row in rows if row.live)
        fills = await self._fills(watch, rows)
        return OwnOrders(
            rows=rows,
            lookups=answers.lookups(rows, watch.nonces),
            fills=fills,
            own_trade_ids=frozenset(fill.trade_id for fill in fills),
            newest_trade_id=fill_numbers.before(self._their_clock.theirs(self._clock.now_ms())),
            others=(),
            reserved_elsewhere=Reserved(),
        )

    async def _rows_of(
        self, account: Mapping[str, Any], order_ids: Sequence[str]
    ) -> tuple[RestingOrder, ...]:
        found: dict[str, RestingOrder] = {}
        for entry in account.get("open_orders") or ():
            self._note_row(entry, found)
        missing = set(order_ids) - set(found)
        if missing:
            made_ms = self._their_clock.theirs(min(map(_made_ms, missing)))
            oldest_ms = made_ms - LOOK_BACK_MS
            async for entry in self._history("private/get_order_history", "orders", oldest_ms):
                self._note_row(entry, found)
                if not missing - set(found):
                    break
        wanted = set(order_ids)
        kept = (row for row in found.values() if row.live or row.order_id in wanted)
        return tuple(sorted(kept, key=lambda row: row.nonce))

    def _order(self, entry: object) -> RestingOrder | None:
        config = self._config
        return wire.order(entry, self.instrument, config.protected_prefixes, self._their_clock)

    def _note_row(self, entry: object, found: dict[str, RestingOrder]) -> None:
        row = self._order(entry)
        if row is not None and row.order_id not in found:
            found[row.order_id] = row
            assert isinstance(entry, dict), "it was read as one"
            self._venue_ids[row.order_id] = str(entry.get("order_id"))

    async def _fills(self, watch: Watch, rows: tuple[RestingOrder, ...]) -> tuple[Fill, ...]:
        if watch.fills_after is None:
            return ()
        since_ms = fill_numbers.time_ms(watch.fills_after) - LOOK_BACK_MS
        left = {row.order_id: row.size for row in rows}
        found: dict[int, Fill] = {}
        async for entry in self._history("private/get_trade_history", "trades", since_ms):
            fill = wire.fill(entry, self.instrument, left, self._their_clock)
            if fill is not None and fill.trade_id > watch.fills_after:
                found[fill.trade_id] = fill
        return tuple(found[number] for number in sorted(found))

    async def _history(self, method: str, name: str, since_ms: int) -> Any:
        """Every entry since then, newest first, page by page."""
        for page in range(1, PAGES + 1):
            answer = await self._api.read(
                method,
                {
                    "subaccount_id": self._config.subaccount_id,
                    "instrument_name": self._config.market_symbol,
                    "from_timestamp": max(0, since_ms),
                    "page": page,
                    "page_size": PAGE,
                },
            )
            entries = answer.get(name) if isinstance(answer, dict) else None
            if not isinstance(entries, list):
                raise EdgeError(DERIVE, f"{method}: no list of {name}")
            for entry in entries:
                yield entry
            if len(entries) < PAGE:
                return
        raise EdgeError(DERIVE, f"{method}: more than {PAGES} pages")

    def _observation(self, orders: Part[OwnOrders], balances: Part[Balances]) -> Observation:
        return Observation(
            book=self._book_now(),
            trades=Part(value=tuple(self._trades)[::-1], as_of_ms=self._trades_since_ms),
            orders=orders,
            balances=balances,
            balances_read_ms=self._balances_read_ms,
            lock_held=self._config.dry_run or self._lock.held,
            clocks=(self._their_clock.reading,),
            price_limits=self._price_limits,
        )

    def _book_now(self) -> Part[Book]:
        """The last snapshot pushed, with what rests of ours taken out of it."""
        if self._book_data is not None:
            try:
                _, seen = wire.book(self._book_data, self._rows)
                self._book = Part(value=seen, as_of_ms=self._book_ms)
            except EdgeError as error:
                self._book = Part(
                    value=self._book.value, as_of_ms=self._book.as_of_ms, error=error.reason
                )
        if not self._api.up.is_set():
            return Part(
                value=self._book.value, as_of_ms=self._book.as_of_ms, error=self._api.problem
            )
        self._trades_since_ms = self._clock.now_ms()
        return self._book

    def _kept_balances(self, error: EdgeError) -> Part[Balances]:
        return Part(
            value=self._balances.value, as_of_ms=self._balances.as_of_ms, error=error.reason
        )

    def _pushed(self, channel: str, data: object) -> None:
        kind = channel.split(".")[0]
        if kind == "orderbook":
            self._note_book(data)
        elif kind == "ticker_slim":
            with suppress(EdgeError):  # one that cannot be read changes nothing
                self._price_limits = wire.limits(data)
        elif kind == "trades" and isinstance(data, list):
            for entry in data:
                try:
                    self._trades.append(wire.trade(entry, self._their_clock))
                except EdgeError:
                    continue  # a stranger's trade that cannot be read is no reference
        else:
            self._wake()

    def _note_book(self, data: object) -> None:
        if not isinstance(data, dict) or not isinstance(data.get("publish_id"), int):
            return
        before = self._book_data
        if isinstance(before, dict) and data["publish_id"] <= before["publish_id"]:
            return
        stamp = data.get("timestamp")
        now_ms = self._clock.now_ms()
        said_ms = self._their_clock.ours(stamp) if isinstance(stamp, int) else now_ms
        self._book_ms = min(said_ms, now_ms)
        self._book_data = data
        if not isinstance(before, dict) or _best(before) != _best(data):
            self._wake()

    async def _session(self) -> None:
        """What makes a new socket ours."""
        self._armed = False
        self._book_data = None
        call = self._api.over_socket
        await self._ask_clock(call)
        logged_in = await call("public/login", self._api.login())
        config = self._config
        if not isinstance(logged_in, list) or config.subaccount_id not in logged_in:
            raise EdgeError(DERIVE, f"subaccount {config.subaccount_id} is none of this wallet's")
        if not config.dry_run:
            await call("private/set_cancel_on_disconnect", {"enabled": True})
            account = await call("private/get_account", {"wallet": config.owner})
            self._armed = isinstance(account, dict) and account.get("cancel_on_disconnect") is True
        channels = [
            f"orderbook.{config.market_symbol}.1.20",
            f"trades.{config.market_symbol}",
            f"ticker_slim.{config.market_symbol}.1000",
            f"{config.subaccount_id}.orders",
            f"{config.subaccount_id}.trades",
        ]
        answer = await call("subscribe", {"channels": channels})
        status = answer.get("status", {}) if isinstance(answer, dict) else {}
        refused = [f"{c}: {status.get(c)}" for c in channels if status.get(c) != "ok"]
        if refused:
            raise EdgeError(DERIVE, f"channels refused: {'; '.join(refused)}")

    async def _ask_clock(self, ask: Callable[[str, Mapping[str, object]], Awaitable[Any]]) -> None:
        """Where it stands beside ours; raises EdgeError."""
        self._clock_asked_ms = self._clock.monotonic_ms()
        began_ms = self._clock.now_ms()
        said = await ask("public/get_time", {})
        if not isinstance(said, int):
            raise EdgeError(DERIVE, "public/get_time: the result is no number")
        self._their_clock.heard(said, began_ms, self._clock.now_ms())

    async def _learn(self, checks: Checks) -> bool:
        config = self._config
        ask = self._api.read("public/get_instrument", {"instrument_name": config.market_symbol})
        try:
            listing = await ask
        except RefusedError as error:
            checks.wrong("API", "our market", f"{config.market_symbol}: {error.reason}")
            return False
        except EdgeError as error:
            where = f"Derive at {config.http_url}"
            checks.silent("API", "our market", f"{where} does not answer: {error.reason}")
            return False
        self.instrument = wire.instrument(
            listing, price_tick=config.price_tick, margin_rate=config.margin_rate
        )
        checks.ok("API", "our market", f"{self.instrument.symbol}, perpetual")
        return True

    async def _prove(self, checks: Checks) -> None:
        config = self._config
        if not await self._learn(checks):
            return
        self._api.start(self._session)
        try:
            async with asyncio.timeout(config.reach_timeout_ms / 1000):
                await self._api.up.wait()
        except TimeoutError:
            where = f"the socket at {config.socket_url}"
            checks.silent("API", "socket", f"{where} does not come up: {self._api.problem}")
            return
        checks.ok("API", "socket", f"logged in as {config.owner}")
        compare_clocks(checks, "API", self._their_clock.ahead_ms)
        if not config.dry_run and not self._armed:
            checks.wrong("API", "dead man", "cancel-on-disconnect cannot be armed: key's scope?")
        elif self._armed:
            checks.ok("API", "dead man", "cancel-on-disconnect is armed")
        await self._debug(checks)

    async def _debug(self, checks: Checks) -> None:
        """The exchange's own word on our signing, by an order it only looks at."""
        market, now_ms = self.instrument, self._clock.now_ms()
        price = market.price_tick
        size = market.least_size or market.size_step
        probe = self.prepare(
            NewOrder(
                order_id=f"mm:{market.symbol}:buy:{now_ms}000000",
                side=Side.BUY,
                price=price,
                size=size,
                notional=market.notional(price, size),
                nonce=now_ms * 1_000_000,
                expiry_s=now_ms // 1000 + 600,
            )
        )
        answer = await checks.answer(
            "API",
            "signing",
            self._api.read("private/order_debug", orjson.loads(probe.body)),
            "order_debug",
        )
        if not isinstance(answer, dict):
            return
        theirs, ours = answer.get("domain_separator"), "0x" + self._domain.separator.hex()
        recovered = str(answer.get("recovered_signer", "")).lower()
        if theirs != ours:
            checks.wrong("API", "signing", f"the domain separator is {theirs}, we sign for {ours}")
        elif recovered and recovered != self._signer.address:
            checks.wrong("API", "signing", f"recovers {recovered}, not {self._signer.address}")
        else:
            checks.ok("API", "signing", "domain and signer are as the exchange sees them")


def _made_ms(order_id: str) -> int:
    """When an order of ours was made: its nonce is the time in nanoseconds."""
    parts = OrderId.parse(order_id)
    return 0 if parts is None else parts.nonce // 1_000_000


def _best(data: Mapping[str, Any]) -> tuple[object, object]:
    bids, asks = data.get("bids") or [None], data.get("asks") or [None]
    return bids[0], asks[0]

"""The toy exchange as the loop sees it.

One read (`GET /account`) tells our live orders, those asked for, our fills and what we hold, all as
of one moment. An order's id there is ours. An answer is definite; no answer leaves a command
unknown, and the next read settles it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from mm_bot.clock import Clock
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict, Watch
from mm_bot.core.exact import Amount, Price, Size, plain
from mm_bot.core.instrument import Capabilities, Instrument, Kind, Margin, Side
from mm_bot.core.orders import OrderStatus, RestingOrder, classify
from mm_bot.core.snapshot import (
    Balances,
    Book,
    BookOrder,
    Fill,
    Observation,
    OwnOrders,
    Part,
    Reserved,
    Trade,
)
from mm_bot.errors import EdgeError
from mm_bot.io.errors import FOREIGN, NOT_SENT, describe
from mm_bot.io.http import open_client
from mm_bot.io.shapes import Members, Reader
from mm_bot.venues import answers
from mm_bot.venues.base import EthCall, Found, no_chain
from mm_bot.venues.checks import Check, Checks
from mm_bot.venues.file_lock import FileLock
from tests.toy.settings import ToyConfig

TOY: Final = "toy"
REFUSED: Final = (400, 401, 429)
_read: Final = Reader(TOY)


class ToyVenue:
    """One perpetual."""

    instrument: Instrument

    def __init__(self, config: ToyConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._http = open_client(config.url, config.timeout_ms, {"x-key": config.key})
        self._lock = FileLock(config.lock_file, config.market_symbol)
        self._book: Part[Book] = Part(value=None, as_of_ms=None)
        self._trades: Part[tuple[Trade, ...]] = Part(value=None, as_of_ms=None)
        self._balances: Part[Balances] = Part(value=None, as_of_ms=None)

    @property
    def eth_call(self) -> EthCall:
        return no_chain(TOY)

    # Start-up and commands

    async def open(self, on_waiting: Callable[[str], None] = lambda holder: None) -> int:
        await self._prove(Checks(strict=True))
        if not self._config.dry_run:
            wait = self._config.wait_for_lock
            await self._lock.hold("the toy", wait=wait, on_waiting=on_waiting)
        return 0  # ids are free text here: a nonce of an earlier life cannot be met again

    async def connect(self) -> None:
        await self._learn(Checks(strict=True))

    async def check(self) -> tuple[Check, ...]:
        checks = Checks()
        await self._prove(checks)
        return tuple(checks.found)

    async def claim(self) -> str | None:
        return self._lock.claim()

    async def holds_lock(self) -> bool:
        return self._config.dry_run or self._lock.held

    async def own_orders(self, watch: Watch) -> OwnOrders:
        return self._own(await self._account(watch.order_ids, watch.fills_after), watch)

    async def find(self, order_ids: Sequence[str]) -> Found:
        try:
            if not hasattr(self, "instrument"):
                await self.connect()
            account = await self._account(order_ids, None)
            rows = [self._row(entry) for entry in _read.array(account.get("orders"), "orders")]
        except EdgeError as error:
            return Found(orders=(), fault=error.reason)
        return answers.found(rows, order_ids, self._config.market_symbol)

    async def events(
        self, on_event: Callable[[], None], on_source: Callable[[str, str], None]
    ) -> None:
        on_source("poll", "the exchange pushes nothing")
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        await self._http.aclose()
        self._lock.release()

    # The loop

    async def observe(self, watch: Watch) -> Observation:
        began_ms = self._clock.now_ms()
        book, account = await asyncio.gather(
            self._get("/book"),
            self._account(watch.order_ids, watch.fills_after),
            return_exceptions=True,
        )
        self._book, self._trades = self._market(book, began_ms)
        orders: Part[OwnOrders]
        try:
            members = _answer(account)
            orders = Part(value=self._own(members, watch), as_of_ms=began_ms)
            self._balances = Part(value=_balances(members, began_ms), as_of_ms=began_ms)
        except EdgeError as error:
            orders = Part(value=None, as_of_ms=None, error=error.reason)
            kept = self._balances
            self._balances = Part(value=kept.value, as_of_ms=kept.as_of_ms, error=error.reason)
        return Observation(
            book=self._book,
            trades=self._trades,
            orders=orders,
            balances=self._balances,
            balances_read_ms=self._balances.as_of_ms,
            lock_held=self._config.dry_run or self._lock.held,
        )

    def prepare(self, order: NewOrder) -> PreparedOrder:
        body = {
            "id": order.order_id,
            "nonce": order.nonce,
            "side": order.side.value,
            "price": plain(order.price.value),
            "size": plain(order.size.value),
            "expires_s": order.expiry_s,
        }
        return PreparedOrder(order=order, body=orjson.dumps(body))

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        return await self._post("/orders", prepared.body, may_send=may_send)

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        return await self._post("/cancel", orjson.dumps({"id": order_id}), urgent=True)

    # Inside

    async def _post(self, path: str, body: bytes, **extensions: object) -> Outcome:
        """How a command ended: the one place where that is decided."""
        try:
            answer = await self._http.post(path, content=body, extensions=extensions)
        except NOT_SENT as error:
            detail = f"not sent: {describe(error)}"
            return Outcome(verdict=Verdict.REFUSED, detail=detail, unjudged=True)
        except FOREIGN as error:
            return Outcome(verdict=Verdict.UNKNOWN, detail=describe(error))
        detail = f"{answer.status_code}: {answer.text[:200]}"
        if answer.status_code in REFUSED:
            return Outcome(verdict=Verdict.REFUSED, detail=detail)
        if answer.status_code != 200:
            conflict = answer.status_code == 409
            return Outcome(verdict=Verdict.UNKNOWN, detail=detail, conflict=conflict)
        try:
            row = self._row(_read.json(answer.content))
        except EdgeError as error:
            return Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
        return Outcome(verdict=Verdict.ACCEPTED, left=row.notional)

    async def _get(self, path: str, **query: str) -> Members:
        try:
            answer = await self._http.get(path, params=query)
        except FOREIGN as error:
            raise EdgeError(TOY, describe(error)) from None
        if answer.status_code != 200:
            raise EdgeError(TOY, f"{answer.status_code}: {answer.text[:200]}")
        return _read.members(_read.json(answer.content), "answer")

    async def _account(self, order_ids: Sequence[str], fills_after: int | None) -> Members:
        after = "" if fills_after is None else str(fills_after)
        return await self._get("/account", ids=",".join(order_ids), fills_after=after)

    async def _prove(self, checks: Checks) -> None:
        if await self._learn(checks):
            account = await checks.answer("API", "our account", self._account((), None), "it")
            if account is not None:
                checks.ok("API", "our account", "the key is taken")

    async def _learn(self, checks: Checks) -> bool:
        where = f"the exchange at {self._config.url}"
        listing = await checks.answer("API", "our market", self._get("/market"), where)
        if listing is None:
            return False
        if listing.get("symbol") != self._config.market_symbol:
            checks.wrong("API", "our market", f"it lists {listing.get('symbol')} alone")
            return False
        self.instrument = Instrument(
            symbol=self._config.market_symbol,
            base=_read.text(listing, "base", "market"),
            quote=_read.text(listing, "quote", "market"),
            kind=Kind.PERPETUAL,
            price_tick=Price(_read.number(listing, "tick", "market")),
            size_step=Size(_read.number(listing, "step", "market")),
            multiplier=Size.of(1).value,
            margin=Margin.QUOTE,
            margin_rate=_read.number(listing, "margin_rate", "market"),
            collateral=_read.text(listing, "quote", "market"),
            expiry_ms=None,
            capabilities=Capabilities(resend_safe=True),
        )
        checks.ok("API", "our market", self.instrument.symbol)
        return True

    def _own(self, account: Members, watch: Watch) -> OwnOrders:
        rows = tuple(self._row(entry) for entry in _read.array(account.get("orders"), "orders"))
        fills = tuple(self._fill(entry) for entry in _read.array(account.get("fills"), "fills"))
        return OwnOrders(
            rows=rows,
            lookups=answers.lookups(rows, watch.nonces),
            fills=fills if watch.fills_after is not None else (),
            own_trade_ids=frozenset(fill.trade_id for fill in fills),
            newest_trade_id=_read.integer(account, "newest_fill", "account"),
            others=(),
            reserved_elsewhere=Reserved(),
        )

    def _row(self, entry: object) -> RestingOrder:
        row = _read.members(entry, "order")
        order_id, side = _read.text(row, "id", "order"), _side(row)
        price, left = Price(_read.number(row, "price", "order")), _size(row, "left")
        nonce = _read.integer(row, "nonce", "order")
        status = _read.text(row, "status", "order")
        config = self._config
        return RestingOrder(
            order_id=order_id,
            side=side,
            price=price,
            size=left,
            notional=self.instrument.notional(price, left),
            original_size=_size(row, "size"),
            lot=self.instrument.size_step,
            status=_read.converted(lambda: OrderStatus(status), "order.status"),
            nonce=nonce,
            created_ms=_read.integer(row, "created_ms", "order"),
            expiry_ms=_read.integer(row, "expires_s", "order") * 1000,
            ownership=classify(
                order_id, side, nonce, config.market_symbol, config.protected_prefixes
            ),
        )

    def _fill(self, entry: object) -> Fill:
        row = _read.members(entry, "fill")
        price, size = Price(_read.number(row, "price", "fill")), _size(row, "size")
        return Fill(
            trade_id=_read.integer(row, "number", "fill"),
            order_id=_read.text(row, "order_id", "fill"),
            side=_side(row),
            price=price,
            size=size,
            notional=self.instrument.notional(price, size),
            at_ms=_read.integer(row, "at_ms", "fill"),
            is_maker=_read.truth(row, "maker", "fill"),
            completes_order=_read.truth(row, "completes", "fill"),
            steps=0,
        )

    def _market(
        self, answer: Members | BaseException, began_ms: int
    ) -> tuple[Part[Book], Part[tuple[Trade, ...]]]:
        """Book and trades, or the last ones with why there are no newer."""
        try:
            members = _answer(answer)
            sides = {side: _levels(members, side) for side in Side}
            trades = _read.array(members.get("trades"), "trades")
            book = Book(bids=sides[Side.BUY], asks=sides[Side.SELL])
            return (
                Part(value=book, as_of_ms=began_ms),
                Part(value=tuple(map(_trade, trades)), as_of_ms=began_ms),
            )
        except EdgeError as error:
            old, seen = self._book, self._trades
            return (
                Part(value=old.value, as_of_ms=old.as_of_ms, error=error.reason),
                Part(value=seen.value, as_of_ms=seen.as_of_ms, error=error.reason),
            )


def _answer(answer: Members | BaseException) -> Members:
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _side(row: Members) -> Side:
    text = _read.text(row, "side", "side")
    return _read.converted(lambda: Side(text), "side")


def _size(row: Members, name: str) -> Size:
    return Size(_read.number(row, name, "row"))


def _levels(book: Members, side: Side) -> tuple[BookOrder, ...]:
    name = {Side.BUY: "bids", Side.SELL: "asks"}[side]
    return tuple(
        BookOrder(
            order_id=_read.text(entry, "id", name),
            side=side,
            price=Price(_read.number(entry, "price", name)),
            size=_size(entry, "left"),
            ours=_read.truth(entry, "mine", name),
        )
        for entry in _read.array(book.get(name), name)
    )


def _trade(entry: Any) -> Trade:
    row = _read.members(entry, "trade")
    return Trade(
        trade_id=_read.integer(row, "number", "trade"),
        price=Price(_read.number(row, "price", "trade")),
        size=_size(row, "size"),
        at_ms=_read.integer(row, "at_ms", "trade"),
        maker_order_id="",
        taker_order_id="",
    )


def _balances(account: Members, began_ms: int) -> Balances:
    position = _read.number(account, "position_size", "account")
    sign = -1 if _read.truth(account, "short", "account") else 1
    return Balances(
        base=Size(sign * position),
        quote=Amount(_read.number(account, "cash", "account")),
        block_number=began_ms,
        block_time_ms=began_ms,
    )

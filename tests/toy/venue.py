"""The toy exchange as the loop sees it.

One read (`GET /account`) tells our live orders, those asked for, our fills and what we hold, all as
of one moment. An order's id there is ours. An answer is definite; no answer leaves a command
unknown, and the next read settles it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import orjson

from mm_bot.clock import Clock
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict, Watch
from mm_bot.core.exact import plain
from mm_bot.core.instrument import Side
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import (
    Book,
    Observation,
    OwnOrders,
    Part,
    Reserved,
    Trade,
)
from mm_bot.errors import EdgeError
from mm_bot.io.errors import FOREIGN, NOT_SENT, describe
from mm_bot.io.http import open_client
from mm_bot.io.shapes import Members
from mm_bot.venues import answers
from mm_bot.venues.checks import Checks
from mm_bot.venues.file_locked import FileLockedVenue
from tests.toy import wire
from tests.toy.settings import ToyConfig
from tests.toy.wire import TOY, read

REFUSED: Final = (400, 401, 429)


class ToyVenue(FileLockedVenue[ToyConfig]):
    """One perpetual. Ids are free text there: a nonce of an earlier life cannot be met again."""

    def __init__(self, config: ToyConfig, clock: Clock) -> None:
        super().__init__(config, clock, name=TOY, whose="the toy")
        self._http = open_client(config.url, config.timeout_ms, {"x-key": config.key})
        self._book: Part[Book] = Part(value=None, as_of_ms=None)
        self._trades: Part[tuple[Trade, ...]] = Part(value=None, as_of_ms=None)

    async def own_orders(self, watch: Watch) -> OwnOrders:
        return self._own(await self._account(watch.order_ids, watch.fills_after), watch)

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
            self._keep_balances(wire.balances(members, began_ms), began_ms)
        except EdgeError as error:
            orders = Part(value=None, as_of_ms=None, error=error.reason)
            self._balances_unread(error)
        return self._observed(book=self._book, trades=self._trades, orders=orders)

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
            row = self._row(read.json(answer.content))
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
        return read.members(read.json(answer.content), "answer")

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
        self.instrument = wire.instrument(listing, self._config.market_symbol)
        checks.ok("API", "our market", self.instrument.symbol)
        return True

    async def _rows(self, order_ids: Sequence[str]) -> list[RestingOrder]:
        account = await self._account(order_ids, None)
        return [self._row(entry) for entry in read.array(account.get("orders"), "orders")]

    def _row(self, entry: object) -> RestingOrder:
        return wire.order(entry, self.instrument, self._config.protected_prefixes)

    def _own(self, account: Members, watch: Watch) -> OwnOrders:
        rows = tuple(self._row(entry) for entry in read.array(account.get("orders"), "orders"))
        fills = tuple(
            wire.fill(entry, self.instrument) for entry in read.array(account.get("fills"), "fills")
        )
        return OwnOrders(
            rows=rows,
            lookups=answers.lookups(rows, watch.nonces),
            fills=fills if watch.fills_after is not None else (),
            own_trade_ids=frozenset(fill.trade_id for fill in fills),
            newest_trade_id=read.integer(account, "newest_fill", "account"),
            others=(),
            reserved_elsewhere=Reserved(),
        )

    def _market(
        self, answer: Members | BaseException, began_ms: int
    ) -> tuple[Part[Book], Part[tuple[Trade, ...]]]:
        """Book and trades, or the last ones with why there are no newer."""
        try:
            members = _answer(answer)
            sides = {side: wire.levels(members, side) for side in Side}
            trades = read.array(members.get("trades"), "trades")
            book = Book(bids=sides[Side.BUY], asks=sides[Side.SELL])
            return (
                Part(value=book, as_of_ms=began_ms),
                Part(value=tuple(map(wire.trade, trades)), as_of_ms=began_ms),
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

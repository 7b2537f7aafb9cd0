"""Our orders, fills and wallets as they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mm_bot.core.commands import Watch
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Size
from mm_bot.core.instrument import Instrument
from mm_bot.core.orders import OrderId, RestingOrder
from mm_bot.core.snapshot import Fill, OwnOrders, Reserved, Trade
from mm_bot.errors import EdgeError
from mm_bot.venues import answers, fill_numbers
from mm_bot.venues.coinbase import wire
from mm_bot.venues.coinbase.api import NOT_FOUND, CoinbaseApi, RefusedError
from mm_bot.venues.coinbase.wire import Lens, Wallet, read
from mm_bot.venues.names import Names

FILLS_BACK_MS: Final = 300_000
"""How far before the last known fill the list is asked again: it may be indexed late."""
RECENT_MS: Final = 60_000
"""How far back orders are listed of which we know no id of the exchange's."""
TOLD_MS: Final = 5_000
"""How long the list of our fills may lag behind the public trades."""
GONE_TRIES: Final = 8
GONE_RETRY_S: Final = 0.04


class AccountReads:
    """One portfolio in one market."""

    def __init__(
        self, api: CoinbaseApi, lens: Callable[[], Lens], names: Names, their_ms: Callable[[], int]
    ) -> None:
        self.recent_fills: tuple[Fill, ...] = ()
        """Those of the last read, also what came before the cursor."""
        self._api = api
        self._lens = lens
        self._names = names
        self._their_ms = their_ms
        self._newest = 0
        self._own_trades: frozenset[int] = frozenset()
        """Numbers of our fills, and of the public trades that they were."""
        self._trade_ids: set[str] = set()
        """The exchange's names of the latter, of the last read."""

    async def own(self, watch: Watch, trades: Mapping[str, Trade]) -> OwnOrders:
        """Our orders, then the fills. Of the public `trades` by their names, ours are told by the
        fills, those older than `TOLD_MS` surely; raises EdgeError."""
        rows, unreadable = await self._rows(watch.order_ids, also_recent=watch.include_unexpired)
        self.recent_fills = await self._fills(watch.fills_after, rows)
        numbers = [fill.trade_id for fill in self.recent_fills]
        named = (t.trade_id for name, t in trades.items() if name in self._trade_ids)
        self._own_trades = answers.own_trades(
            self._own_trades, self.recent_fills, trades.values(), named
        )
        before = fill_numbers.before(self._their_ms() - TOLD_MS)
        told = [trade.trade_id for trade in trades.values() if trade.trade_id < before]
        if watch.fills_after is None:
            told.append(fill_numbers.before(self._their_ms() - FILLS_BACK_MS))
        self._newest = max([self._newest, *numbers, *told])
        after = watch.fills_after
        return OwnOrders(
            rows=rows,
            lookups=answers.lookups(rows, watch.nonces),
            fills=tuple(f for f in self.recent_fills if after is not None and f.trade_id > after),
            own_trade_ids=self._own_trades,
            newest_trade_id=self._newest,
            others=(),
            reserved_elsewhere=Reserved(),
            unreadable=unreadable,
        )

    async def rows(self, order_ids: Sequence[str]) -> tuple[RestingOrder, ...]:
        """Every live order here, and those asked for whatever their status."""
        return (await self._rows(order_ids, also_recent=True))[0]

    async def theirs(self, order_id: str) -> str | None:
        """The exchange's id of an order of ours; None where it is not known there (yet)."""
        if self._names.theirs(order_id) is None:
            await self._listed(self._recent(), {})
        return self._names.theirs(order_id)

    async def gone(self, theirs: str) -> Amount | None:
        """What an order had left once it is over; None where it is not, or that is not shown."""
        for _ in range(GONE_TRIES):
            try:
                row = await self._one(theirs)
            except EdgeError:
                row = None
            if row is not None and not row.live:
                return row.notional
            await asyncio.sleep(GONE_RETRY_S)
        return None

    async def wallets(self) -> dict[str, Wallet]:
        return wire.wallets(await self._api.all("accounts", "accounts"))

    def _recent(self) -> dict[str, str]:
        return {"start_date": wire.time_text(self._their_ms() - RECENT_MS)}

    async def _rows(
        self, order_ids: Sequence[str], *, also_recent: bool
    ) -> tuple[tuple[RestingOrder, ...], tuple[str, ...]]:
        """The list of open orders leaves out those that are pending or queued: they are found by
        their ids, and among the recent ones where no id is known."""
        found: dict[str, RestingOrder] = {}
        unreadable = await self._listed({"order_status": "OPEN"}, found)
        missing = [order_id for order_id in order_ids if order_id not in found]
        if also_recent or any(self._names.theirs(order_id) is None for order_id in missing):
            recent: dict[str, RestingOrder] = {}
            await self._listed(self._recent(), recent)
            wanted = set(order_ids)
            found |= {k: row for k, row in recent.items() if row.live or k in wanted}
        known = [self._names.theirs(order_id) for order_id in missing if order_id not in found]
        for row in await asyncio.gather(*(self._one(each) for each in known if each is not None)):
            if row is not None:
                found[row.order_id] = row
        rows = sorted(found.values(), key=lambda row: (row.nonce, row.order_id))
        return tuple(rows), tuple(unreadable)

    async def _listed(self, asked: Mapping[str, str], found: dict[str, RestingOrder]) -> list[str]:
        """Notes every order of a list; the ids of strangers that cannot be read."""
        lens, unreadable = self._lens(), []
        where = {"product_ids": lens.market.symbol, **asked}
        async for entry in self._api.rows("orders/historical/batch", "orders", **where):
            try:
                row = self._noted(entry, lens)
            except EdgeError:
                stranger = _stranger(entry, lens.market)
                if stranger is None:
                    raise
                unreadable.append(stranger)
                continue
            found[row.order_id] = row
        return unreadable

    async def _one(self, theirs: str) -> RestingOrder | None:
        try:
            answer = await self._api.read(f"orders/historical/{theirs}")
        except RefusedError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        entry = read.member(read.members(answer, "answer"), "order", "answer")
        return self._noted(entry, self._lens())

    def _noted(self, entry: object, lens: Lens) -> RestingOrder:
        row = wire.order(entry, lens)
        members = read.members(entry, "order")
        self._names.note(row.order_id, read.text(members, "order_id", "order"))
        return row

    async def _fills(
        self, fills_after: int | None, rows: Sequence[RestingOrder]
    ) -> tuple[Fill, ...]:
        """Since some minutes before the cursor, oldest first. In which order the list comes is not
        documented, so before the first read all of the last minutes are asked for."""
        lens = self._lens()
        newest_ms = self._their_ms() if fills_after is None else fill_numbers.time_ms(fills_after)
        since = wire.time_text(max(0, newest_ms - FILLS_BACK_MS))
        entries = await self._api.all(
            "orders/historical/fills",
            "fills",
            product_ids=lens.market.symbol,
            start_sequence_timestamp=since,
        )
        found, trade_ids = {}, set()
        for entry in entries:
            members = read.members(entry, "fill")
            theirs = read.text(members, "order_id", "fill")
            if theirs not in self._names.ours:
                await self._one(theirs)
            fill = wire.fill(entry, lens, self._names.ours)
            if fill is not None:
                found[fill.trade_id] = fill
                trade_ids.add(str(members.get("trade_id")))
        self._trade_ids = trade_ids
        return answers.completing(found.values(), rows)


def reserved(
    market: Instrument, wallets: Mapping[str, Wallet], rows: Sequence[RestingOrder]
) -> Reserved:
    """What is held beside our orders here: by other markets, by hand, and for fees."""
    base, quote = NO_SIZE, NO_AMOUNT
    for row in rows:
        if row.live:
            held = market.held_by(row.side, row.size, row.notional)
            base, quote = base + held[0], quote + held[1]
    none = Wallet()
    return Reserved(
        base=Size(wire.held_elsewhere(wallets.get(market.base, none), base)),
        quote=Amount(wire.held_elsewhere(wallets.get(market.quote, none), quote)),
    )


def _stranger(entry: object, market: Instrument) -> str | None:
    """The id of a row that cannot be read, where it is certainly none of ours."""
    if not isinstance(entry, dict):
        return None
    client = entry.get("client_order_id")
    parts = OrderId.parse(client) if isinstance(client, str) else None
    if parts is not None and parts.market == market.symbol:
        return None
    return str(client or entry.get("order_id"))[:60]

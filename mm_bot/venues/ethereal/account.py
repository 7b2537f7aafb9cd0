"""Our orders and fills as they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from mm_bot.core.commands import Watch
from mm_bot.core.exact import NO_AMOUNT, Amount
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Fill, OwnOrders, Reserved, Trade
from mm_bot.errors import EdgeError
from mm_bot.venues import answers, fill_numbers
from mm_bot.venues.ethereal import codec, wire
from mm_bot.venues.ethereal.api import NOT_FOUND, EtherealApi, RefusedError
from mm_bot.venues.ethereal.wire import Lens, listing, read
from mm_bot.venues.names import Names

LOOK_BACK_MS: Final = 60_000
"""How far before the last known fill the list is asked again: it may be indexed late."""
TOLD_MS: Final = 2_000
"""How long the list of our fills may lag behind the public trades."""
LEFT_TRIES: Final = 3
LEFT_RETRY_S: Final = 0.05


class AccountReads:
    """One subaccount in one market."""

    def __init__(
        self,
        api: EtherealApi,
        subaccount_id: str,
        lens: Callable[[], Lens],
        names: Names,
        their_ms: Callable[[], int],
    ) -> None:
        self.subaccount_id = subaccount_id
        self.recent_fills: tuple[Fill, ...] = ()
        """Those of the last read, also what came before the cursor."""
        self._api = api
        self._lens = lens
        self._names = names
        self._their_ms = their_ms
        self._newest = 0
        self._own_trades: frozenset[int] = frozenset()
        """Numbers of our fills, and of the public trades that were like them."""

    async def own(
        self, watch: Watch, trades: Sequence[Trade] = (), own_trades: Iterable[int] = ()
    ) -> OwnOrders:
        """Our orders first, then the fills. Of public `trades` those are ours that the stream said
        so of, and those that are like one of our fills; those older than `TOLD_MS` are told apart.

        Raises:
            EdgeError: where any of it cannot be read.
        """
        rows, unreadable = await self._rows(watch.order_ids)
        self.recent_fills = await self._fills(watch.fills_after, rows)
        numbers = [fill.trade_id for fill in self.recent_fills]
        self._own_trades = answers.own_trades(
            self._own_trades, self.recent_fills, trades, own_trades
        )
        before = fill_numbers.before(self._their_ms() - TOLD_MS)
        told = [trade.trade_id for trade in trades if trade.trade_id < before]
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
        return (await self._rows(order_ids))[0]

    async def left(self, order_id: str) -> Amount:
        """What an order had left when its cancel took it; nothing where that cannot be shown."""
        for _ in range(LEFT_TRIES):
            try:
                row = await self._lookup(order_id)
            except EdgeError:
                row = None
            if row is not None and not row.live:
                return row.notional
            await asyncio.sleep(LEFT_RETRY_S)
        return NO_AMOUNT

    async def _rows(
        self, order_ids: Sequence[str]
    ) -> tuple[tuple[RestingOrder, ...], tuple[str, ...]]:
        """Whether `isWorking` and `isPending` together mean both or either is not documented: each
        is asked by itself."""
        lens = self._lens()
        where = {"subaccountId": self.subaccount_id, "productIds": listing(lens.market).product_id}
        pages = await asyncio.gather(
            self._api.all("order", isWorking="true", **where),
            self._api.all("order", isPending="true", **where),
        )
        found: dict[str, RestingOrder] = {}
        unreadable = []
        for entry in (*pages[0], *pages[1]):
            try:
                self._note(entry, lens, found)
            except EdgeError:
                stranger = _stranger(entry, lens)
                if stranger is None:
                    raise
                unreadable.append(stranger)
        missing = [order_id for order_id in order_ids if order_id not in found]
        for row in await asyncio.gather(*map(self._lookup, missing)):
            if row is not None:
                found[row.order_id] = row
        rows = sorted(found.values(), key=lambda row: (row.nonce, row.order_id))
        return tuple(rows), tuple(unreadable)

    async def _lookup(self, order_id: str) -> RestingOrder | None:
        """By the exchange's id, which needs no index, where it is known; else by ours."""
        known = self._names.theirs(order_id)
        entries: list[object]
        if known is not None:
            try:
                entries = [await self._api.read(f"order/{known}")]
            except RefusedError as error:
                if error.status != NOT_FOUND:
                    raise
                entries = []
        else:
            entries = await self._api.all(
                "order", subaccountId=self.subaccount_id, clientOrderId=codec.client_id(order_id)
            )
        found: dict[str, RestingOrder] = {}
        for entry in entries:
            self._note(entry, self._lens(), found)
        return found.get(order_id)

    def _note(self, entry: object, lens: Lens, found: dict[str, RestingOrder]) -> None:
        row = wire.order(entry, lens)
        members = read.members(entry, "order")
        self._names.note(row.order_id, read.text(members, "id", "order"))
        found[row.order_id] = row

    async def _fills(
        self, fills_after: int | None, rows: Sequence[RestingOrder]
    ) -> tuple[Fill, ...]:
        """Since a minute before the cursor, oldest first; before the first read the newest alone,
        to begin from."""
        lens = self._lens()
        where = {
            "subaccountId": self.subaccount_id,
            "productIds": listing(lens.market).product_id,
            "includeSelfTrades": "true",
        }
        entries: list[object]
        if fills_after is None:
            page = await self._api.read("order/fill", order="desc", limit="1", **where)
            entries = read.array(read.members(page, "fills").get("data"), "fills")[:1]
        else:
            since_ms = max(0, fill_numbers.time_ms(fills_after) - LOOK_BACK_MS)
            entries = await self._api.all(
                "order/fill", order="asc", createdAfter=str(since_ms), **where
            )
        found = {}
        for entry in entries:
            fill = wire.fill(entry, lens, self._names.ours)
            found[fill.trade_id] = fill
        return answers.completing(found.values(), rows)


def _stranger(entry: object, lens: Lens) -> str | None:
    """The id of a row that cannot be read, where it is certainly none of ours."""
    if not isinstance(entry, dict):
        return None
    client = entry.get("clientOrderId")
    if isinstance(client, str) and client.startswith(codec.client_prefix(lens.market.symbol)):
        return None
    return str(client or entry.get("id"))[:60]

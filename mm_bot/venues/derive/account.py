"""What the exchange says of our account: open orders, ended ones, fills, what we hold.

The truth is what is asked: `get_subaccount` has open orders, position and collateral in one answer;
`get_order_history` has what ended, `get_trade_history` the fills. The first lacks what the second
has, so it is read first: an order that ends between the two is found in the second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mm_bot.clock import Clock
from mm_bot.core.commands import Watch
from mm_bot.core.instrument import Instrument
from mm_bot.core.orders import OrderId, RestingOrder
from mm_bot.core.snapshot import Fill, OwnOrders, Reserved, Trade
from mm_bot.errors import EdgeError
from mm_bot.venues import answers, fill_numbers
from mm_bot.venues.derive import wire
from mm_bot.venues.derive.api import DERIVE, DeriveApi
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.their_clock import TheirClock

TOLD_MS: Final = 2_000
"""How long the list of our fills may lag behind the public trades."""
PAGE: Final = 100
PAGES: Final = 50
"""More pages than this in one read are an answer that never ends."""
LOOK_BACK_MS: Final = 60_000
"""How far before the last known fill the history is asked again: it may be indexed late."""
UNSETTLED_KEPT: Final = 100

Account = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class AccountReads:
    """Reads of one subaccount in one market, and what they taught of our orders."""

    api: DeriveApi
    config: DeriveConfig
    clock: Clock
    their_clock: TheirClock
    market: Callable[[], Instrument]
    public: Callable[[], Iterable[Trade]]
    """The market's public trades that are known."""
    venue_ids: dict[str, str]
    """The exchange's ids of our orders, by ours."""
    rows: tuple[RestingOrder, ...] = ()
    """Live ones, as of the last read."""
    own_trades: frozenset[int] = frozenset()
    """Numbers of our fills, and of the public trades that they were, the newest."""
    unsettled: tuple[str, ...] = ()
    """The newest trades whose settlement failed, as far as they were read or pushed."""

    def note_unsettled(self, told: Iterable[str]) -> None:
        """Once each."""
        self.unsettled = tuple(dict.fromkeys((*self.unsettled, *told)))[-UNSETTLED_KEPT:]

    def row(self, order_id: str) -> RestingOrder | None:
        """A live order as of the last read."""
        return next((row for row in self.rows if row.order_id == order_id), None)

    def note(self, entry: object) -> RestingOrder | None:
        """An order object as the core sees it, its id kept; None for another instrument's.

        Raises:
            EdgeError: where it cannot be read.
        """
        config = self.config
        row = wire.order(entry, self.market(), config.protected_prefixes, self.their_clock)
        if row is not None:
            assert isinstance(entry, dict), "it was read as one"
            self.venue_ids[row.order_id] = str(entry.get("order_id"))
        return row

    async def account(self) -> Account:
        """The answer of `get_subaccount`; raises EdgeError."""
        answer = await self.api.read(
            "private/get_subaccount", {"subaccount_id": self.config.subaccount_id}
        )
        if not isinstance(answer, dict):
            raise EdgeError(DERIVE, "get_subaccount: the result is no object")
        return answer

    async def own(self, watch: Watch, account: Account) -> OwnOrders:
        """Our orders and fills, of which `account` has the open orders; raises EdgeError."""
        rows = await self.rows_of(account, watch.order_ids)
        self.rows = tuple(row for row in rows if row.live)
        fills = await self._fills(watch, rows)
        told_ms = self.clock.now_ms() - (TOLD_MS if watch.fills_after is not None else 0)
        return OwnOrders(
            rows=rows,
            lookups=answers.lookups(rows, watch.nonces),
            fills=fills,
            own_trade_ids=self.own_trades,
            newest_trade_id=fill_numbers.before(self.their_clock.theirs(told_ms)),
            others=(),
            reserved_elsewhere=Reserved(),
        )

    async def rows_of(self, account: Account, order_ids: Sequence[str]) -> tuple[RestingOrder, ...]:
        """Every open order, and those asked for whatever their status; raises EdgeError."""
        found: dict[str, RestingOrder] = {}
        for entry in wire.open_orders(account):
            self._add(entry, found)
        missing = set(order_ids) - set(found)
        if missing:
            made_ms = self.their_clock.theirs(min(map(_made_ms, missing)))
            oldest_ms = made_ms - LOOK_BACK_MS
            async for entry in self._history("private/get_order_history", "orders", oldest_ms):
                self._add(entry, found)
                if not missing - set(found):
                    break
        wanted = set(order_ids)
        kept = (row for row in found.values() if row.live or row.order_id in wanted)
        return tuple(sorted(kept, key=lambda row: row.nonce))

    def _add(self, entry: object, found: dict[str, RestingOrder]) -> None:
        row = self.note(entry)
        if row is not None:
            found.setdefault(row.order_id, row)

    async def _fills(self, watch: Watch, rows: tuple[RestingOrder, ...]) -> tuple[Fill, ...]:
        if watch.fills_after is None:
            return ()
        since_ms = fill_numbers.time_ms(watch.fills_after) - LOOK_BACK_MS
        found: dict[int, Fill] = {}
        failed: list[str] = []
        async for entry in self._history("private/get_trade_history", "trades", since_ms):
            fill = wire.fill(entry, self.market(), self.their_clock)
            if fill is not None:
                found[fill.trade_id] = fill
            failed.extend(wire.unsettled(entry))
        self.note_unsettled(failed)
        fills = answers.completing(found.values(), rows)
        self.own_trades = answers.own_trades(self.own_trades, fills, self.public())
        return tuple(fill for fill in fills if fill.trade_id > watch.fills_after)

    async def _history(self, method: str, name: str, since_ms: int) -> AsyncIterator[object]:
        """Every entry since then, newest first, page by page."""
        for page in range(1, PAGES + 1):
            answer = await self.api.read(
                method,
                {
                    "subaccount_id": self.config.subaccount_id,
                    "instrument_name": self.config.market_symbol,
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


def _made_ms(order_id: str) -> int:
    """When an order of ours was made: its nonce is the time in nanoseconds."""
    parts = OrderId.parse(order_id)
    return 0 if parts is None else parts.nonce // 1_000_000

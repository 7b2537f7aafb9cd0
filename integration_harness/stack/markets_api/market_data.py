"""The public reads: markets, books, trades and single orders.

1. Only `active` orders are listed; `matching` ones are live but out of sight.
2. Listing a book is what turns the market's overdue orders `expired`; nothing else does.
3. Spot is listed engine-side: an engine bid is a human ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from integration_harness.stack.instruments import Instrument, MarketList, presentation
from integration_harness.stack.markets_api.database import Database, Row
from integration_harness.stack.markets_api.errors import RefusedError
from integration_harness.stack.markets_api.rendering import (
    ORDER_COLUMNS,
    TRADE_COLUMNS,
    render_sides,
    render_trade,
    timestamp,
)
from integration_harness.stack.settings import Clock

Json = dict[str, Any]
_BOOK_DEPTH: Final = 25
_OVERDUE: Final = 1_000
"""So many become `expired` with one listing."""
_DEFAULT_TRADES: Final = 50
_MOST_TRADES: Final = 100

_MARKET = "asset_address = %(asset)s AND sub_id = %(sub_id)s"
_SIDE = f"""
    (SELECT {ORDER_COLUMNS} FROM active_orders
    WHERE {_MARKET} AND side = '{{side}}' AND status = 'active' AND expiry > %(now)s
    ORDER BY limit_price_ticks::numeric {{direction}}, created_at, order_id LIMIT {_BOOK_DEPTH})
"""
_LAST_TRADE = f"""
    (SELECT extract(epoch FROM created_at)::bigint FROM trade_fills
    WHERE {_MARKET} ORDER BY trade_id DESC LIMIT 1)
"""
# The overdue orders are taken out of the listing by their expiry, because a statement does not
# see what its own WITH clause changes. They are found in their order, so that whoever plans this
# without knowing the time takes an index by expiry where there is one; what is beyond these waits.
_BOOK = f"""
    WITH overdue AS (
        UPDATE active_orders SET status = 'expired'
        WHERE status = 'active' AND order_id IN (
            SELECT order_id FROM active_orders
            WHERE {_MARKET} AND status = 'active' AND expiry <= %(now)s
            ORDER BY expiry LIMIT {_OVERDUE}))
    SELECT {_LAST_TRADE}, book.* FROM (SELECT 1) AS one LEFT JOIN (
        {_SIDE.format(side="buy", direction="DESC")}
        UNION ALL
        {_SIDE.format(side="sell", direction="ASC")}
    ) AS book ON true
"""
_TRADES = f"""
    WITH day AS (
        SELECT trade_id, price::numeric AS price, size::numeric AS size FROM trade_fills
        WHERE {_MARKET} AND created_at > now() - interval '24 hours'),
    ends AS (
        SELECT (SELECT price FROM day ORDER BY trade_id LIMIT 1) AS first,
               (SELECT price FROM day ORDER BY trade_id DESC LIMIT 1) AS last)
    SELECT {_LAST_TRADE}, (last - first)::text, (SELECT max(price)::text FROM day), last::text,
           (SELECT min(price)::text FROM day), (SELECT sum(size)::text FROM day), page.*
    FROM ends LEFT JOIN (
        SELECT {TRADE_COLUMNS} FROM trade_fills
        WHERE {_MARKET} AND (%(before)s::bigint IS NULL OR trade_id < %(before)s::bigint)
        ORDER BY trade_id DESC LIMIT %(limit)s
    ) AS page ON true
    ORDER BY page.trade_id DESC
"""
_DAY: Final = ("change", "high", "last", "low", "volume")
_COUNTS = f"""
    SELECT (SELECT count(*) FROM active_orders
            WHERE {_MARKET} AND side = 'buy' AND status IN ('active', 'matching')),
           (SELECT count(*) FROM active_orders
            WHERE {_MARKET} AND side = 'sell' AND status IN ('active', 'matching')),
           (SELECT count(*) FROM trade_fills WHERE {_MARKET}), {_LAST_TRADE}
"""
_STATUS = """
    SELECT order_id, status, filled_amount,
           (desired_amount::numeric - filled_amount::numeric)::text, cancel_reason, created_at
    FROM active_orders WHERE order_id = %(order_id)s
"""


class MarketData:
    """Answers as JSON values; raises RefusedError where the exchange refuses."""

    def __init__(self, database: Database, markets: MarketList, clock: Clock) -> None:
        self._database = database
        self._markets = markets
        self._clock = clock

    async def markets(self) -> list[Json]:
        """Every enabled market, by symbol."""
        return [
            presentation(instrument, (await self._counts(instrument))[3])
            for instrument in self._markets.listed
        ]

    async def debug_markets(self) -> list[Json]:
        """The operators' view of the same list."""
        answer = []
        for instrument in self._markets.listed:
            bids, asks, trades, last_trade = await self._counts(instrument)
            shown = presentation(instrument, last_trade)
            fields = ("market", "asset_address", "sub_id", "contract_type", "settlement_type")
            answer.append(
                {
                    **{field: shown[field] for field in fields},
                    "loaded_in_matcher": True,
                    "open_bid_count": bids,
                    "open_ask_count": asks,
                    "trade_count": trades,
                    "last_trade_timestamp": last_trade,
                }
            )
        return answer

    async def book(self, query: Mapping[str, str]) -> Json:
        """The best orders of the market the query names."""
        return await self.book_of(self._market(query))

    async def book_of(self, instrument: Instrument) -> Json:
        """The best orders of a market, engine-side."""
        rows = await self._database.fetch(
            _BOOK, {**_market_parameters(instrument), "now": self._clock.now_seconds()}
        )
        orders = [row[1:] for row in rows if row[1] is not None]
        return {
            "market_presentation": presentation(instrument, rows[0][0]),
            **render_sides(orders, instrument),
        }

    async def trades(self, query: Mapping[str, str]) -> Json:
        """A page of fills of the market the query names, newest first."""
        limit = _positive(query.get("limit", ""), _MOST_TRADES)
        if limit is None:
            raise RefusedError(400, f"limit must be between 1 and {_MOST_TRADES}")
        before = _positive(query.get("before_trade_id", ""), 2**63 - 1)
        if before is None:
            raise RefusedError(400, "before_trade_id must be a positive integer")
        return await self.trades_of(self._market(query), limit or _DEFAULT_TRADES, before or None)

    async def trades_of(
        self, instrument: Instrument, limit: int = _DEFAULT_TRADES, before: int | None = None
    ) -> Json:
        """A page of fills of a market with the statistics of its day."""
        rows = await self._database.fetch(
            _TRADES, {**_market_parameters(instrument), "limit": limit, "before": before}
        )
        last_trade, *day = rows[0][: 1 + len(_DAY)]
        page = [row[1 + len(_DAY) :] for row in rows if row[1 + len(_DAY)] is not None]
        answer: Json = {
            "market_presentation": presentation(instrument, last_trade),
            "stats_24h": dict(zip(_DAY, day, strict=True)) if day[2] is not None else {},
            "trades": [render_trade(row, instrument) for row in page],
        }
        if len(page) == limit:
            answer["next_before_trade_id"] = page[-1][0]
        return answer

    async def order_status(self, order_id: str) -> Json:
        """One order by the exact text of its id; `updated_at` is really its creation."""
        rows = await self._database.fetch(_STATUS, {"order_id": order_id})
        if not rows:
            raise RefusedError(404, "order not found")
        names = (
            "order_id",
            "status",
            "filled_amount",
            "remaining_amount",
            "cancel_reason",
        )
        return {**dict(zip(names, rows[0][:5], strict=True)), "updated_at": timestamp(rows[0][5])}

    def _market(self, query: Mapping[str, str]) -> Instrument:
        found = self._markets.by_query(
            query.get("symbol", ""), query.get("asset_address", ""), query.get("sub_id", "")
        )
        if found is None:
            raise RefusedError(400, "unknown market")
        return found

    async def _counts(self, instrument: Instrument) -> Row:
        return (await self._database.fetch(_COUNTS, _market_parameters(instrument)))[0]


def _market_parameters(instrument: Instrument) -> Json:
    return {"asset": instrument.asset_address, "sub_id": instrument.sub_id}


def _positive(text: str, most: int) -> int | None:
    """A positive number; 0 where nothing was given, None where nonsense was."""
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal()) or len(text) > 19:
        return None
    value = int(text)
    return value if 1 <= value <= most else None

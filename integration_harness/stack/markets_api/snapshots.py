"""What a WebSocket subscription starts from: a channel's state and the event it is as of.

State, number and the numbers of the latest events the state contains come from one view of the
database: what is committed later may have a lower number. Applying every event it does not contain
to the state, once, gives the state at any later time. For that the book here holds all open orders,
the `matching` ones too, while `GET /v1/book` lists the best active ones.
"""

from __future__ import annotations

from typing import Any, Final

from integration_harness.stack.instruments import Instrument, presentation
from integration_harness.stack.markets_api.database import Database, fetch
from integration_harness.stack.markets_api.rendering import (
    ORDER_COLUMNS,
    TRADE_COLUMNS,
    render_order,
    render_sides,
    render_trade,
)

_MOST_ORDERS: Final = 5000
_MOST_TRADES: Final = 50
_CONTAINED: Final = "SELECT seq FROM market_events ORDER BY seq DESC LIMIT 10000"
_OPEN: Final = f"""
    SELECT {ORDER_COLUMNS} FROM active_orders
    WHERE asset_address = %(asset)s AND sub_id = %(sub_id)s AND status IN ('active', 'matching')
    AND (%(owner)s::text IS NULL OR owner_address = %(owner)s)
    ORDER BY CASE side WHEN 'buy' THEN -limit_price_ticks::numeric
             ELSE limit_price_ticks::numeric END, created_at, order_id LIMIT {_MOST_ORDERS}
"""
_TRADES: Final = f"""
    SELECT {TRADE_COLUMNS} FROM trade_fills
    WHERE asset_address = %(asset)s AND sub_id = %(sub_id)s
    ORDER BY trade_id DESC LIMIT {_MOST_TRADES}
"""


async def snapshot(
    database: Database, instrument: Instrument, channel: str, owner: str | None
) -> tuple[frozenset[int], Any]:
    """The events it contains, as far as they may still come, and the state after them.

    `owner` is for `orders` only. A trades snapshot is a plain list (measured).
    """
    parameters = {
        "asset": instrument.asset_address,
        "sub_id": instrument.sub_id,
        "owner": owner,
    }
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        seen = frozenset(row[0] for row in await fetch(connection, _CONTAINED, {}))
        statement = _TRADES if channel == "trades" else _OPEN
        rows = await fetch(connection, statement, parameters)
    if channel == "trades":
        return seen, [render_trade(row, instrument) for row in rows]
    if channel == "orders":
        return seen, {"orders": [render_order(row, instrument) for row in rows]}
    shown = presentation(instrument, None)
    return seen, {"market_presentation": shown, **render_sides(rows, instrument)}

"""`fills`: the last fills of our orders in this market, newest first, as the exchange has them.

It is asked for fills after a number; numbers are shared by all markets, or are times, so the
look back widens until enough of ours are found or there are no older ones. Then the orders of those
fills are asked for: whether a fill completed its order is told only where its order is shown.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from mm_bot.cli.call import Call
from mm_bot.cli.orders import ALL_LIVE, STYLES
from mm_bot.cli.reach import asked, commanding
from mm_bot.core.orders import OrderId
from mm_bot.core.snapshot import Fill, OwnOrders
from mm_bot.errors import EdgeError, SettingsError
from mm_bot.settings import Settings
from mm_bot.venues.answers import completing
from mm_bot.venues.base import LiveVenue

_FIRST_LOOK_BACK = 1_000
_FIRST_PART = 10**8
"""Or this part of all numbers there are, where numbers are times."""
_MOST = 10_000


def run(call: Call) -> int:
    wanted = int(call.number("last"))
    if not 1 <= wanted <= _MOST:
        raise SettingsError([f"--last {wanted}: give a number between 1 and {_MOST}"])
    settings = call.settings()
    told = [_entry(fill, known) for fill, known in asyncio.run(_told(settings, wanted))]
    output = call.output
    if output.as_json:
        output.json({"market": settings.market_symbol, "fills": told})
        return 0
    output.line(f"{settings.market_symbol}, subaccount {settings.subaccount_id}", "bold")
    if not told:
        output.line("no fill of ours")
        return 0
    keys = ("at", "trade_id", "side", "price", "size", "notional_cngn", "role", "completes_order")
    head = ("time (UTC)", "trade", "side", "price", "size", "worth", "role", "completes", "order")
    output.table(
        head,
        ([*(each[key] for key in keys), each["order_id"]] for each in told),
        styles=STYLES,
        right=("price", "size", "worth"),
    )
    return 0


async def _told(settings: Settings, wanted: int) -> list[tuple[Fill, bool]]:
    """The newest fills, newest first, each with whether its order is shown."""
    async with commanding(settings) as venue:
        await venue.connect()
        found = await _fills(venue, wanted)
        ids = (fill.order_id for fill in found if OrderId.parse(fill.order_id) is not None)
        asking = replace(ALL_LIVE, order_ids=tuple(dict.fromkeys(ids)))
        try:
            rows = (await venue.own_orders(asking)).rows
        except EdgeError:  # so many that they are not all shown: the fills are told all the same
            rows = ()
        shown = {row.order_id for row in rows}
        return [(fill, fill.order_id in shown) for fill in completing(found, rows)[::-1]]


async def _fills(venue: LiveVenue, wanted: int) -> list[Fill]:
    """The newest, oldest of them first."""

    async def after(trade_id: int | None) -> OwnOrders:
        return await asked(venue.own_orders(replace(ALL_LIVE, fills_after=trade_id)))

    newest = (await after(None)).newest_trade_id or 0
    back = max(_FIRST_LOOK_BACK, wanted, newest // _FIRST_PART)
    while True:
        cursor = max(0, newest - back)
        start, found = cursor, list[Fill]()
        while page := (await after(cursor)).fills:
            found = [*found, *page][-wanted:]
            cursor = page[-1].trade_id
        if len(found) >= wanted or start == 0:
            return found
        back *= 10


def _entry(fill: Fill, order_is_shown: bool) -> dict[str, object]:
    at = datetime.fromtimestamp(fill.at_ms / 1000, UTC)
    return {
        "at": at.strftime("%Y-%m-%d %H:%M:%S"),
        "at_ms": fill.at_ms,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "side": fill.side.value,
        "price": str(fill.price),
        "size": str(fill.size),
        "notional_cngn": str(fill.notional),
        "role": "maker" if fill.is_maker else "taker",
        "completes_order": fill.completes_order if order_is_shown else None,
    }

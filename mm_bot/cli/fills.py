"""`fills`: the last fills of our orders in this market, newest first, as the exchange has them.

It is asked for fills after a trade id; trade ids are shared by all markets, so the
look back widens until enough of ours are found or there are no older ones.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from mm_bot.cli.call import Call
from mm_bot.cli.orders import ALL_LIVE, STYLES
from mm_bot.cli.reach import asked, commanding
from mm_bot.core.snapshot import Fill, OwnOrders
from mm_bot.errors import SettingsError
from mm_bot.settings import Settings

_FIRST_LOOK_BACK = 1_000
_MOST = 10_000


def run(call: Call) -> int:
    wanted = int(call.number("last"))
    if not 1 <= wanted <= _MOST:
        raise SettingsError([f"--last {wanted}: give a number between 1 and {_MOST}"])
    settings = call.settings()
    told = [_entry(fill) for fill in asyncio.run(_fills(settings, wanted))]
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


async def _fills(settings: Settings, wanted: int) -> list[Fill]:
    async with commanding(settings) as venue:
        await venue.connect()

        async def after(trade_id: int | None) -> OwnOrders:
            questions = replace(ALL_LIVE, fills_after=trade_id)
            return await asked(venue.own_orders(questions))

        newest = (await after(None)).newest_trade_id or 0
        back, found = max(_FIRST_LOOK_BACK, wanted), list[Fill]()
        while True:
            cursor = max(0, newest - back)
            start, found = cursor, []
            while page := (await after(cursor)).fills:
                found = [*found, *page][-wanted:]
                cursor = page[-1].trade_id
            if len(found) >= wanted or start == 0:
                return found[::-1]
            back *= 10


def _entry(fill: Fill) -> dict[str, object]:
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
        "completes_order": fill.completes_order,
    }

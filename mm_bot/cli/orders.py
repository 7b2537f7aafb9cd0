"""`orders`: our live orders in this market as the exchange has them, and whose each is."""

from __future__ import annotations

import asyncio

from mm_bot.cli.call import Call
from mm_bot.cli.reach import asked, commanding, now_ms
from mm_bot.core.commands import Watch
from mm_bot.core.orders import Ownership, RestingOrder
from mm_bot.settings import Settings

TREATMENT = {
    Ownership.MANAGED: "ours to replace and cancel",
    Ownership.PROTECTED: "never touched",
    Ownership.AMBIGUOUS: "cancelled at start-up only: no id of the bot's",
    Ownership.MALFORMED: "cancelled at start-up only: its id contradicts its row",
    Ownership.WRONG_MARKET: "cancelled at start-up only: its id names another market",
}
STYLES = {"buy": "good", "sell": "warn"}
ALL_LIVE = Watch(order_ids=(), nonces=(), fills_after=None, include_unexpired=False)


def run(call: Call) -> int:
    settings = call.settings()
    rows = asyncio.run(_rows(settings))
    told = [_entry(row, now_ms()) for row in rows]
    output = call.output
    if output.as_json:
        output.json({"market": settings.market_symbol, "orders": told})
        return 0
    output.line(f"{settings.market_symbol}, subaccount {settings.subaccount_id}", "bold")
    if not told:
        output.line("no live order of ours")
        return 0
    head = ("side", "price", "left", "of", "status", "age s", "expires s", "owner", "order")
    keys = ("side", "price", "size", "original_size", "status", "age_s", "expires_in_s")
    output.table(
        head,
        ([*(each[key] for key in keys), each["ownership"], each["order_id"]] for each in told),
        styles=STYLES,
        right=("price", "left", "of", "age s", "expires s"),
    )
    for ownership in sorted({row.ownership for row in rows}, key=lambda each: each.value):
        output.line(f"{ownership.value}: {TREATMENT[ownership]}", "dim")
    return 0


async def _rows(settings: Settings) -> tuple[RestingOrder, ...]:
    async with commanding(settings) as venue:
        await venue.connect()
        read = await asked(venue.own_orders(ALL_LIVE))
        live = [row for row in read.rows if row.live]
        return tuple(sorted(live, key=lambda row: (-row.price.value, row.nonce)))


def _entry(row: RestingOrder, at_ms: int) -> dict[str, object]:
    return {
        "order_id": row.order_id,
        "side": row.side.value,
        "price": str(row.price),
        "size": str(row.size),
        "original_size": str(row.original_size),
        "notional_cngn": str(row.notional),
        "status": row.status.value,
        "ownership": row.ownership.value,
        "treatment": TREATMENT[row.ownership],
        "nonce": str(row.nonce),
        "age_s": max(0, at_ms - row.created_ms) // 1000,
        "expires_in_s": (row.expiry_ms - at_ms) // 1000,
    }

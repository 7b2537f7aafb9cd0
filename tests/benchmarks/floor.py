"""What the exchange alone takes of a requote: the requests of such a cycle and nothing else.

The reads at once, then both cancels at once, then both places at once, which were made and signed
before. Nothing is decided, remembered or written, so that a cycle cannot be shorter than this while
a place waits for the cancel of what it replaces.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle, islice

from mm_bot.core.commands import PreparedOrder, Verdict, Watch
from mm_bot.core.instrument import Side
from mm_bot.venues.numo.exchange import NumoVenue
from tests.venues.desk import new_order

PRICES = (("1590", "1610"), ("1591", "1611"))
SIZE = "100"
_AGAIN_S = 0.005
_NOTHING_ELSE = Watch(order_ids=(), nonces=(), fills_after=2**62, include_unexpired=False)
"""Our live orders, balances, book and trades; no fill has such a number."""


async def requests_alone(venue: NumoVenue, turns: int) -> list[float]:
    """Milliseconds of each turn in which the matcher held none of the orders."""
    resting = _made(venue, PRICES[0])
    await _placed(venue, resting)
    took = []
    for prices in islice(cycle(reversed(PRICES)), turns):
        following = _made(venue, prices)
        begin = time.perf_counter()
        await venue.observe(_NOTHING_ELSE)
        if await _cancelled(venue, resting):
            await _placed(venue, following)
            took.append((time.perf_counter() - begin) * 1000)
        else:
            await _gone(venue, resting)
            await _placed(venue, following)
        resting = following
    await _gone(venue, resting)
    return took


def _made(venue: NumoVenue, prices: tuple[str, str]) -> tuple[PreparedOrder, ...]:
    sides = zip((Side.BUY, Side.SELL), prices, strict=True)
    return tuple(
        venue.prepare(new_order(venue.instrument, side, price, SIZE)) for side, price in sides
    )


async def _placed(venue: NumoVenue, orders: Sequence[PreparedOrder]) -> None:
    outcomes = await asyncio.gather(*(venue.place(order, lambda: True) for order in orders))
    assert all(each.verdict is Verdict.ACCEPTED for each in outcomes), outcomes


async def _cancelled(venue: NumoVenue, orders: Sequence[PreparedOrder]) -> bool:
    """Whether all were at once."""
    cancels = (venue.cancel(each.order.order_id, each.order.nonce, "bench") for each in orders)
    outcomes = await asyncio.gather(*cancels)
    return all(each.verdict is Verdict.ACCEPTED for each in outcomes)


async def _gone(venue: NumoVenue, orders: Sequence[PreparedOrder]) -> None:
    """However long the matcher holds them."""
    ours = {each.order.order_id for each in orders}
    while live := [
        row for row in (await venue.own_orders(_NOTHING_ELSE)).rows if row.order_id in ours
    ]:
        for row in live:
            await venue.cancel(row.order_id, row.nonce, "bench")
        await asyncio.sleep(_AGAIN_S)

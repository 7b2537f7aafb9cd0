"""What the strategy's features cost: one decision with every one on beside one with all off.

No exchange is needed. A world is lived through first, with a price that moves each second and fills
on both sides, so that every window and every ring holds what it holds in a busy market.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial

from mm_bot.core.decide import decide
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.orders import RestingOrder
from mm_bot.core.policy import Policy
from mm_bot.core.remember import Report, remember
from mm_bot.core.snapshot import Snapshot
from mm_bot.strategies import founding
from tests.core.builders import (
    NOW_MS,
    POLICY,
    SPOT,
    anchor,
    balances,
    book,
    fill,
    observation,
    open_order,
    others,
    own_orders,
    row,
    running,
    snapshot,
)

LIVED_S = 700
"""Longer than the longest window there is."""
EVERY = {
    "MM_VOLATILITY_SPREAD_MULT": "1",
    "MM_SHOCK_BPS": "2000",
    "MM_MARKOUTS": "true",
    "MM_RUN_ORDERS": "50",
    "MM_SURGE_FACTOR": "100",
    "MM_TOXIC_MARKOUT_BPS": "1000",
    "MM_HARD_LONG_INVENTORY": "200000",
    "MM_FORCED_REDUCTION": "true",
    "MM_MAX_DAILY_LOSS": "100000000",
    "MM_TARGET_INVENTORY": "10000",
    "MM_SIZE_SKEW": "true",
    "MM_SIZE_SKEW_RANGE_MULT": "1000",
    "MM_LEVEL_SIZE_USD": "100",
    "MM_PENNY_JUMP": "true",
    "MM_PRICE_CEILING": "2000",
    "MM_PRICE_FLOOR": "1000",
    "MM_MICRO_PRICE_MAX_SHIFT_BPS": "2",
    "MM_HANGING_ORDERS": "true",
    "MM_PNL_ATTRIBUTION": "true",
}
LEVELS, OTHERS = 3, 10


def lived(policy: Policy) -> tuple[Snapshot, Memory]:
    """The last of those seconds, with what is wanted then at rest, and what is remembered."""
    strategy, memory = founding(policy), running()
    for second in range(LIVED_S):
        decision = decide(_world(second), memory, policy, SPOT, strategy)
        memory = remember(memory, decision, Report(), dry_run=False)
    ladder = decide(_world(LIVED_S), memory, policy, SPOT, strategy).ladder
    wanted = (*ladder.bids, *ladder.asks)
    terms = [(w.side, str(w.price), str(w.size), n) for n, w in enumerate(wanted, start=1)]
    made_ms = NOW_MS + LIVED_S * 1_000
    orders = tuple(
        open_order(side, at, size, nonce=n, created_ms=made_ms) for side, at, size, n in terms
    )
    rows = [row(side, at, size, nonce=n, created_ms=made_ms) for side, at, size, n in terms]
    return _world(LIVED_S, *rows), replace(memory, open_orders=orders)


def every_feature() -> tuple[Callable[[], object], Callable[[], object]]:
    """One decision with every feature on, and with all off."""
    off = replace(POLICY, quote=replace(POLICY.quote, levels=LEVELS, level_step_bps=Decimal(10)))

    def work(policy: Policy) -> Callable[[], object]:
        world, memory = lived(policy)
        return partial(decide, world, memory, policy, SPOT, founding(policy))

    return work(replace(off, options=EVERY)), work(off)


def _world(second: int, *rows: RestingOrder) -> Snapshot:
    """The price swings by a few basis points, and every other second somebody trades with us."""
    now_ms = NOW_MS + second * 1_000
    price = Decimal(1600) + Decimal(second % 7) / 10
    side = Side.BUY if second % 4 else Side.SELL
    sold = replace(fill(2_000 + second, side, str(price), "1"), at_ms=now_ms)
    fills = (sold,) if second % 2 else ()
    orders = own_orders(*rows, fills=fills, newest_trade_id=2_000 + second)
    around = [
        others(side, str(1600 + side.opposite.sign * (5 + i)), "500")
        for side in Side
        for i in range(OTHERS)
    ]
    ours = [others(r.side, str(r.price), str(r.size), order_id=r.order_id, ours=True) for r in rows]
    held = balances("10000", "16000000", block_ms=now_ms)
    venue = observation(orders, at_ms=now_ms, shown=book(*around, *ours), holdings=held)
    return snapshot(venue=venue, now_ms=now_ms, quote=anchor(str(price), as_of_ms=now_ms))

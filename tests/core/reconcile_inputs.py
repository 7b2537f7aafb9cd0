"""Desks to reconcile at: up to three levels a side around 1600, and the orders that fit them."""

from __future__ import annotations

from mm_bot.core.instrument import Side
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.orders import RestingOrder
from mm_bot.core.plan import Plan, ReconcileInput
from mm_bot.core.quoting import Ladder
from tests.core.builders import NOW_MS, SPOT, level, open_order

BIDS = ("1596", "1592.8", "1589.6")
ASKS = ("1604", "1607.2", "1610.4")


def ladder_of(levels: int = 1) -> Ladder:
    """The wanted ladder with so many levels a side."""
    return Ladder(
        bids=tuple(level(Side.BUY, p, index=i) for i, p in enumerate(BIDS[:levels])),
        asks=tuple(level(Side.SELL, p, index=i) for i, p in enumerate(ASKS[:levels])),
    )


def desk_of(
    *known: OpenOrder,
    ladder: Ladder | None = None,
    startup: bool = False,
    unmanaged: tuple[RestingOrder, ...] = (),
    now_ms: int = NOW_MS,
) -> ReconcileInput:
    """What is given in steady state, without guards in the way, unless told otherwise."""
    wanted = ladder or ladder_of()
    return ReconcileInput(
        now_ms=now_ms,
        market=SPOT,
        startup=startup,
        levels=max(len(wanted.bids), len(wanted.asks)),
        ladder=wanted,
        open_orders=known,
        unmanaged=unmanaged,
        last_replace_ms={},
        refused_until_ms={},
    )


def resting(levels: int) -> list[OpenOrder]:
    """Orders that hold every slot of that ladder."""
    both = ((Side.BUY, BIDS), (Side.SELL, ASKS))
    return [
        open_order(side, price, nonce=10 * i + side.sign + 2)
        for side, prices in both
        for i, price in enumerate(prices[:levels])
    ]


def reasons(made: Plan) -> list[str]:
    """Why each cancel of a plan is sent, sorted."""
    return sorted(cancel.reason for cancel in made.cancels)


BID, ASK = resting(1)

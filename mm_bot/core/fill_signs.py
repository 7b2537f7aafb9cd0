"""Other signs of fills than the rows of `trade_fills`, for comparison only.

The founding hierarchy of fill detection is order state, trade stream, inventory. Since rows of
`trade_fills` tell every fill exactly, these are diagnostics: counted apart, never added to a fill
counter. Order rows and fills are read in one statement, so what an order lost between two reads
must be what its new fills say; where it is not, `disagreements` names the order.
"""

from __future__ import annotations

from collections import Counter

from mm_bot.core.decide import Decision
from mm_bot.core.exact import NO_AMOUNT, Amount
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.ledger import Ending, Stage
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderId

Signs = Counter[tuple[str, Side]]
"""(step of the hierarchy, our side) to how often it was seen."""


def signs(before: Memory, decision: Decision, market: Instrument, newest_trade: int) -> Signs:
    """What each lower step saw in this cycle. `newest_trade` is the newest trade id of the last
    one, and trades up to it are old; in a first cycle it is negative, and every trade is old."""
    found: Signs = Counter()
    for order_id in _shrunk(before, decision, market):
        parts = OrderId.parse(order_id)
        if parts is not None:
            found["order_state", parts.side] += 1
    for trade in decision.snapshot.venue.trades.value or ():
        parties = (trade.maker_order_id, trade.taker_order_id)
        for parts in map(OrderId.parse, parties if 0 <= newest_trade < trade.trade_id else ()):
            if parts is not None and parts.market == market.symbol:
                found["trade_stream", parts.side] += 1
    balances = decision.snapshot.venue.balances.value
    if balances is not None and before.inventory is not None:
        if balances.base > before.inventory:
            found["inventory_delta", Side.BUY] += 1
        elif balances.base < before.inventory:
            found["inventory_delta", Side.SELL] += 1
    return found


def disagreements(before: Memory, decision: Decision, market: Instrument) -> tuple[str, ...]:
    """Orders whose rows lost another amount than their new fills say, with both numbers; none where
    the exchange does not tell the two at one moment."""
    if not market.capabilities.fills_with_orders:
        return ()
    by_fills: dict[str, Amount] = {}
    for fill in decision.new_fills:
        worth = market.counted(fill.size, fill.notional)
        by_fills[fill.order_id] = by_fills.get(fill.order_id, NO_AMOUNT) + worth
    found = []
    for order_id, lost in _shrunk(before, decision, market).items():
        told = by_fills.get(order_id, NO_AMOUNT)
        if lost != told:
            found.append(f"{order_id}: its row lost {lost}, its fills say {told}")
    return tuple(found)


def _shrunk(before: Memory, decision: Decision, market: Instrument) -> dict[str, Amount]:
    """What each order read as live before has lost since, as `Instrument.counted`."""
    left = {c.order_id: market.counted(c.size, c.notional) for c in decision.tracked.open_orders}
    left |= {
        e.order.order_id: NO_AMOUNT for e in decision.tracked.ended if e.ending is Ending.FILLED
    }
    found = {}
    for c in before.open_orders:
        had = market.counted(c.size, c.notional)
        if c.stage is Stage.LIVE and c.order_id in left and left[c.order_id] < had:
            found[c.order_id] = had - left[c.order_id]
    return found

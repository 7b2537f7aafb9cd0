"""The last hour, for the pictures of the page: prices, quotes, inventory every ten seconds, and the
fills. Bounded; exact numbers stay text until the browser draws them."""

from __future__ import annotations

from collections import deque

from mm_bot.core.exact import plain
from mm_bot.core.instrument import Side
from mm_bot.observe.view import NotedFill, View, shown

SPAN_MS = 3_600_000
EVERY_MS = 10_000
FILLS_KEPT = 1_000

Point = dict[str, object]


class History:
    """Of one process; what was before it is not known."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque(maxlen=SPAN_MS // EVERY_MS)
        self._fills: deque[NotedFill] = deque(maxlen=FILLS_KEPT)
        self._last: View | None = None
        self._next_ms = float("-inf")

    def take(self, view: View) -> None:
        """A cycle has ended. Costs next to nothing but every ten seconds."""
        self._last = view
        self._fills.extend(view.new_fills)
        if view.ended_ms >= self._next_ms:
            self._next_ms = view.ended_ms + EVERY_MS
            self._points.append(_point(view))

    def shown(self) -> dict[str, object]:
        """As JSON values, oldest first; the last point is as of the last cycle."""
        last = self._last
        if last is None:
            return {"points": [], "fills": [], "limits": None}
        since_ms = last.at_ms - SPAN_MS
        risk = last.decision.policy.risk
        return {
            "points": [*self._points, _point(last)],
            "fills": [
                {
                    "at_ms": each.fill.at_ms,
                    "side": each.fill.side.value,
                    "price": str(each.fill.price),
                    "size": str(each.fill.size),
                }
                for each in self._fills
                if each.fill.at_ms >= since_ms
            ],
            "limits": {"long": plain(risk.max_long.value), "short": plain(risk.max_short.value)},
        }


def _point(view: View) -> Point:
    best = {side: order.price for side, order in view.best.items()}
    return {
        "at_ms": view.at_ms,
        "reference": shown(view.decision.reference.price),
        "bid": shown(best.get(Side.BUY)),
        "ask": shown(best.get(Side.SELL)),
        "inventory": shown(view.memory.inventory),
    }

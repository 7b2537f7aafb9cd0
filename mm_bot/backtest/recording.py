"""A market as it is read from somebody's record: rows in the order of our time, and the book that
they come to. What cannot be is refused with a ValueError that says why.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Final

from mm_bot.backtest.arrays import (
    AT_EXCHANGE,
    AT_US,
    BUY,
    DEPTH,
    EVENT,
    SEEN,
    SELL,
    TRADE,
    Array,
    np,
)
from mm_bot.backtest.tape import NS_A_SECOND, OFF_GRID, Market
from mm_bot.core.instrument import Side

Levels = Iterable[tuple[float, float]]
"""(price, quantity)."""
At = tuple[int, int]
"""(exchange ns, our ns), unix."""

_FLAG: Final = {Side.BUY: BUY, Side.SELL: SELL}
_APART_NS: Final = 86_400 * NS_A_SECOND
"""Two clocks of one event that differ by more are not of one unit."""


class Recording:
    """Rows as they come. `gaps` counts the places where the source's own numbers say that something
    is missing."""

    def __init__(self, market: Market) -> None:
        self.book: dict[Side, dict[float, float]] = {Side.BUY: {}, Side.SELL: {}}
        self.gaps = 0
        self._tick = float(market.tick)
        self._tick_told = market.tick
        self._name = ""
        self._kinds, self._exchange_ns, self._local_ns = array("Q"), array("q"), array("q")
        self._prices, self._quantities = array("d"), array("d")

    def __len__(self) -> int:
        return len(self._kinds)

    @property
    def begins_ns(self) -> int | None:
        """The exchange's time of the first book."""
        return self._exchange_ns[0] if self._exchange_ns else None

    def of(self, name: object) -> None:
        """What comes next is of the market of that name; empty where the source does not say."""
        told = str(name)
        self._name = self._name or told
        if told and told != self._name:
            raise ValueError(
                f"it is of {told}, what came before of {self._name}: a tape is of one market, give "
                "the lines of one"
            )

    def level(self, side: Side, price: float, quantity: float, at: At) -> None:
        """A level is now that large; 0 is gone."""
        known = self.book[side]
        if known.get(price, 0.0) == quantity:
            return
        self._row(DEPTH | _FLAG[side], price, quantity, at)
        if quantity:
            known[price] = quantity
        else:
            del known[price]

    def whole(self, sides: Mapping[Side, Levels], at: At) -> None:
        """The book is now this and nothing else; what left it goes first."""
        now = {side: dict(levels) for side, levels in sides.items()}
        for side, levels in now.items():
            for price in [price for price in self.book[side] if price not in levels]:
                self.level(side, price, 0.0, at)
        for side, levels in now.items():
            for price, quantity in levels.items():
                self.level(side, price, quantity, at)

    def trade(self, taker: Side, price: float, quantity: float, at: At) -> None:
        """A print; those before the first book are left out."""
        if len(self):
            self._row(TRADE | _FLAG[taker], price, quantity, at)

    def taker_by_mid(self, price: float) -> Side:
        """Who took, where nobody says it."""
        bid, ask = max(self.book[Side.BUY], default=0.0), min(self.book[Side.SELL], default=price)
        return Side.BUY if 2 * price >= bid + ask else Side.SELL

    def events(self) -> Array:
        """As the engine reads them."""
        made = np.zeros(len(self), EVENT)
        columns = (
            self._kinds, self._exchange_ns, self._local_ns, self._prices, self._quantities,
        )  # fmt: skip
        for name, column in zip(("ev", "exch_ts", "local_ts", "px", "qty"), columns, strict=True):
            made[name] = column
        return in_both_orders(made)

    def _row(self, kind: int, price: float, quantity: float, at: At) -> None:
        exchange_ns, local_ns = at
        ticks = price / self._tick
        if not 0 < ticks < 2**53 or abs(ticks - round(ticks)) > OFF_GRID:
            raise ValueError(f"price {price:g} is no multiple of the tick {self._tick_told}")
        if not 0 <= quantity < 2**53:
            raise ValueError(f"quantity {quantity:g}: a size is 0 or more")
        if not 0 < local_ns < 2**63 or abs(local_ns - exchange_ns) > _APART_NS:
            raise ValueError(
                f"seen at {local_ns} ns, which is not within a day of the exchange's "
                f"{exchange_ns} ns: are the units right?"
            )
        self._kinds.append(kind)
        self._exchange_ns.append(min(exchange_ns, local_ns))
        self._local_ns.append(local_ns)
        self._prices.append(price)
        self._quantities.append(quantity)


def in_both_orders(made: Array) -> Array:
    """The engine reads one array in the exchange's order and in ours. Where the two differ a row
    stands twice, once for each."""
    by_exchange = np.argsort(made["exch_ts"], kind="stable")
    by_us = np.argsort(made["local_ts"], kind="stable")
    if (by_exchange == by_us).all():
        made["ev"] |= np.uint64(SEEN)
        return made[by_us]
    order, flags = _merged(by_exchange.tolist(), by_us.tolist(), made["exch_ts"].tolist())
    found = made[np.array(order)]
    found["ev"] |= np.array(flags, dtype=np.uint64)
    return found


def _merged(
    by_exchange: list[int], by_us: list[int], exchange_ns: list[int]
) -> tuple[list[int], list[int]]:
    """Both orders in one: a row that is next in both stands once."""
    order: list[int] = []
    flags: list[int] = []
    i = j = 0
    while i < len(by_exchange) or j < len(by_us):
        here = by_exchange[i] if i < len(by_exchange) else None
        ours = by_us[j] if j < len(by_us) else None
        if here == ours and here is not None:
            order.append(here)
            flags.append(SEEN)
            i, j = i + 1, j + 1
        elif ours is None or (here is not None and exchange_ns[here] <= exchange_ns[ours]):
            assert here is not None
            order.append(here)
            flags.append(AT_EXCHANGE)
            i += 1
        else:
            order.append(ours)
            flags.append(AT_US)
            j += 1
    return order, flags

"""What the bounds of one side leave beside the orders that take their part (`Room`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.exact import NO_SIZE, Price, Size, add, multiply_add, subtract
from mm_bot.core.instrument import Instrument, Level
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.quoting import Bound, fit


class Room:
    """What the bounds of one side leave, used up by one order after the other.

    The fast path of every ladder: it divides only where something may be cut. `fit` over bounds
    that are made anew after each order is the same, slowly.
    """

    __slots__ = ("_bounds", "_market", "_size", "_step", "_worth")

    def __init__(self, market: Instrument, bounds: tuple[Bound, ...]) -> None:
        self._market = market
        self._step = market.size_step.value
        self._bounds = bounds
        self._size = self._worth = NO_SIZE.value

    def use(self, price: Price, size: Size) -> None:
        """An order of that price and size takes its part."""
        self._size = add(self._size, size.value)
        self._worth = multiply_add(price.value, size.value, self._worth)

    def use_all(self, orders: Iterable[OpenOrder | Level]) -> None:
        """Each of them takes its part."""
        size, worth = self._size, self._worth
        for order in orders:
            each = order.size.value
            size, worth = add(size, each), multiply_add(order.price.value, each, worth)
        self._size, self._worth = size, worth

    def fit(self, price: Price, wanted: Size) -> tuple[Size, Bound | None]:
        """As `fit` over what is left."""
        if self.is_enough(price, wanted):
            return self._market.floor_size(wanted), None
        return fit(self._market, self._now(), price, wanted)

    def is_enough(self, price: Price, size: Size) -> bool:
        """Whether so much more fits every bound, with a step to spare."""
        more = add(size.value, self._step)
        return self._within(add(self._size, more), multiply_add(price.value, more, self._worth))

    def is_ample(self, prices: Iterable[Price], sizes: Iterable[Size]) -> bool:
        """Whether orders of all these prices and sizes fit together, as much to spare: then `fit`
        cuts none of them. Prices must be positive for that."""
        size, worth, dearest, step = self._size, self._worth, self._step, self._step
        for price, more in zip(prices, sizes, strict=False):
            at = price.value
            if at <= 0:
                return False
            if at > dearest:
                dearest = at
            size, worth = add(size, more.value), multiply_add(at, more.value, worth)
        return self._within(add(size, step), multiply_add(dearest, step, worth))

    @property
    def exceeded(self) -> bool:
        """Whether more was used than one of the bounds allows."""
        return not self._within(self._size, self._worth)

    def _within(self, size: Decimal, worth: Decimal) -> bool:
        return all(bound.takes(size, worth) <= bound.left for bound in self._bounds)

    def _now(self) -> Iterator[Bound]:
        for bound in self._bounds:
            yield changed(bound, left=subtract(bound.left, bound.takes(self._size, self._worth)))

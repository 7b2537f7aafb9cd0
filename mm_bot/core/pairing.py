"""Orders of one side to the slots of one side, keeping the order of prices.

Pairing by bare rank would shift every slot when the best order is filled and replace the whole
ladder for one fill. So first the order-preserving pairing with the best total fit is taken (a
longest common subsequence with weights), then what is left is paired by rank. With one order and
one slot this is the bare rank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mm_bot.core.instrument import Level
from mm_bot.core.ledger import OpenOrder

Worth = Sequence[Sequence[int]]
"""A row for each level, a column for each order: 0 where it does not fit, more the better it does.
"""


def pair(
    levels: Sequence[Level],
    orders: Sequence[OpenOrder],
    worth_of: Callable[[Sequence[Level], Sequence[OpenOrder]], Worth],
) -> tuple[dict[int, OpenOrder], list[OpenOrder]]:
    """Level index to order, and the orders that found no slot. Both inputs are best first.

    Orders of one price have no order of their own (several levels may be moved behind the same
    taker): there each goes where its size belongs.
    """
    if len({c.price.value for c in orders}) < len(orders):
        orders = sorted(orders, key=lambda c: (c.side.best_first(c.price), _nearest(levels, c)))
    worth = worth_of(levels, orders)
    fits = uncontested(worth)
    if fits is None:
        fits = by_table(worth, len(orders))
    taken = set(fits.values())
    free_levels = [i for i in range(len(levels)) if i not in fits]
    free_orders = [j for j in range(len(orders)) if j not in taken]
    fits.update(zip(free_levels, free_orders, strict=False))
    surplus = [orders[j] for j in free_orders[len(free_levels) :]]
    return {levels[i].index: orders[j] for i, j in fits.items()}, surplus


def _nearest(levels: Sequence[Level], order: OpenOrder) -> int:
    """Position of the first level of the most similar size."""
    return min(range(len(levels)), key=lambda i: abs(levels[i].size - order.size), default=0)


def uncontested(worth: Worth) -> dict[int, int] | None:
    """The fast path of `by_table`: the pairs that fit, where none of them is in another's way."""
    found = [(i, j) for i, row in enumerate(worth) if any(row) for j, fit in enumerate(row) if fit]
    columns = [j for _, j in found]
    if len(dict(found)) == len(found) and columns == sorted(set(columns)):
        return dict(found)
    return None


def by_table(worth: Worth, columns: int) -> dict[int, int]:
    """Row to column, in order, with the largest sum of `worth`."""
    nothing: tuple[int, dict[int, int]] = (0, {})
    below = [nothing] * columns + [nothing]
    for i in reversed(range(len(worth))):
        here = [nothing]  # the best of rows from i and columns from j on, and those behind
        for j in reversed(range(columns)):
            found = [here[0], below[j]]
            if worth[i][j]:
                total, pairs = below[j + 1]
                found.insert(0, (total + worth[i][j], {i: j} | pairs))
            here.insert(0, max(found, key=lambda each: each[0]))
        below = here
    return below[0][1]

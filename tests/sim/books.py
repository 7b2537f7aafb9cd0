"""The books a second time: every fill that a process could read, counted by plain fractions.

A read of the order table shows the rows committed by then, a prefix of the model's list; a row may
commit after one with a higher id.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Instrument
from tests.sim.model import Match, Model, worth

CLOSE = Fraction(1, 10**9)
"""The bot rounds the shares of a cost to 1e-18; the exact ones differ by less than this."""


Pages = tuple[tuple[int, int], ...]
"""Of a read of fills: how many matches there were when each page of it was answered, and the trade
id after which it begins."""


def _shown(matches: Sequence[Match], pages: Pages) -> Iterator[Match]:
    """What such a read has: each page ends where the next begins."""
    ends = (*(after for _, after in pages[1:]), math.inf)
    for (count, after), last in zip(pages, ends, strict=True):
        yield from (m for m in matches[:count] if after < m.trade_id <= last)


@dataclass(slots=True)
class Books:
    """What one state file's life has counted, by average cost."""

    market: Instrument
    baseline: int | None = None
    """Fills up to this trade id were made before the books began."""
    count: int = 0
    position: Fraction = Fraction(0)
    cash: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    _average: Fraction = Fraction(0)
    orders: set[str] = field(default_factory=set)
    """Those that had a fill."""
    _counted: set[int] = field(default_factory=set)
    _rows: int = 0
    """How many matches the rows of the orders have shown."""
    _cursor: int = 0
    """The bot's, after the last read."""

    def copied(self) -> Books:
        """As it is now."""
        return replace(self, orders=set(self.orders), _counted=set(self._counted))

    def follow(self, matches: Sequence[Match], pages: Pages, cursor: int) -> None:
        """Count what a read showed for the first time, in the order of the ids. One from behind the
        cursor is owed to its order by what an earlier read showed of that one's row."""
        rows = matches[: self._rows]
        new = [m for m in _shown(matches, pages) if m.own and m.trade_id not in self._counted]
        due = (m for m in new if m.trade_id > self._cursor or m in rows)
        self._rows, self._cursor = max(self._rows, pages[0][0]), cursor
        for match in sorted(due, key=lambda m: m.trade_id):
            if match.trade_id > (self.baseline or 0):
                self._counted.add(match.trade_id)
                for order_id, side in match.own:
                    size, worth = Fraction(match.size.value), Fraction(match.notional.value)
                    self._book(size * side.sign, worth / size)
                    self.orders.add(order_id)

    def missed(self, model: Model) -> Iterator[str]:
        """Fills of ours, made since the books began, that no read brought into them."""
        for match in model.matches:
            old = self.baseline is None or match.trade_id <= self.baseline
            if match.own and not old and match.trade_id not in self._counted:
                yield f"trade {match.trade_id} of {match.own[0][0]} was never counted"

    def to_take_out(self, matches: Sequence[Match]) -> Iterator[tuple[str, int]]:
        """What reverted of each order whose every match was counted, in steps. Where some were made
        before the books began, a count of the chain does not tell which of all reverted."""
        for order_id in self.orders:
            mine = [m for m in matches if order_id in dict(m.own)]
            if all(m.trade_id in self._counted for m in mine):
                yield order_id, sum(m.steps for m in mine if m.reverts)

    def _book(self, signed: Fraction, price: Fraction) -> None:
        """`price` is cNGN for one unit of size."""
        before, self.position = self.position, self.position + signed
        self.count += 1
        self.cash -= signed * price
        if before * signed >= 0:
            self._average = (before * self._average + signed * price) / self.position
            return
        closed = min(abs(before), abs(signed)) * (1 if before > 0 else -1)
        self.realised += closed * (price - self._average)
        if self.position * before <= 0:  # closed, or through zero: the rest opens at this price
            self._average = price

    def faults(self, totals: FillTotals, model: Model) -> Iterator[str]:
        """Where the bot's books are others. What reverted on chain leaves them: never more than
        that, and what stays of position and cash is exact."""
        position, cash = self.position, self.cash
        for order_id, steps in totals.reverted.items():
            row = model.rows[order_id]
            if steps > model.reverted.get(order_id, 0):
                yield f"{steps} of {order_id} taken out, {model.reverted.get(order_id, 0)} reverted"
            sign = row.side.sign
            position -= Fraction(row.unit.value) * steps * sign
            cash += Fraction(worth(self.market, row.price, steps).value) * sign
        said = f"{totals.buys + totals.sells} fills, position {totals.position}"
        if Fraction(totals.position.value) != position:
            yield f"{said}; it is {float(position)}"
        elif totals.buys + totals.sells != self.count:
            yield f"{said}; there were {self.count}"
        elif Fraction(totals.cash.value) != cash:
            yield f"{said}, cash {totals.cash}; it is {float(cash)}"
        elif not totals.reverted and abs(Fraction(totals.realised.value) - self.realised) > CLOSE:
            yield f"{said}, realised {totals.realised}; it is {float(self.realised)}"

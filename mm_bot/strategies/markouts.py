"""Markouts: how far the reference moved in our favour by each horizon after a fill.

Statistical numbers, in bps of the fill's price, weighted by size, per side. What no fresh enough
reference of the fill's own source tells is unknown and counted as that, never as zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed, made_directly
from mm_bot.core.exact import BPS, Price, multiply
from mm_bot.core.instrument import Side
from mm_bot.core.quoting import View
from mm_bot.core.snapshot import Fill
from mm_bot.strategies.statistics import S

HORIZONS_S = (1, 5, 30, 300)
TOXIC_S = 5
FADE = S.exp(S.divide(S.ln(Decimal("0.5")), Decimal(20)))
"""Weight of a fill for each one after it: half after twenty."""
ZERO = Decimal(0)


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A reference price of one source and its time."""

    source: str
    price: Price
    at_ms: int

    def stepped(self, step_ms: int) -> Mark:
        """With its time moved by a step of our clock."""
        return changed(self, at_ms=self.at_ms + step_ms)


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A fill of a resting order of ours."""

    order_id: str
    side: Side
    price: Price
    size: Decimal
    at_ms: int
    source: str

    def stepped(self, step_ms: int) -> Hit:
        """With its time moved by a step of our clock."""
        return changed(self, at_ms=self.at_ms + step_ms)


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Fills of the last minutes, by their times."""

    fills: tuple[Hit, ...] = ()
    told: tuple[int, ...] = (0,) * len(HORIZONS_S)
    """Of how many of them, from the oldest, each horizon is over."""

    def stepped(self, step_ms: int) -> Hits:
        """With their times moved by a step of our clock."""
        return changed(self, fills=tuple(one.stepped(step_ms) for one in self.fills))

    def over(self, now_ms: int) -> tuple[list[tuple[int, Hit]], Hits]:
        """Horizons, by index, that are over since the last time, and what is left."""
        found = []
        told = list(self.told)
        for i, horizon_s in enumerate(HORIZONS_S):
            due_ms = now_ms - horizon_s * 1000
            while told[i] < len(self.fills) and self.fills[told[i]].at_ms <= due_ms:
                found.append((i, self.fills[told[i]]))
                told[i] += 1
        return found, Hits(fills=self.fills, told=tuple(told)) if found else self

    def with_new(
        self, new: tuple[Hit, ...], oldest_ms: int, most: int
    ) -> tuple[Hits, list[tuple[int, Hit]]]:
        """With what is new, among those whose first horizon is not over, and without what is older;
        beside it the horizons of fills that were forgotten as the oldest of more than `most`."""
        fills, told, lost = self.fills, self.told, []
        if new:
            at = told[0]
            fills = (*fills[:at], *sorted((*fills[at:], *new), key=lambda hit: hit.at_ms))
        gone = max(0, len(fills) - most)
        for n, hit in enumerate(fills[:gone]):
            lost += [(i, hit) for i in range(len(told)) if n >= told[i]]
        while gone < len(fills) and fills[gone].at_ms < oldest_ms:
            gone += 1
        if not new and not gone:
            return self, lost
        return Hits(fills=fills[gone:], told=tuple(max(0, n - gone) for n in told)), lost


NO_HITS = Hits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """One side: sums by horizon, the faded markout, and until when it is withdrawn."""

    weighted: tuple[Decimal, ...] = (ZERO,) * len(HORIZONS_S)
    size: tuple[Decimal, ...] = (ZERO,) * len(HORIZONS_S)
    unknown: int = 0
    faded: Decimal = ZERO
    faded_size: Decimal = ZERO
    known: int = 0
    until_ms: int = 0
    cause: str = ""

    def stepped(self, step_ms: int) -> Tape:
        """With the end of its pause moved by a step of our clock."""
        return changed(self, until_ms=self.until_ms + step_ms)

    def mean(self, i: int) -> Decimal | None:
        """Of that horizon, weighted by size, in bps; None where nothing is known."""
        return S.divide(self.weighted[i], self.size[i]) if self.size[i] else None


BLANK = Tape()


def hit(fill: Fill, view: View, price: Price) -> Hit:
    """A fill that is new in this cycle. It was made before it is heard of, whatever the clocks of
    the exchange and of ours say."""
    return Hit(
        order_id=fill.order_id,
        side=fill.side,
        price=price,
        size=fill.size.value,
        at_ms=min(fill.at_ms, view.now_ms),
        source=view.source.value,
    )


def marked(view: View, before: Mark | None) -> Mark | None:
    """The reference of this cycle, else the one before."""
    if view.reference is None or view.reference_ms is None:
        return before
    return Mark(source=view.source.value, price=view.reference, at_ms=view.reference_ms)


def price_after(hit: Hit, horizon_ms: int, before: Mark | None, now: Mark | None) -> Price | None:
    """The last reference at or before the horizon; None where there is none of the fill's source
    that is younger than half of it."""
    due_ms = hit.at_ms + horizon_ms
    for mark in (now, before):
        if mark is None or mark.at_ms > due_ms or mark.source != hit.source:
            continue
        return None if 2 * (due_ms - mark.at_ms) >= horizon_ms else mark.price
    return None


def markout(hit: Hit, horizon_ms: int, before: Mark | None, now: Mark | None) -> Decimal | None:
    """In bps of the fill's price; None where `price_after` knows none."""
    price = price_after(hit, horizon_ms, before, now)
    if price is None:
        return None
    moved = multiply((price - hit.price).value, BPS)
    return S.divide(S.multiply(Decimal(hit.side.sign), moved), hit.price.value)


def noted(tape: Tape, hit: Hit, i: int, moved: Decimal | None) -> Tape:
    """The tape with one more markout of that horizon."""
    if moved is None:
        return changed(tape, unknown=tape.unknown + 1)
    worth = S.multiply(moved, hit.size)
    weighted, size = _plus(tape.weighted, i, worth), _plus(tape.size, i, hit.size)
    if HORIZONS_S[i] != TOXIC_S:
        return changed(tape, weighted=weighted, size=size)
    return changed(
        tape,
        weighted=weighted,
        size=size,
        faded=S.add(S.multiply(tape.faded, FADE), worth),
        faded_size=S.add(S.multiply(tape.faded_size, FADE), hit.size),
        known=tape.known + 1,
    )


def _plus(values: tuple[Decimal, ...], i: int, more: Decimal) -> tuple[Decimal, ...]:
    return (*values[:i], S.add(values[i], more), *values[i + 1 :])

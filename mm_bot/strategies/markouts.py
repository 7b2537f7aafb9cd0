"""Markouts: how far the reference moved in our favour by each horizon after a fill.

Statistical numbers, in bps of the fill's price, weighted by size, per side. What no fresh enough
reference of the fill's own source tells is unknown and counted as that, never as zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from mm_bot.core.exact import BPS, Price, multiply
from mm_bot.core.instrument import Side
from mm_bot.strategies.statistics import S

HORIZONS_S = (1, 5, 30, 300)
TOXIC_S = 5
FADE = S.exp(S.divide(S.ln(Decimal("0.5")), Decimal(20)))
"""Weight of a fill for each one after it: half after twenty."""
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A reference price of one source and its time."""

    source: str
    price: Price
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A fill of a resting order of ours; `known` is how many horizons are behind it."""

    order_id: str
    side: Side
    price: Price
    size: Decimal
    at_ms: int
    source: str
    known: int = 0

    @property
    def due_ms(self) -> int:
        """When its next horizon is over; there must be one."""
        return self.at_ms + HORIZONS_S[self.known] * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """One side: sums by horizon, the faded markout, and until when it is withdrawn."""

    weighted: tuple[Decimal, ...] = (ZERO,) * len(HORIZONS_S)
    size: tuple[Decimal, ...] = (ZERO,) * len(HORIZONS_S)
    mean: tuple[Decimal | None, ...] = (None,) * len(HORIZONS_S)
    """Weighted by size, in bps; None where nothing is known."""
    unknown: int = 0
    faded: Decimal = ZERO
    faded_size: Decimal = ZERO
    known: int = 0
    until_ms: int = 0
    cause: str = ""


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


def noted(tape: Tape, hit: Hit, moved: Decimal | None) -> Tape:
    i = hit.known
    if moved is None:
        return replace(tape, unknown=tape.unknown + 1)
    worth = S.multiply(moved, hit.size)
    weighted, size = _plus(tape.weighted, i, worth), _plus(tape.size, i, hit.size)
    mean = S.divide(weighted[i], size[i]) if size[i] else None
    tape = replace(
        tape, weighted=weighted, size=size, mean=(*tape.mean[:i], mean, *tape.mean[i + 1 :])
    )
    if HORIZONS_S[i] != TOXIC_S:
        return tape
    return replace(
        tape,
        faded=S.add(S.multiply(tape.faded, FADE), worth),
        faded_size=S.add(S.multiply(tape.faded_size, FADE), hit.size),
        known=tape.known + 1,
    )


def _plus(values: tuple[Decimal, ...], index: int, more: Decimal) -> tuple[Decimal, ...]:
    return tuple(S.add(v, more) if i == index else v for i, v in enumerate(values))

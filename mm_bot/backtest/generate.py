"""A generated market: a walk of the price, and takers whose depth has the intensity A exp(-k d).

Each step the mid moves up or down by `sigma` times the root of the step; the book rests far away
on both sides of it, so that it is the mid and nothing else. Later in the step, on each side by
itself, a taker comes with `P(depth > d) = min(1, A step exp(-k d))` and prints that far from the
mid: a quote that is nearer is filled. With A and k from own fills this is the market's answer to
our width (Avellaneda-Stoikov 2008). A pure function of its settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mm_bot.backtest.arrays import BUY, DEPTH, EVENT, SEEN, SELL, TRADE, Array, np
from mm_bot.backtest.tape import NS_A_SECOND, Market, Tape
from mm_bot.core.exact import exact
from mm_bot.errors import SettingsError

BEGINS_NS = 1_767_225_600 * NS_A_SECOND
"""2026-01-01, where every generated tape begins."""
NOBODY = -(2**40)
"""As a depth: it reaches no quote."""


_AT_LEAST: Final = {"seed": 0, "seconds": 1, "step_ms": 1, "taker_lots": 1, "feed_ms": 0}
_NO_LEAST: Final = Decimal("-Infinity")
_EXACT: Final = {
    "price": Decimal("1e-18"), "sigma": Decimal(0), "a": Decimal(0), "k": Decimal("1e-18"),
    "far": Decimal("1e-18"), "least_depth": _NO_LEAST,
}  # fmt: skip
"""What each member must be at the least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """Prices are in units of the quote; `a` is takers a second and side at no depth, `k` in one
    over a price. The walk is rounded to the tick."""

    seed: int = 1
    seconds: int = 600
    step_ms: int = 1_000
    price: str = "100"
    sigma: str = "0.02"
    """Of the mid, price per square root of a second."""
    a: str = "0.5"
    k: str = "30"
    far: str = "20"
    """How far the book rests from the mid."""
    taker_after_ms: int = 500
    """From the move of the mid to the takers of that step."""
    least_depth: str = "0"
    """Takers who go no deeper than this do not come. Below 0 there are some for quotes beyond the
    mid too, as the intensity says."""
    taker_lots: int = 1_000_000
    feed_ms: int = 1
    """From the exchange to us."""

    def __post_init__(self) -> None:
        faults = [
            f"{name} {getattr(self, name)}: {least} or more"
            for name, least in _AT_LEAST.items()
            if getattr(self, name) < least
        ]
        for name, least in _EXACT.items():
            try:
                if exact(getattr(self, name)) < least:
                    faults.append(f"{name} {getattr(self, name)}: {least} or more")
            except (ValueError, TypeError) as error:
                faults.append(f"{name}: {error}")
        if not faults and not 0 <= self.taker_after_ms < self.step_ms <= self.seconds * 1_000:
            faults.append(
                f"taker_after_ms {self.taker_after_ms}, step_ms {self.step_ms}, seconds "
                f"{self.seconds}: takers come within a step, and a step within the market"
            )
        if faults:
            raise SettingsError([f"[tape.generate] {fault}" for fault in faults])


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """What was drawn, a step each: the mid in ticks after the move, and how deep the takers of
    each side went, in ticks from the mid, or `NOBODY`."""

    mid: Array
    sold_to_bids: Array
    bought_from_asks: Array


def draw(how: Generated, market: Market) -> Draws:
    """The random part by itself, for who compares a model on the same draws."""
    steps = how.seconds * 1_000 // how.step_ms
    tick, step_s = float(market.tick), how.step_ms / 1_000
    random = np.random.Generator(np.random.PCG64(how.seed))
    ups = np.where(random.random(steps) < 0.5, 1.0, -1.0)
    ups[0] = 0.0  # the first step shows the price that was asked for
    moves = np.cumsum(ups) * float(how.sigma) * step_s**0.5
    mid = np.rint((float(how.price) + moves) / tick).astype(np.int64)
    sold, bought = (_depths(random.random(steps), how, step_s, tick) for _ in range(2))
    return Draws(mid=mid, sold_to_bids=sold, bought_from_asks=bought)


def _depths(uniform: Array, how: Generated, step_s: float, tick: float) -> Array:
    """By inversion; the last price within the depth, in ticks."""
    deep = np.log(float(how.a) * step_s / np.maximum(uniform, 1e-300)) / float(how.k)
    ticks = np.floor(deep / tick).astype(np.int64)
    return np.where(ticks > round(float(how.least_depth) / tick), ticks, NOBODY)


def generate(how: Generated, market: Market) -> Tape:
    """The tape of those draws.

    Raises:
        SettingsError: where the price would fall so low that no bid has room below it.
    """
    market.instrument()
    drawn = draw(how, market)
    far = round(float(how.far) / float(market.tick))
    if far < 1 or drawn.mid.min() <= far:
        raise SettingsError(
            [
                f"[tape.generate] price {how.price}, sigma {how.sigma}, far {how.far}: the price "
                f"goes down to {drawn.mid.min() * float(market.tick):g}, and the bids rest far "
                "below it: give a higher price, or less of the others"
            ]
        )
    times = BEGINS_NS + np.arange(len(drawn.mid), dtype=np.int64) * how.step_ms * 1_000_000
    books = [_book_moves(drawn.mid, side, far) for side in (-1, 1)]
    later = how.taker_after_ms * 1_000_000
    groups = [
        (times, BUY | DEPTH, *books[0][0]),
        (times, SELL | DEPTH, *books[1][0]),
        (times, BUY | DEPTH, *books[0][1]),
        (times, SELL | DEPTH, *books[1][1]),
        (times + later, SELL | TRADE, drawn.mid - drawn.sold_to_bids, _came(drawn.sold_to_bids)),
        (
            times + later,
            BUY | TRADE,
            drawn.mid + drawn.bought_from_asks,
            _came(drawn.bought_from_asks),
        ),
    ]
    rows = np.concatenate([_rows(how, market, *group) for group in groups])
    # The end is seen a step after the last, so that its takers can still be answered.
    last = rows[-1:].copy()
    last["ev"], last["qty"] = SEEN | BUY | DEPTH, 1.0 * float(market.lot)
    last["px"] = float(max(1, drawn.mid[-1] - 2 * far)) * float(market.tick)
    last["exch_ts"] = times[-1] + how.step_ms * 1_000_000
    rows = np.concatenate([rows, last])
    rows["local_ts"] = rows["exch_ts"] + how.feed_ms * 1_000_000
    rows = rows[np.argsort(rows["exch_ts"], kind="stable")]
    about = (
        f"generated: seed {how.seed}, {how.seconds} s, price {how.price}, sigma {how.sigma} per "
        f"root second, takers {how.a} exp(-{how.k} d) a second and side"
    )
    return Tape(market=market, events=rows, about=about, generated=True)


def _came(depths: Array) -> Array:
    return np.where(depths != NOBODY, 1, 0)


def _book_moves(mid: Array, side: int, far: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """(the level that appears), (the level that goes), each (price ticks, what is asked for: 1 to
    set, -1 to clear, 0 for nothing). One of the two orders never crosses the book."""
    here = mid + side * far
    before = np.concatenate([here[:1], here[:-1]])
    moved = here != before
    moved[0] = True
    gone = np.where(moved, -1, 0)
    gone[0] = 0
    return (here, np.where(moved, 1, 0)), (before, gone)


def _rows(
    how: Generated, market: Market, times: Array, kind: int, ticks: Array, wanted: Array
) -> Array:
    """The events of one kind; where nothing is wanted there is none."""
    keep = wanted != 0
    rows = np.zeros(int(keep.sum()), EVENT)
    rows["ev"] = SEEN | kind
    rows["exch_ts"] = times[keep]
    rows["px"] = ticks[keep] * float(market.tick)
    lots = np.where(wanted[keep] > 0, how.taker_lots, 0)
    rows["qty"] = lots * float(market.lot)
    return rows

"""The curves of a run for its pictures: plain numbers, rounded, at most a few thousand points."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from math import sqrt
from typing import Any, Final

from mm_bot.backtest.distance import away_bps, buckets, share
from mm_bot.backtest.metrics import equity
from mm_bot.backtest.run import Run
from mm_bot.backtest.tape import NS_A_MS
from mm_bot.core.exact import NO_AMOUNT, Price
from mm_bot.core.instrument import Side

MOST_POINTS: Final = 4_000
SIGMA_OVER: Final = 60


def series(run: Run) -> dict[str, Any]:
    """Times are unix milliseconds."""
    samples = run.recorder.samples
    stride = max(1, len(samples) // MOST_POINTS)
    worth = [each for _, each in equity(run)]
    captured, sigma = _captured(run), _sigma_bps(run)
    kept = range(0, len(samples), stride)
    start = run.ledger.start
    quote = run.policy.quote
    return {
        "at_ms": [samples[i].at_ms for i in kept],
        "total": [float(worth[i].value) for i in kept],
        "capture": [captured[i][0] for i in kept],
        "fees": [-captured[i][1] for i in kept],
        "inventory": [float(worth[i].value) - captured[i][0] + captured[i][1] for i in kept],
        "mid": [float(run.path.before(samples[i].at_ms * NS_A_MS).value) for i in kept],
        "bid": [_float(samples[i].bid) for i in kept],
        "ask": [_float(samples[i].ask) for i in kept],
        "position": [float((start + samples[i].position).value) for i in kept],
        "limits": [float(quote.max_short.value), float(quote.max_long.value)],
        "sigma_bps": [sigma[i] for i in kept],
        "held": _held(run),
        "fills": _fills(run),
        "by_distance": by_distance(run),
    }


def _float(price: Price | None) -> float | None:
    return None if price is None else float(price.value)


def _sigma_bps(run: Run) -> list[float | None]:
    """Of the mid around each sample, in bps per root second: root mean square of its moves over the
    last `SIGMA_OVER` samples."""
    found: list[float | None] = []
    moves: deque[tuple[float, float]] = deque(maxlen=SIGMA_OVER)
    before: tuple[int, float] | None = None
    for sample in run.recorder.samples:
        mid = float(run.path.before(sample.at_ms * NS_A_MS).value)
        if before is not None and sample.at_ms > before[0]:
            moves.append(((mid / before[1] - 1) ** 2, (sample.at_ms - before[0]) / 1_000))
        before = (sample.at_ms, mid)
        seconds = sum(each[1] for each in moves)
        whole = len(moves) == SIGMA_OVER
        found.append(round(sqrt(sum(m[0] for m in moves) / seconds) * 10_000, 4) if whole else None)
    return found


def _captured(run: Run) -> list[tuple[float, float]]:
    """(spread captured, fees) up to each sample."""
    fills = sorted(run.ledger.fills, key=lambda fill: fill.at_ns)
    capture, fees, i = NO_AMOUNT, NO_AMOUNT, 0
    found = []
    for sample in run.recorder.samples:
        while i < len(fills) and fills[i].at_ns <= sample.at_ms * NS_A_MS:
            fill = fills[i]
            won = (run.path.before(fill.at_ns) - fill.price) * fill.size
            capture += won.times(Decimal(fill.side.sign)).times(run.ledger.instrument.multiplier)
            fees += fill.fee
            i += 1
        found.append((float(capture.value), float(fees.value)))
    return found


def _held(run: Run) -> list[list[Any]]:
    """[from ms, to ms, why] of each time in which nothing could rest."""
    found: list[list[Any]] = []
    samples = run.recorder.samples
    for i, sample in enumerate(samples):
        until = samples[i + 1].at_ms if i + 1 < len(samples) else run.ends_ms
        if sample.held:
            why = ", ".join(sample.held)
            if found and found[-1][2] == why and found[-1][1] == sample.at_ms:
                found[-1][1] = until
            else:
                found.append([sample.at_ms, until, why])
    return found


def _fills(run: Run) -> dict[str, dict[str, list[Any]]]:
    found: dict[str, dict[str, list[Any]]] = {}
    for side in Side:
        fills = [fill for fill in run.ledger.fills if fill.side is side]
        fills = fills[:: max(1, len(fills) // MOST_POINTS)]
        found[side.value] = {
            "at_ms": [fill.at_ns // NS_A_MS for fill in fills],
            "price": [float(fill.price.value) for fill in fills],
            "size": [str(fill.size) for fill in fills],
        }
    return found


def by_distance(run: Run) -> list[dict[str, Any]]:
    """Orders in buckets of equal count by their distance from the mid when they were accepted:
    how much of them was filled, and what of the spread that captured."""
    won = {row.order.order_id: NO_AMOUNT for row in run.rows.values()}
    for fill in run.ledger.fills:
        gain = (run.path.before(fill.at_ns) - fill.price) * fill.size
        won[fill.order_id] += gain.times(Decimal(fill.side.sign))
    orders = []
    for row in run.rows.values():
        if row.refused:
            continue
        away = away_bps(row.order, run.path.before(row.accepted_ns))
        orders.append((away, row.lots, row.filled, float(won[row.order.order_id].value)))
    return [
        told
        | {
            "fill_ratio": share(bucket, 2),
            "capture": round(sum(o[3] for o in bucket), 8),
        }
        for told, bucket in buckets(orders)
    ]

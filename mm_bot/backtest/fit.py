"""Models fitted on journals: the queue and what latency lacks by order replay's parity, a and k of
takers by likelihood.

What was chosen on all journals but the last is judged on the last one alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Final

from mm_bot.backtest.engine import QUEUES, Exchange
from mm_bot.backtest.journal_tape import Journal
from mm_bot.backtest.order_replay import order_replay
from mm_bot.backtest.parity import compared, real_hits
from mm_bot.backtest.tape import NS_A_MS

POWERS: Final = (1.0, 2.0, 3.0)
OFFSETS_MS: Final = (-20.0, 20.0, -50.0, 50.0, -100.0, 100.0, -200.0, 200.0)
"""Tried with the queue that was chosen; a tie leaves the latency as it was measured."""
LEAST_FILLS: Final = 20
"""With fewer the intensity is not told."""


def fit(
    journals: Sequence[Journal],
    each: Callable[[Sequence[Exchange]], Iterable[Exchange]] = lambda all_: all_,
) -> dict[str, Any]:
    """Of one journal or several, oldest first. `each` gives the models one by one and may end
    early: the best of those that were tried is chosen."""
    if not journals:
        raise KeyboardInterrupt  # nothing was read, so there is nothing to keep
    choosing = journals[:-1] or journals

    def tried(models: Sequence[Exchange]) -> list[tuple[float, Exchange]]:
        return [(fmean(_parity(j, model) for j in choosing), model) for model in each(models)]

    scores = tried(candidates())
    if not scores:
        raise KeyboardInterrupt  # nothing was tried, so there is nothing to keep
    scores += tried([replace(_best(scores)[1], offset_ms=offset) for offset in OFFSETS_MS])
    best, exchange = _best(scores)
    return {
        "queue": exchange.queue,
        "queue_power": exchange.queue_power,
        "offset_ms": exchange.offset_ms,
        "chosen_on": round(best, 6),
        "judged_on_the_last": round(_parity(journals[-1], exchange), 6),
        "judged_on_what_chose": len(journals) == 1,
        "whole": len(scores) == models_tried(),
        "scores": [
            {
                "queue": model.queue,
                "power": model.queue_power,
                "offset_ms": model.offset_ms,
                "parity": round(score, 6),
            }
            for score, model in scores
        ],
        "intensity": intensity([seen for journal in choosing for seen in exposures(journal)]),
    }


def models_tried() -> int:
    """How many there are in all, for whoever counts them."""
    return len(candidates()) + len(OFFSETS_MS)


def _best(scores: Sequence[tuple[float, Exchange]]) -> tuple[float, Exchange]:
    return max(scores, key=lambda scored: scored[0])  # the first of equals: the simplest


def candidates() -> list[Exchange]:
    """Every queue model, the simplest first."""
    powered = [name for name in QUEUES if name.startswith("power")]
    plain = [Exchange(queue=name) for name in QUEUES if name not in powered]
    return plain + [Exchange(queue=name, queue_power=n) for name in powered for n in POWERS]


def _parity(journal: Journal, exchange: Exchange) -> float:
    exchange = replace(exchange, latencies=journal.latencies)
    hits = order_replay(journal, exchange).hits
    made = compared(real_hits(journal), hits, lambda hit: hit.order_id, journal.path)
    return float(made["parity"])


def exposures(journal: Journal) -> list[tuple[float, float, int]]:
    """(distance from the reference, seconds it rested, whether it was hit) of each order."""
    ends_ms = journal.path.times_ns[-1] // NS_A_MS
    found = []
    for sent in journal.orders.values():
        begins_ms = sent.created_ms or sent.sent_ms
        over_ms = min(ends_ms, sent.order.expiry_s * 1_000)
        for known in (sent.cancel_ms, sent.first_fill_ms):
            over_ms = over_ms if known is None else min(over_ms, known)
        mark = float(journal.path.before(begins_ms * NS_A_MS + 1).value)
        away = (mark - float(sent.order.price.value)) * sent.order.side.sign
        hit = sent.first_fill_ms is not None
        if over_ms > begins_ms and away > 0:
            found.append((away, (over_ms - begins_ms) / 1_000, int(hit)))
    return found


def intensity(seen: Iterable[tuple[float, float, int]]) -> dict[str, float] | None:
    """a (fills a second and side at no distance) and k (one over a price) that make these fills the
    likeliest, for fills of intensity a exp(-k distance); None with too few. At the maximum the mean
    distance of the fills is that of the exposure weighted by exp(-k d), which falls as k grows."""
    rows = [row for row in seen if row[1] > 0]
    fills = sum(hits for _, _, hits in rows)
    if fills < LEAST_FILLS or len({away for away, _, _ in rows}) < 2:
        return None
    mean = sum(away * hits for away, _, hits in rows) / fills

    def weighed(k: float) -> tuple[float, float]:
        nearest = min(away for away, _, _ in rows)  # taken out, so that no weight vanishes
        weights = [(away, s * math.exp(-k * (away - nearest))) for away, s, _ in rows]
        whole = sum(weight for _, weight in weights)
        return sum(away * weight for away, weight in weights) / whole, whole * math.exp(
            -k * nearest
        )

    low, high = 0.0, 1.0 / max(min(away for away, _, _ in rows), 1e-9)
    if weighed(low)[0] <= mean:
        return None  # the further ones were hit as often: no such intensity
    while weighed(high)[0] > mean and high < 1e9:
        high *= 2
    for _ in range(100):
        k = (low + high) / 2
        low, high = (k, high) if weighed(k)[0] > mean else (low, k)
    k = (low + high) / 2
    return {"a": round(fills / weighed(k)[1], 6), "k": round(k, 6), "fills": fills}

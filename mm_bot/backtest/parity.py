"""How far the backtest is from what really happened, as one number a day and what is behind it.

Order replay sends the orders of a journal again, at their times, into the market without them: it
measures the fill model alone. The closed loop lets the bot decide anew: it measures everything. Of
what really filled `f` and what filled here `g`, by order (closed loop: by side and minute, since
its orders are others):

    parity = sum min(f, g) / sum max(f, g), in 0 to 1, and 1 where nothing filled at all
    bias   = ln(sum g / sum f), above 0 where too much fills here
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from statistics import fmean, median
from typing import Any

from mm_bot.backtest.distance import away_bps, buckets, share
from mm_bot.backtest.engine import Exchange
from mm_bot.backtest.experiment import Account, Experiment
from mm_bot.backtest.journal_tape import Anchors, Journal
from mm_bot.backtest.order_replay import FOREVER_MS, Hit, Replayed, order_replay
from mm_bot.backtest.path import MidPath
from mm_bot.backtest.progress import Told, nobody, unseen
from mm_bot.backtest.run import run
from mm_bot.backtest.tape import NS_A_MS, NS_A_SECOND

MINUTE_MS = 60_000
MARKOUT_NS = 5 * NS_A_SECOND
WHYS_SHOWN = 50


def closed_loop(
    journal: Journal, exchange: Exchange, quote: str, told: Told = nobody
) -> tuple[tuple[Hit, ...], int]:
    """The bot decides anew, under the journal's last policy and its anchor: its fills, and the time
    in milliseconds until which it did, `FOREVER_MS` where nobody ended it."""
    start = str(journal.start)
    experiment = Experiment(exchange=exchange, account=Account(position=start, quote=quote))
    anchors = Anchors(journal.anchors).at if journal.anchors else None
    done = run(
        experiment,
        journal.tape,
        policy=(journal.policy, journal.poll_ms),
        anchors=anchors,
        path=journal.path,
        progress=told,
    )
    lot = float(journal.tape.market.lot)
    hits = tuple(
        Hit(
            order_id=fill.order_id,
            side=fill.side,
            price=fill.price,
            lots=float(fill.size.value) / lot,
            at_ms=fill.at_ns // NS_A_MS,
            waited_ms=fill.waited_ms,
        )
        for fill in done.ledger.fills
    )
    return hits, FOREVER_MS if done.whole else done.ends_ms


def real_hits(journal: Journal) -> tuple[Hit, ...]:
    """Our fills of the orders that the journal saw sent."""
    lot = float(journal.tape.market.lot)
    return tuple(
        Hit(
            order_id=fill.order_id,
            side=fill.side,
            price=fill.price,
            lots=float(fill.size.value) / lot,
            at_ms=fill.at_ms,
            waited_ms=fill.at_ms - journal.orders[fill.order_id].sent_ms,
        )
        for fill in journal.fills
        if fill.order_id in journal.orders
    )


def compared(
    real: Iterable[Hit], here: Iterable[Hit], key: Callable[[Hit], object], path: MidPath
) -> dict[str, Any]:
    """The numbers of one kind of replay."""
    real, here = tuple(real), tuple(here)
    f, g = _sums(real, key), _sums(here, key)
    keys = f.keys() | g.keys()
    less = sum(min(f.get(k, 0.0), g.get(k, 0.0)) for k in keys)
    more = sum(max(f.get(k, 0.0), g.get(k, 0.0)) for k in keys)
    sum_f, sum_g = sum(f.values()), sum(g.values())
    return {
        "parity": round(less / more, 6) if more else 1.0,
        "bias": round(math.log(sum_g / sum_f), 6) if sum_f and sum_g else None,
        "real_lots": round(sum_f, 6),
        "here_lots": round(sum_g, 6),
        "real_fills": len(real),
        "here_fills": len(here),
        "markout_5s_difference_bps": _difference(_markout(here, path), _markout(real, path)),
        "pnl_difference_bps": _difference(_pnl(here, path), _pnl(real, path)),
        "median_wait_difference_ms": _difference(_wait(here), _wait(real)),
    }


def parity(
    journal: Journal,
    exchange: Exchange,
    *,
    quote: str = "1000000000000",
    watch: Callable[[str], AbstractContextManager[Told]] = unseen,
) -> dict[str, Any]:
    """Both kinds, and the orders that differ in order replay with why. `watch` gives who is told of
    each of the two; where one is ended early, what filled until then is compared.
    """
    if journal.latencies:
        exchange = replace(exchange, latencies=journal.latencies)
    real = real_hits(journal)
    with watch("order replay") as watching:
        replayed = order_replay(journal, exchange, watching)
    with watch("closed loop") as watching:
        loop, loop_until_ms = closed_loop(journal, exchange, quote, watching)
    told = tuple(hit for hit in real if hit.at_ms <= replayed.until_ms)
    return {
        "says": exchange.says,
        "market": journal.tape.market.symbol,
        "about": journal.tape.about,
        "tape_sha256": journal.tape.sha256(),
        "day": datetime.fromtimestamp(journal.path.times_ns[0] // NS_A_SECOND, UTC)
        .date()
        .isoformat(),
        "whole": min(replayed.until_ms, loop_until_ms) == FOREVER_MS,
        "orders": len(journal.orders),
        "longest_gap_seconds": round(journal.longest_gap_ms / 1_000, 3),
        "order_replay": compared(told, replayed.hits, lambda hit: hit.order_id, journal.path),
        "closed_loop": compared(
            (hit for hit in real if hit.at_ms <= loop_until_ms),
            loop,
            lambda hit: (hit.side, hit.at_ms // MINUTE_MS),
            journal.path,
        ),
        "by_distance": _by_distance(journal, told, replayed),
        "differing_orders": _differing(journal, told, replayed),
    }


def _by_distance(
    journal: Journal, real: tuple[Hit, ...], replayed: Replayed
) -> list[dict[str, Any]]:
    """What filled there and here of orders in buckets of equal count by how far from the reference
    they were when they were sent."""
    f, g = (_sums(hits, lambda hit: hit.order_id) for hits in (real, replayed.hits))
    lot = float(journal.tape.market.lot)
    orders = []
    for order_id, sent in journal.orders.items():
        if sent.sent_ms > replayed.until_ms:
            continue
        away = away_bps(sent.order, journal.path.before(sent.sent_ms * NS_A_MS + 1))
        lots = float(sent.order.size.value) / lot
        orders.append((away, lots, f.get(order_id, 0.0), g.get(order_id, 0.0)))
    return [
        told | {"real_share": share(bucket, 2), "here_share": share(bucket, 3)}
        for told, bucket in buckets(orders)
    ]


def exposition(found: Mapping[str, Any]) -> str:
    """The two numbers for Prometheus, as a text file that a node exporter collects."""
    lines = [
        "# HELP mm_bot_backtest_parity Agreement of backtest and reality, 0 to 1.",
        "# TYPE mm_bot_backtest_parity gauge",
    ]
    for kind in ("order_replay", "closed_loop"):
        labels = f'kind="{kind}",market="{found["market"]}"'
        lines.append(f"mm_bot_backtest_parity{{{labels}}} {found[kind]['parity']}")
    return "\n".join(lines) + "\n"


def _sums(hits: Iterable[Hit], key: Callable[[Hit], object]) -> dict[object, float]:
    found: dict[object, float] = defaultdict(float)
    for hit in hits:
        found[key(hit)] += hit.lots
    return dict(found)


def _differing(journal: Journal, real: tuple[Hit, ...], replayed: Replayed) -> list[dict[str, Any]]:
    f, g = (_sums(hits, lambda hit: hit.order_id) for hits in (real, replayed.hits))
    found = []
    apart = {each: abs(f.get(each, 0.0) - g.get(each, 0.0)) for each in f.keys() | g.keys()}
    for order_id in sorted(apart, key=lambda each: (-apart[each], str(each))):
        was, came = f.get(order_id, 0.0), g.get(order_id, 0.0)
        if apart[order_id] < 1:
            continue
        order = journal.orders[str(order_id)].order
        why = replayed.why.get(str(order_id), "")
        if not why:
            why = "filled here, not there" if came > was else "filled there, not here"
        found.append(
            {
                "order_id": str(order_id),
                "price": str(order.price),
                "real_lots": round(was, 6),
                "here_lots": round(came, 6),
                "why": why,
            }
        )
    return found[:WHYS_SHOWN]


def _markout(hits: tuple[Hit, ...], path: MidPath) -> float | None:
    moves = [
        float((path.before(hit.at_ms * NS_A_MS + MARKOUT_NS) - hit.price).value)
        * hit.side.sign
        / float(hit.price.value)
        * 10_000
        for hit in hits
    ]
    return fmean(moves, [hit.lots for hit in hits]) if moves else None


def _pnl(hits: tuple[Hit, ...], path: MidPath) -> float | None:
    """By the last mark, in bps of what was traded."""
    traded = sum(hit.lots * float(hit.price.value) for hit in hits)
    last = float(path.last.value)
    won = sum((last - float(hit.price.value)) * hit.side.sign * hit.lots for hit in hits)
    return won / traded * 10_000 if traded else None


def _wait(hits: tuple[Hit, ...]) -> float | None:
    waits = [hit.waited_ms for hit in hits if hit.waited_ms is not None]
    return median(waits) if waits else None


def _difference(here: float | None, real: float | None) -> float | None:
    return None if here is None or real is None else round(here - real, 4)

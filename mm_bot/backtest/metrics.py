"""What a run comes to: one JSON value, the same bytes for the same run.

Money is exact text in the quote; ratios, basis points and times are rounded for people. Everything
comes from our own ledger and samples, nothing from the engine's counters. Definitions:
docs/backtest.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from statistics import fmean, median, stdev
from typing import Any, Final

from mm_bot.backtest import quality
from mm_bot.backtest.arrays import np
from mm_bot.backtest.engine import Exchange
from mm_bot.backtest.ledger import Booked
from mm_bot.backtest.run import Run
from mm_bot.backtest.tape import NS_A_MS, NS_A_SECOND
from mm_bot.backtest.version import code_digest
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, plain
from mm_bot.core.instrument import Side

HORIZONS_S: Final = (0, 1, 5, 30, 300)
ADVERSE_S: Final = 5
COVERED_S: Final = 60
"""How long after an event a tape still counts as covered."""
SHARPE_DAYS: Final = 20
FEW_MINUTES: Final = 24 * 60
"""A shorter tape proves mechanics, not a strategy."""
FORMAT: Final = 1


def result(run: Run) -> dict[str, Any]:
    """The whole of it, plain."""
    tape, ledger, samples = run.tape, run.ledger, run.recorder.samples
    fills = ledger.fills
    parts = ledger.parts(run.path.before, run.path.first, run.path.last, ADVERSE_S * NS_A_SECOND)
    seconds = (run.ends_ms * NS_A_MS - tape.begins_ns) / NS_A_SECOND
    curve, held = equity(run), quality.inventory(run)
    per_most = _ratio(parts.total, Amount.of(held["max_abs"]))
    volume = sum((fill.notional for fill in fills), NO_AMOUNT)
    made = {
        "format": FORMAT,
        "code": code_digest((run.policy.strategy,)),
        "whole": run.whole,
        "warnings": _warnings(run, seconds),
        "tape": {
            "about": tape.about,
            "generated": tape.generated,
            "sha256": tape.sha256(),
            "market": asdict(tape.market),
            "events": len(tape.events),
            "begins_ms": tape.begins_ns // NS_A_MS,
            "seconds": round(seconds, 3),
            **_coverage(tape.events["local_ts"]),
        },
        "exchange": _exchange(run.experiment.exchange),
        "account": asdict(run.experiment.account),
        "weather": asdict(run.experiment.weather),
        "strategy": dict(sorted(run.experiment.strategy.items())),
        "poll_ms": run.poll_ms,
        "cycles": len(samples),
        "pnl": {
            "total": str(parts.total),
            "spread_capture": str(parts.capture),
            "inventory": str(parts.inventory),
            "fees": str(parts.fees),
            f"adverse_selection_{ADVERSE_S}s": str(parts.adverse),
            "per_volume_bps": _ratio(parts.total, volume, 10_000),
            "per_max_inventory": per_most,
            "max_drawdown": str(max_drawdown(curve)),
            "sharpe": sharpe(curve),
        },
        "fills": _fills(run, volume, seconds),
        "markouts_bps": markouts(run),
        "inventory": held,
        "quoting": quality.quoting(run),
        "orders": dict(sorted(run.recorder.outcomes.items())),
        "missing": dict(sorted(Counter(name for each in samples for name in each.missing).items())),
        "telemetry": dict(sorted(run.recorder.events.items())),
    }
    made["says"] = sentence(made, tape.market.quote)
    made["facts"] = facts(made)
    return made


def text(value: dict[str, Any]) -> str:
    """As it is written."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def sentence(made: dict[str, Any], quote: str) -> str:
    """The first thing to be read."""
    pnl, fills = made["pnl"], made["fills"]
    at = made["markouts_bps"]["both"][f"{ADVERSE_S}s"]
    markout = "unknown" if at["mean"] is None else f"{at['mean']:+} bps"
    return (
        f"{short(pnl['total'])} {quote} in {lasting(made['tape']['seconds'])}: spread "
        f"{short(pnl['spread_capture'])}, inventory {short(pnl['inventory'])}, fees "
        f"{short(pnl['fees'])}; {fills['count']} fills, markout at {ADVERSE_S} s {markout}; "
        f"{made['exchange']['says']}."
    )


def facts(made: dict[str, Any]) -> str:
    """What the result is of, so that nobody takes it for something else."""
    tape, exchange = made["tape"], made["exchange"]
    queue = exchange["queue"]
    if queue.startswith("power"):
        queue = f"{queue} {exchange['queue_power']:g}"
    return (
        f"{tape['about']}. {tape['events']} events, {tape['covered']:.1%} of the time covered, "
        f"longest gap {tape['longest_gap_seconds']:g} s, SHA-256 {tape['sha256'][:16]}. "
        f"Queue model {queue}, a look each {made['poll_ms']} ms, code {made['code']}."
    )


def lasting(seconds: float) -> str:
    """For people."""
    for length, name in ((86_400, "days"), (3_600, "hours")):
        if seconds >= 2 * length - 60:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds / 60:.1f} minutes"


def daily(run: Run) -> list[tuple[str, Amount]]:
    """(UTC day, result of it) in order, by equity at the last cycle of each."""
    ends: dict[str, Amount] = {}
    for at_ms, worth in equity(run):
        ends[datetime.fromtimestamp(at_ms / 1_000, UTC).date().isoformat()] = worth
    before = [NO_AMOUNT, *ends.values()]
    return [(day, now - was) for (day, now), was in zip(ends.items(), before, strict=False)]


def short(amount: str) -> str:
    """To six decimals, for people."""
    return plain(Decimal(amount).quantize(Decimal("0.000001")).normalize())


def equity(run: Run) -> list[tuple[int, Amount]]:
    """(ms, result so far) at each sample, marked by the mid that was seen by then."""
    ledger = run.ledger
    per = ledger.instrument.multiplier
    held, cash, i = ledger.start, NO_AMOUNT, 0
    began = run.path.first * held
    found = []
    fills = sorted(ledger.fills, key=lambda fill: fill.at_ns)
    for sample in run.recorder.samples:
        at_ns = sample.at_ms * NS_A_MS
        while i < len(fills) and fills[i].at_ns <= at_ns:
            sign = Decimal(fills[i].side.sign)
            held += fills[i].size.times(sign)
            cash -= fills[i].notional.times(sign) + fills[i].fee
            i += 1
        mark = run.path.before(at_ns)
        found.append((sample.at_ms, cash + (mark * held - began).times(per)))
    return found


def sharpe(curve: Sequence[tuple[int, Amount]]) -> float | str:
    """Of daily results (UTC), yearly; only where there are enough days."""
    ends: dict[int, Amount] = {}
    for at_ms, worth in curve:
        ends[at_ms // 86_400_000] = worth
    worths = [0.0, *(float(worth.value) for worth in ends.values())]
    daily = [after - before for before, after in pairwise(worths)]
    if len(daily) < SHARPE_DAYS or not stdev(daily):
        return f"n too small: {len(daily)} days, told from {SHARPE_DAYS} on"
    return round(fmean(daily) / stdev(daily) * sqrt(365), 4)


def max_drawdown(curve: Sequence[tuple[int, Amount]]) -> Amount:
    """The deepest fall from a peak before it."""
    peak, deepest = NO_AMOUNT, NO_AMOUNT
    for _, worth in curve:
        peak = max(peak, worth)
        deepest = max(deepest, peak - worth)
    return deepest


def markouts(run: Run) -> dict[str, Any]:
    """By side and horizon: the mean in bps of the fill's price, weighted by size, its standard
    error, and over how many fills; positive is in our favour. A fill too near the end is left out.
    """
    ends_ns = run.ends_ms * NS_A_MS
    groups: dict[str, list[Booked]] = {
        "both": run.ledger.fills,
        **{side.value: [f for f in run.ledger.fills if f.side is side] for side in Side},
    }
    return {
        name: {
            f"{horizon_s}s": _markout(run, fills, horizon_s * NS_A_SECOND, ends_ns)
            for horizon_s in HORIZONS_S
        }
        for name, fills in groups.items()
    }


def _markout(run: Run, fills: list[Booked], horizon_ns: int, ends_ns: int) -> dict[str, Any]:
    moves, weights = [], []
    for fill in fills:
        due_ns = fill.at_ns + horizon_ns
        if due_ns > ends_ns:
            continue
        moved = run.path.before(due_ns) - fill.price
        moves.append(float(moved.value) * fill.side.sign / float(fill.price.value) * 10_000)
        weights.append(float(fill.size.value))
    if not moves:
        return {"mean": None, "error": None, "n": 0}
    mean = fmean(moves, weights)
    error = None
    if len(moves) > 1:
        spread = sum((w * (m - mean)) ** 2 for m, w in zip(moves, weights, strict=True))
        error = round(sqrt(spread) / sum(weights), 4)
    return {"mean": round(mean, 4), "error": error, "n": len(moves)}


def _fills(run: Run, volume: Amount, seconds: float) -> dict[str, Any]:
    fills, outcomes = run.ledger.fills, run.recorder.outcomes
    filled = sum((fill.size for fill in fills), NO_SIZE)
    placed = run.recorder.placed_size
    accepted, refused = outcomes["place accepted"], outcomes["place refused"]
    cancels = sum(n for name, n in outcomes.items() if name.startswith("cancel"))
    waits = [fill.waited_ms for fill in fills]
    return {
        "count": len(fills),
        "buys": sum(fill.side is Side.BUY for fill in fills),
        "sells": sum(fill.side is Side.SELL for fill in fills),
        "size": str(filled),
        "volume": str(volume),
        "volume_per_day": round(float(volume.value) * 86_400 / seconds, 2) if seconds else None,
        "fill_ratio": _ratio(Amount(filled.value), Amount(placed.value)),
        "refused_share": round(refused / (accepted + refused), 6) if accepted + refused else None,
        "median_ms_to_fill": median(waits) if waits else None,
        "cancels_per_fill": round(cancels / len(fills), 4) if fills else None,
        "cancels_per_minute": round(cancels * 60 / seconds, 4) if seconds else None,
        "cancels_in_the_busiest_minute": run.recorder.busiest_minute,
        "cancels_allowed_per_minute": run.policy.risk.max_cancels_per_minute,
        "per_day": round(len(fills) * 86_400 / seconds, 2) if seconds else None,
    }


def _warnings(run: Run, seconds: float) -> list[str]:
    found = []
    if not run.whole:
        found.append("Stopped before the end of the tape: what came later is not in it.")
    if run.tape.generated:
        found.append("A generated market: it answers to our width as its A and k say, and no more.")
    else:
        found.append("A replay assumes that our quotes move nobody.")
    if seconds < FEW_MINUTES * 60:
        minutes = f"{seconds / 60:.1f}"
        found.append(f"{minutes} minutes of one market prove mechanics, not a strategy.")
    if not run.experiment.weather.calm:
        found.append(f"With faults of the exchange: {run.experiment.weather.says}.")
    if not run.experiment.exchange.latencies:
        found.append("Latency is assumed, not measured.")
    return found


def _ratio(part: Amount, whole: Amount, times: int = 1) -> float | None:
    return round(float(part.value) / float(whole.value) * times, 6) if whole else None


def _coverage(times_ns: Any) -> dict[str, float]:
    """How long nothing was seen at most, and the share of the time that is soon after an event."""
    gaps = np.diff(np.unique(times_ns)) / NS_A_SECOND
    if not len(gaps):
        return {"longest_gap_seconds": 0.0, "covered": 1.0}
    bare = float((gaps[gaps > COVERED_S] - COVERED_S).sum())
    return {
        "longest_gap_seconds": round(float(gaps.max()), 3),
        "covered": round(1 - bare / float(gaps.sum()), 6),
    }


def _exchange(exchange: Exchange) -> dict[str, Any]:
    told = asdict(exchange)
    told["latencies"] = len(exchange.latencies)
    return {**told, "says": exchange.says}

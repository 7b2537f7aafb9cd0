"""How a run quoted and what it held meanwhile: shares of the time, each cycle's state held until
the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from math import log
from statistics import fmean
from typing import Any

from mm_bot.backtest.recorder import Sample
from mm_bot.backtest.run import Run
from mm_bot.core.exact import NO_SIZE, Size, plain


def inventory(run: Run) -> dict[str, Any]:
    """What was held; the limits are those of the quotes."""
    start = run.ledger.start
    samples = run.recorder.samples
    held = [(start + sample.position).value for sample in samples]
    low, high = run.policy.quote.max_short.value, run.policy.quote.max_long.value
    return {
        "start": str(start),
        "end": str(run.ledger.position),
        "limits": [plain(low), plain(high)],
        "mean_abs": round(fmean(abs(float(h)) for h in held), 6) if held else None,
        "max_abs": plain(max((abs(h) for h in held), default=Decimal(0))),
        "share_at_a_limit": round(sum(not low < h < high for h in held) / len(held), 6)
        if held
        else None,
        "half_life_seconds": half_life_s(
            [sample.at_ms for sample in samples], [float(h) for h in held]
        ),
    }


def half_life_s(at_ms: Sequence[int], held: Sequence[float]) -> float | None:
    """In which half of an inventory is gone again: that of the first-order autoregression of the
    inventory about its mean, looked at in steps of the mean time between two cycles. None where it
    does not return."""
    if len(held) < 3 or at_ms[-1] == at_ms[0]:
        return None
    step_ms = (at_ms[-1] - at_ms[0]) / (len(at_ms) - 1)
    seen, i = [], 0
    for n in range(len(at_ms)):
        while i + 1 < len(at_ms) and at_ms[i + 1] <= at_ms[0] + n * step_ms:
            i += 1
        seen.append(held[i])
    mean = fmean(seen)
    moves = sum((a - mean) * (b - mean) for a, b in pairwise(seen))
    whole = sum((a - mean) ** 2 for a in seen[:-1])
    if not 0 < moves < whole:
        return None
    return round(step_ms / 1_000 * log(2) / -log(moves / whole), 3)


def quoting(run: Run) -> dict[str, Any]:
    """Uptime, and how long what kept us from quoting did."""
    uptime = run.experiment.uptime
    least = Size.of(uptime.size)
    sides, states = Counter[str](), Counter[str]()
    held, missing, degraded = Counter[str](), Counter[str](), Counter[str]()
    total = 0
    for sample, lasts_ms in _lasting(run):
        total += lasts_ms
        bid, ask = (near > NO_SIZE and near >= least for near in (sample.near_bid, sample.near_ask))
        sides.update(
            {"bid": lasts_ms * bid, "ask": lasts_ms * ask, "both": lasts_ms * (bid and ask)}
        )
        held.update(dict.fromkeys(sample.held, lasts_ms))
        missing.update(dict.fromkeys(sample.missing, lasts_ms))
        degraded.update(dict.fromkeys(sample.degraded, lasts_ms))
        states[sample.source] += lasts_ms

    def share(name: str) -> float | None:
        return round(sides[name] / total, 6) if total else None

    return {
        "near_bps": uptime.bps,
        "least_size": uptime.size,
        "uptime_both_sides": share("both"),
        "uptime_bid": share("bid"),
        "uptime_ask": share("ask"),
        "halts": dict(sorted(_begun(run.recorder.samples).items())),
        "held_seconds": _seconds(held),
        "guard_seconds": _seconds(degraded),
        "missing_seconds": _seconds(missing),
        "reference_seconds": _seconds(states),
    }


def _lasting(run: Run) -> Iterable[tuple[Sample, int]]:
    """Each sample with for how many milliseconds it held."""
    samples = run.recorder.samples
    ends = [sample.at_ms for sample in samples[1:]] + [run.ends_ms]
    return [(one, until - one.at_ms) for one, until in zip(samples, ends, strict=True)]


def _begun(samples: Iterable[Sample]) -> Counter[str]:
    """How often each halt began."""
    found, before = Counter[str](), frozenset[str]()
    for sample in samples:
        now = frozenset(sample.held)
        found.update(now - before)
        before = now
    return found


def _seconds(lasted_ms: Counter[str]) -> dict[str, float]:
    return {name: lasted / 1_000 for name, lasted in sorted(lasted_ms.items()) if lasted}

"""The strategy's features in the simulator: what a seed switches on, and the claims about them.

The claims are worked out a second time from what each cycle saw, more plainly than the steps do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

from mm_bot.core.decide import Decision
from mm_bot.core.policy import Policy
from mm_bot.core.risk import HaltReason
from mm_bot.strategies.regime import halting_limits

SHOCK_BPS, WINDOW_MS = 200, 10_000


def drawn(random: Random, quiet: bool) -> dict[str, str]:
    """About half of all features, each with times short enough for the calm to end what it began.

    In a quiet world no volatility: once it is known the quotes come nearer."""
    every = (
        {
            "MM_VOLATILITY_SPREAD_MULT": "1",
            "MM_VOLATILITY_HALF_LIFE_SECONDS": "1",
            "MM_VOLATILITY_HORIZON_SECONDS": "2",
        },
        {"MM_SHOCK_BPS": str(SHOCK_BPS), "MM_SHOCK_PAUSE_SECONDS": "5"},
        {
            "MM_MAX_DAILY_LOSS": random.choice(("50", "1000", "100000")),
            "MM_BREAKER_COOLDOWN_SECONDS": "4",
            "MM_BREAKER_RESUME": random.choice(("cooldown", "next_day")),
            "MM_BREAKER_MAX_TRIPS": random.choice(("2", "1000")),
        },
        {
            "MM_RUN_ORDERS": "2",
            "MM_SURGE_FACTOR": "3",
            "MM_TOXIC_MARKOUT_BPS": "1",
            "MM_TOXIC_PAUSE_SECONDS": "2",
        },
        {"MM_HARD_LONG_INVENTORY": "1000000", "MM_HARD_SHORT_INVENTORY": "-1000000"},
        {"MM_PNL_ATTRIBUTION": "true"},
        {"MM_TARGET_INVENTORY": "0"},
        {"MM_SIZE_SKEW": "true", "MM_SIZE_SKEW_RANGE_MULT": "20"},
        {"MM_PENNY_JUMP": "true"},
        {"MM_MICRO_PRICE_MAX_SHIFT_BPS": "3"},
        {"MM_PRICE_CEILING": "1650", "MM_PRICE_FLOOR": "1550"},
    )
    chosen = [each for each in every[quiet:] if random.random() < 0.5]
    return {name: text for each in chosen for name, text in each.items()}


def with_features(policy: Policy, options: Mapping[str, str]) -> Policy:
    """As the settings make it of those options: a hard limit takes the halt of the soft one."""
    long, short = halting_limits(options, policy.risk.max_long, policy.risk.max_short)
    risk = replace(policy.risk, max_long=long, max_short=short)
    return replace(policy, options=options, risk=risk)


@dataclass(slots=True)
class Features:
    """Follows every cycle; `faults` is what the claims say of it."""

    options: dict[str, str]
    _window: list[tuple[int, Decimal]] = field(default_factory=list)
    _source: str = ""
    _durable: Mapping[str, object] = field(default_factory=dict)
    _held_until_ms: int = 0
    """Until when what was on disk at the start of the process says that nothing is quoted."""

    def started(self, lost: bool) -> None:
        """A new process: what it saw is gone, what was on disk is not unless that is `lost`."""
        self._window.clear()
        breaker, shock = self._durable.get("breaker"), self._durable.get("shock")
        ends = [shock] if isinstance(shock, int) else []
        if isinstance(breaker, dict) and breaker["tripped"]:
            ends.append(int(breaker["halted_until_ms"]))
        self._held_until_ms = 0 if lost else max(ends, default=0)

    def faults(self, decision: Decision) -> Iterator[str]:
        """Nothing is wanted in a shock, nor while what a process before this one saved holds."""
        self._durable = decision.quotes.kept.durable  # on disk, else this would not be told
        quotes = bool(decision.plan.places)
        reasons = {halt.reason for halt in decision.halts}
        if quotes and reasons:
            yield f"placed while {', '.join(sorted(r.value for r in reasons))}"
        if decision.now_ms < self._held_until_ms and not reasons:
            yield f"quotes before {self._held_until_ms}, which its predecessor saved"
        shocked = "MM_SHOCK_BPS" in self.options and self._shock(decision)
        if shocked and HaltReason.PRICE_SHOCK not in reasons:
            yield f"the price moved by over {SHOCK_BPS} bps to {decision.reference.price}"

    def _shock(self, decision: Decision) -> bool:
        """Whether the reference moved so far since the last whole seconds of one source."""
        price, source, now_ms = decision.reference.price, decision.reference.source, decision.now_ms
        if price is None:
            return False
        if source.value != self._source:
            self._source = source.value
            self._window.clear()
        self._window = [(at, p) for at, p in self._window if now_ms - at <= WINDOW_MS]
        before = self._window[-1][1] if self._window else price.value
        moved = abs(price.value - before) * 10_000 > SHOCK_BPS * before
        self._window = [(now_ms, price.value)] if moved else [*self._window, (now_ms, price.value)]
        return moved

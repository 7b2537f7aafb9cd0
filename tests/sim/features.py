"""The strategy's features in the simulator: what a seed switches on, and the claims about them.

The claims are worked out a second time from what each cycle saw, more plainly than the steps do;
`regimes.py` has those about positions and orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from random import Random

from mm_bot.core.decide import Decision
from mm_bot.core.exact import Amount, Size
from mm_bot.core.instrument import Instrument
from mm_bot.core.policy import Policy
from mm_bot.core.risk import HaltReason
from mm_bot.strategies.regime import halting_limits
from tests.sim.claims import Claim
from tests.sim.regimes import Degrading, Hangs, Reducing, quoted

SHOCK_BPS, WINDOW_MS = 200, 10_000
DAY_MS = 86_400_000
DEGRADE, MIN_BASE, MIN_QUOTE = (
    "MM_DEGRADE_BEFORE_HALT",
    "MM_MIN_BASE_BALANCE",
    "MM_MIN_QUOTE_BALANCE",
)
BREAKER_HALTS = {HaltReason.DAILY_LOSS, HaltReason.BREAKER_COOLDOWN}
LOSING = "half of the day's loss"
Said = Iterator[tuple[Claim, str]]


def drawn(random: Random, quiet: bool, policy: Policy, *, spot: bool) -> dict[str, str]:
    """About half of all features, each with times short enough for the calm to end what it began.

    In a quiet world no volatility: once it is known the quotes come nearer."""
    size = policy.quote.order_size
    hard = {
        "MM_HARD_LONG_INVENTORY": str(policy.quote.max_long + size.times(Decimal(2))),
        "MM_HARD_SHORT_INVENTORY": str(policy.quote.max_short - size.times(Decimal(2))),
    }
    forced = {
        "MM_FORCED_REDUCTION": "true",
        "MM_REDUCE_ORDER_SECONDS": "3",
        "MM_REDUCE_RETRY_SECONDS": "1",
        "MM_REDUCE_MAX_PER_HOUR": random.choice(("3", "20")),
    }
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
        hard | forced if random.random() < 0.7 else hard,
        {"MM_PNL_ATTRIBUTION": "true"},
        {"MM_TARGET_INVENTORY": "0"},
        {"MM_SIZE_SKEW": "true", "MM_SIZE_SKEW_RANGE_MULT": "20"},
        {"MM_PENNY_JUMP": "true"},
        {"MM_MICRO_PRICE_MAX_SHIFT_BPS": "3"},
        {"MM_PRICE_CEILING": "1650", "MM_PRICE_FLOOR": "1550"},
        {
            "MM_HANGING_ORDERS": "true",
            "MM_HANGING_CANCEL_BPS": random.choice(("80", "1000")),
            "MM_HANGING_MAX_AGE_SECONDS": random.choice(("6", "1800")),
            "MM_FILLED_ORDER_DELAY_SECONDS": random.choice(("0", "2")),
        },
        _degrading(random, size, spot=spot),
    )
    chosen = [each for each in every[quiet:] if random.random() < 0.5]
    return {name: text for each in chosen for name, text in each.items()}


def _degrading(random: Random, size: Size, *, spot: bool) -> dict[str, str]:
    """Least balances that a few fills or a withdrawal pass."""
    below = size.times(Decimal(random.choice(("0.5", "2.5"))))
    least = {MIN_BASE: str(Size(Decimal(10_000)) - below)} if spot else {}
    worth = below.times(Decimal(1_600) * (1 if spot else 2_000))
    cash = Decimal(20_000_000 if spot else 200_000_000) - worth.value
    return {DEGRADE: "true", MIN_QUOTE: str(cash), **least}


def with_features(policy: Policy, options: Mapping[str, str]) -> Policy:
    """As the settings make it of those options: a hard limit takes the halt of the soft one."""
    long, short = halting_limits(options, policy.risk.max_long, policy.risk.max_short)
    risk = replace(
        policy.risk,
        max_long=long,
        max_short=short,
        degrade=DEGRADE in options,
        min_base=Size(Decimal(options[MIN_BASE])) if MIN_BASE in options else None,
        min_quote=Amount(Decimal(options[MIN_QUOTE])) if MIN_QUOTE in options else None,
    )
    return replace(policy, options=options, risk=risk)


@dataclass(slots=True)
class Features:
    """Follows every cycle; `faults` is what the claims say of it."""

    options: dict[str, str]
    market: Instrument
    met: set[str] = field(default_factory=set)
    """What the features did, and what a process ended in."""
    reducing: Reducing = field(init=False)
    _hangs: Hangs = field(init=False)
    _degrading: Degrading = field(default_factory=Degrading)
    _loss: Loss = field(init=False)
    _width: Width = field(init=False)
    _window: list[tuple[int, Decimal]] = field(default_factory=list)
    _source: str = ""
    _durable: Mapping[str, object] = field(default_factory=dict)
    state: set[str] = field(default_factory=set)
    """What the features were in the middle of in the last cycle of this process."""
    _day: int | None = None
    _decided: bool = False
    """Whether this process has."""
    _held_until_ms: int = 0
    """Until when what was on disk at the start of the process says that nothing is quoted."""

    def __post_init__(self) -> None:
        self._width = Width()
        self.reducing = Reducing(self.options, self.market.price_tick)
        self._hangs = Hangs(self.options)
        limit = Fraction(self.options.get("MM_MAX_DAILY_LOSS", "0"))
        self._loss = Loss(limit, Fraction(self.market.multiplier))

    def started(self, saved: Mapping[str, object], *, lost: bool, forgot: bool) -> None:
        """A new process, with what its disk has of the strategy: what was seen is gone, what was on
        disk is not unless that is `lost`. Where it `forgot` the last seconds may be missing."""
        self.met |= {f"restart in {each}" for each in self.state}
        self.state = set()
        self._decided = False
        self._window.clear()
        durable = saved if forgot else self._durable
        breaker, shock = durable.get("breaker"), durable.get("shock")
        ends = [shock] if isinstance(shock, int) else []
        if isinstance(breaker, dict) and breaker["tripped"]:
            ends.append(int(breaker["halted_until_ms"]))
        self._held_until_ms = 0 if lost else max(ends, default=0)
        self._hangs.started(saved, lost=forgot)
        self.reducing.started(lost=lost)
        self._loss.started(saved.get("breaker"), lost=forgot)

    def stepped(self, step_ms: int) -> None:
        """Somebody set the clock of a running process."""
        self.met |= {"clock step", *(f"clock step in {each}" for each in self.state)}
        self._window = [(at_ms + step_ms, price) for at_ms, price in self._window]
        self._hangs.stepped(step_ms)
        if self._decided and self._held_until_ms:
            self._held_until_ms += step_ms

    def faults(self, decision: Decision) -> Said:
        """What each claim says of this cycle."""
        for text in (*self._pulled(decision), *self._loss.faults(decision)):
            yield Claim.PULLED, text
        for text in self.reducing.faults(decision):
            yield Claim.REDUCES, text
        for text in self._hangs.faults(decision):
            yield Claim.HANGS, text
        for text in self._degrading.faults(decision):
            yield Claim.DEGRADES, text
        for text in self._width.faults(decision):
            yield Claim.WIDTH, text
        self._meet(decision)

    def _meet(self, decision: Decision) -> None:
        told = {gap.reason.value for gap in decision.missing}
        self.state = {halt.reason.value for halt in decision.halts} | set(decision.degraded)
        self.state |= told & {"reduce_only", "adverse_selection", "size_skew"}
        day, self._day = self._day, decision.now_ms // DAY_MS
        if day is not None and day < self._day:
            self.met |= {"day roll", *(f"day roll in {each}" for each in self.state)}
        if decision.quotes.hanging.stay:
            self.state.add("hanging")
        if decision.quotes.reduction is not None:
            self.state.add("forced")
        if self._loss.losing:
            self.state.add(LOSING)
        self.met |= self.state
        if any(place.reduce_ms is not None for place in decision.plan.places):
            self.met.add("reduction sent")

    def _pulled(self, decision: Decision) -> Iterator[str]:
        """Nothing is wanted in a shock, nor while what a process before this one saved holds."""
        self._decided = True
        self._durable = decision.quotes.kept.durable  # on disk, else this would not be told
        quotes = bool(quoted(decision))
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


@dataclass(slots=True)
class Loss:
    """What trading lost on a UTC day, over restarts: a loss beyond `limit` halts."""

    limit: Fraction
    """cNGN; 0 is off."""
    multiplier: Fraction
    _base: tuple[int, Fraction, Fraction, Fraction, Fraction] | None = None
    """Day, price, inventory, cash and position when the day began, or trading after a trip."""
    losing: bool = False
    """Whether half of the limit is lost and it does not halt yet."""
    _tripped: bool = False

    def started(self, saved: object, *, lost: bool) -> None:
        """A process goes on from what is on its disk."""
        if lost:
            self._base = None
        if isinstance(saved, dict):
            self._tripped = saved["tripped"]
        if isinstance(saved, dict) and saved["base"] is not None:
            price, excess, cash, position = (Fraction(Decimal(text)) for text in saved["base"])
            self._base = (saved["day"], price, excess, cash, position)

    def faults(self, decision: Decision) -> Iterator[str]:
        price, held = decision.reference.price, decision.holdings
        if not self.limit or price is None or held is None:
            return
        day, at = decision.now_ms // DAY_MS, Fraction(price.value)
        cash = Fraction(decision.fill_totals.cash.value)
        position = Fraction(decision.fill_totals.position.value)
        before, told = self._tripped, {halt.reason for halt in decision.halts} & BREAKER_HALTS
        self._tripped = bool(told)
        if self._base is None or day > self._base[0] or (before and not told):
            self._base = (day, at, Fraction(held.base_total.value), cash, position)
        _, first, inventory, cash_then, position_then = self._base
        stock = (inventory + position - position_then) * at - inventory * first
        lost = cash_then - cash - stock * self.multiplier
        self.losing = lost * 2 >= self.limit and not told
        if lost >= self.limit and not told:
            yield f"lost {float(lost)} today and quotes"


@dataclass(slots=True)
class Width:
    """The volatility told is none larger than the whole move of its source's price: samples are a
    second or more apart."""

    _range: dict[str, tuple[Fraction, Fraction]] = field(default_factory=dict)

    def faults(self, decision: Decision) -> Iterator[str]:
        price, source = decision.reference.price, decision.reference.source.value
        if price is None:
            return
        at = Fraction(price.value)
        low, high = self._range.get(source, (at, at))
        low, high = self._range[source] = min(low, at), max(high, at)
        most = (high - low) * 10_000 / low
        for measure in decision.quotes.measures:
            told = measure.name == "mm_bot_volatility_bps_sqrt_s" and measure.value is not None
            if told and Fraction(measure.value or 0) > most + Fraction(1, 1_000):
                yield f"{measure.value} bps a root second; the price moved {float(most)} in all"

"""A strategy tried without an exchange: a market, a policy, and a world shown cycle after cycle.

For tests of strategies, the built-in ones and those of others; the bot itself never imports it. All
is made up and healthy: 10,000 USDC and 100 million cNGN on a spot market, at 8 h UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from mm_bot.core.balances import Holdings
from mm_bot.core.clock_step import shifted
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Capabilities, Instrument, Kind, Margin, Side
from mm_bot.core.memory import Memory
from mm_bot.core.policy import (
    OperatorMode,
    Policy,
    QuotePolicy,
    ReconcilePolicy,
    ReferencePolicy,
    RiskPolicy,
)
from mm_bot.core.quoting import Kept, Quotes, SourcePrice, Strategy, View
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.snapshot import BookOrder
from mm_bot.strategies import founding

NOW_MS = 1_800_000_000_000
ABLE = Capabilities(resend_safe=True, book_depth=25)
SPOT = Instrument(
    symbol="USDCcNGN-SPOT",
    base="USDC",
    quote="cNGN",
    kind=Kind.SPOT,
    price_tick=Price.of("0.01"),
    size_step=Size(Decimal(1).scaleb(-18)),
    notional_step=Amount.of(1),
    multiplier=Decimal(1),
    margin=Margin.FUNDED,
    margin_rate=Decimal(0),
    collateral="cNGN",
    capabilities=ABLE,
    expiry_ms=None,
)
QUOTES = QuotePolicy(
    half_spread_bps=Decimal(25),
    skew_bps=Decimal(0),
    order_size=Size.of(100),
    levels=1,
    level_step_bps=Decimal(0),
    level_size_mult=Decimal(1),
    max_long=Size.of(100_000),
    max_short=Size.of(-100_000),
    max_notional_per_side=None,
    external_spread_mult=Decimal(2),
    external_size_mult=Decimal("0.5"),
)
REFERENCES = ReferencePolicy(
    trade_max_age_ms=300_000,
    bootstrap=False,
    bootstrap_only=True,
    external_max_age_ms=30_000,
    min_size=Size.of(0),
    lot=Amount.of(1),
    low=None,
    high=None,
)
RISKS = RiskPolicy(
    market_data_max_age_ms=10_000,
    balances_max_age_ms=30_000,
    anchor_max_age_ms=60_000,
    anchor_deviation_bps=Decimal(500),
    quote_max_age_ms=None,
    max_long=Size.of(100_000),
    max_short=Size.of(-100_000),
    max_notional_per_side=None,
    min_base=None,
    min_quote=None,
    max_cancels_per_minute=30,
)
RECONCILES = ReconcilePolicy(
    stale_threshold_bps=Decimal(5),
    size_tolerance=Size.of("0.000001"),
    min_lifetime_ms=0,
    min_move_bps=Decimal(0),
    refresh_interval_ms=5_000,
    order_life_ms=300_000,
)
POLICY = Policy(
    mode=OperatorMode.NORMAL,
    dry_run=False,
    reference=REFERENCES,
    quote=QUOTES,
    risk=RISKS,
    reconcile=RECONCILES,
)


def holdings(base: str = "10000", cash: str = "100000000") -> Holdings:
    """What is owned, all of it free: base in the unit of sizes, cash in the quote."""
    return Holdings(
        base_total=Size.of(base),
        base_lowest=Size.of(base),
        base_highest=Size.of(base),
        base_reserved=NO_SIZE,
        base_available=max(Size.of(base), NO_SIZE),
        quote_total=Amount.of(cash),
        quote_reserved=NO_AMOUNT,
        quote_available=Amount.of(cash),
    )


def view(
    reference: str | None = "1600",
    *,
    market: Instrument = SPOT,
    at_s: float = 0,
    base: str = "10000",
    cash: str = "100000000",
    source: ReferenceSource = ReferenceSource.ANCHOR,
    others: Iterable[BookOrder] = (),
    touch: Mapping[Side, Price] | None = None,
    fill_totals: FillTotals | None = None,
) -> View:
    """At `at_s` seconds after `NOW_MS`, with a reference of that very moment; None is no reference.
    `touch` is the best price of others a side, `others` their orders."""
    now_ms = NOW_MS + round(at_s * 1000)
    orders = list(others)
    prices = [] if reference is None else [seen(source, reference, now_ms)]
    return View(
        market=market,
        now_ms=now_ms,
        mode=OperatorMode.NORMAL,
        reference=None if reference is None else Price.of(reference),
        source=source if reference is not None else ReferenceSource.NONE,
        reference_ms=None if reference is None else now_ms,
        prices=tuple(prices),
        balances_read_ms=now_ms,
        holdings=holdings(base, cash),
        touch=touch or {},
        resting={},
        others={side: tuple(o for o in orders if o.side is side) for side in Side},
        fill_totals=fill_totals or FillTotals(),
    )


def seen(source: ReferenceSource, price: str, at_ms: int) -> SourcePrice:
    """A price as `View.prices` lists it."""
    return SourcePrice(source=source, price=Price.of(price), at_ms=at_ms)


def policy(base: Policy = POLICY, /, **options: str) -> Policy:
    """With options of features; their names without the prefix, in any case."""
    return replace(base, options={f"MM_{name.upper()}": text for name, text in options.items()})


class Asked:
    """A strategy that is asked cycle after cycle, and can be restarted from what it saved."""

    def __init__(self, with_policy: Policy, make: Callable[[Policy], Strategy] = founding) -> None:
        self.strategy = make(with_policy)
        self.kept = Kept()

    def quote(self, seen: View) -> Quotes:
        quotes = self.strategy.quote(seen, self.kept)
        self.kept = quotes.kept
        return quotes

    def step_clock(self, step_ms: int) -> None:
        """Somebody set the machine's clock while the bot ran."""
        self.kept = shifted(Memory(started_ms=0, strategy=self.kept), step_ms).strategy

    def restart(self) -> None:
        """Only what survives a restart is left."""
        saved = {**self.kept.saved, **self.kept.durable}
        self.kept = Kept(saved=saved)


def best(quotes: Quotes) -> tuple[str, str]:
    """The best bid and ask."""
    return str(quotes.ladder.bids[0].price), str(quotes.ladder.asks[0].price)


def halts(quotes: Quotes) -> list[str]:
    """The reasons for which it wants nothing to rest at all."""
    return [halt.reason.value for halt in quotes.halts]


def measure(quotes: Quotes, name: str, *labels: str) -> Decimal | None:
    """What one of its gauges says; None is not known."""
    (found,) = (m.value for m in quotes.measures if (m.name, m.labels) == (name, labels))
    return found

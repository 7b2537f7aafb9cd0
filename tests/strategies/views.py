"""What a strategy is shown, built short, and one asked cycle after cycle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from mm_bot.core.balances import Holdings
from mm_bot.core.clock_step import shifted
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.memory import Memory
from mm_bot.core.policy import OperatorMode, Policy
from mm_bot.core.quoting import Kept, Quotes, SourcePrice, Strategy, View
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.snapshot import BookOrder
from mm_bot.strategies import founding
from tests.core.builders import NOW_MS, POLICY, SPOT


def holdings(base: str = "10000", cash: str = "100000000") -> Holdings:
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
    """At `at_s` seconds of the test, with a reference of that very moment."""
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
    return [halt.reason.value for halt in quotes.halts]


def measure(quotes: Quotes, name: str, *labels: str) -> Decimal | None:
    (found,) = (m.value for m in quotes.measures if (m.name, m.labels) == (name, labels))
    return found

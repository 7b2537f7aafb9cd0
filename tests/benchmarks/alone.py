"""What needs nobody's answer: signing an order, and decisions.

Measured in short stretches between everything else, so that the figures are of the whole run and
not of the one minute in which the machine's other guests were there, or were not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from coincurve import PrivateKey

from integration_harness.stack.up import LocalExchange
from mm_bot.core.decide import decide
from mm_bot.core.exact import Price
from mm_bot.core.instrument import Side
from mm_bot.strategies import founding
from tests.benchmarks.cycles import PRICES, SIZE, TRIES, WARM_UP, plain_maker
from tests.benchmarks.features import every_feature
from tests.benchmarks.figures import Figure, Target
from tests.benchmarks.in_process import Measured, opened
from tests.venues.desk import new_order

LEVELS = 10
"""A side, where deciding is timed."""
Work = Callable[[], object]


@dataclass(slots=True)
class Alone:
    """Microseconds of each work so far."""

    signing: tuple[Work, Work, Work]
    """Ours, the baseline's, and the curve operation alone."""
    rests: Work
    moved: Work
    features: tuple[Work, Work]
    """A decision with every one on, and with none."""
    took_us: dict[Work, list[float]] = field(default_factory=dict)

    def stretch(self, turns: int) -> None:
        """So many turns more. What is compared goes in turns; a decision at rest and one that moves
        do not, since each finds known what was decided on just before."""
        for works in (self.signing, (self.rests,), (self.moved,), self.features):
            for work, took in zip(works, interleaved(turns, *works), strict=True):
                self.took_us.setdefault(work, []).extend(took)

    def figures(self) -> list[Figure]:
        """Of all stretches."""
        ours, plain, bare = (tuple(self.took_us[work]) for work in self.signing)
        every, none = (tuple(self.took_us[work]) for work in self.features)
        rests, moved = (tuple(self.took_us[work]) for work in (self.rests, self.moved))
        return [
            Figure(
                name="sign one order", ours=ours, beside=bare, unit="us", target=Target(ratio=2.0),
                baseline="the bare curve operation",
            ),
            Figure(name="sign one order", ours=ours, beside=plain, unit="us"),
            Figure(name="decide, 2 x 10 levels", ours=rests, unit="us", target=Target(p50=300.0)),
            Figure(name="the same, all replaced", ours=moved, unit="us", target=Target(p50=300.0)),
            Figure(
                name="decide, every feature on", ours=every, beside=none, unit="us",
                target=Target(ratio=1.5), baseline="all of them off",
            ),
        ]  # fmt: skip


async def alone(exchange: LocalExchange) -> Alone:
    """Prepared with the exchange's help; nothing is asked of it afterwards."""
    with TemporaryDirectory() as folder, closing(plain_maker(exchange)) as plain:
        async with opened(exchange, Path(folder), levels=LEVELS) as ours:
            order = new_order(ours.venue.instrument, Side.BUY, "1596", str(SIZE))
            rests, moved = await _decisions(ours)
    key = PrivateKey()
    return Alone(
        signing=(
            lambda: ours.venue.prepare(order),
            lambda: plain.sign("buy", Decimal(1596)),
            lambda: key.sign_recoverable(b"\x01" * 32, hasher=None),
        ),
        rests=rests,
        moved=moved,
        features=every_feature(),
    )


async def _decisions(ours: Measured) -> tuple[Work, Work]:
    """Deciding again over a full ladder that rests: as it is, and where the anchor has moved, each
    time elsewhere."""
    bot, market = ours.bot, ours.venue.instrument
    for _ in range(TRIES):
        decision = await bot.cycle()
        if len(decision.plan.kept) == 2 * LEVELS:
            break
    seen, memory, policy, strategy = decision.snapshot, bot.memory, bot.policy, founding(bot.policy)
    assert seen.anchor is not None, "there is one"
    prices = (PRICES[1], PRICES[1] + Decimal("0.08"))
    moved = [replace(seen, anchor=replace(seen.anchor, price=Price(price))) for price in prices]
    plans = [decide(each, memory, policy, market, strategy).plan for each in moved]
    places = {len(plan.places) for plan in plans}
    assert {len(decision.plan.kept)} == places == {2 * LEVELS}, "the whole ladder"
    turns = cycle(moved)
    return (
        lambda: decide(seen, memory, policy, market, strategy),
        lambda: decide(next(turns), memory, policy, market, strategy),
    )


def interleaved(turns: int, *works: Work) -> list[tuple[float, ...]]:
    """Microseconds of each work, one after the other in every turn."""

    def once(work: Work) -> float:
        begin = time.perf_counter()
        work()
        return (time.perf_counter() - begin) * 1_000_000

    rows: Iterator[tuple[float, ...]] = (
        tuple(once(work) for work in works) for _ in range(turns + WARM_UP)
    )
    return list(zip(*list(rows)[WARM_UP:], strict=True))

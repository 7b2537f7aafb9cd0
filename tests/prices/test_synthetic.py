"""The made-up price: one seed is one walk, and what it is set to shows in it."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from mm_bot.core.exact import Price
from mm_bot.prices.synthetic import SyntheticSource, SyntheticSpec
from tests.prices.support import ManualClock, run

STILL = {"drift_bps_per_hour": "0", "volatility_bps": "0", "jump_bps": "100"}


def walk(seconds: int, *, every: int = 1, seed: int = 1, **changes: str | int) -> list[Decimal]:
    """The price at each second, or at every so many."""
    numbers = {name: Decimal(str(changes.get(name, text))) for name, text in STILL.items()}
    spec = SyntheticSpec(
        seed=seed,
        start=Price.of(1600),
        jump_every_s=int(changes.get("jump_every_s", 0)),
        session_s=int(changes.get("session_s", 0)),
        **numbers,
    )
    clock = ManualClock()
    source = SyntheticSource(spec, clock)

    async def whole() -> list[Decimal]:
        found = []
        for _ in range(0, seconds, every):
            found.append((await source.read()).price.value)
            clock.at_ms += every * 1000
        return found

    return run(whole())


def test_the_seed_and_the_second_are_all_that_counts() -> None:
    """The same seed walks the same way however often it is read; another seed does not."""
    whole = walk(60, volatility_bps="2")
    assert walk(60, every=7, volatility_bps="2") == whole[::7]
    assert walk(60, volatility_bps="2", seed=2) != whole
    assert whole[0] == 1600


def test_volatility_is_per_square_root_of_a_second() -> None:
    """With 2 bps the mean square of ten thousand steps is 4 bps squared, within a twentieth."""
    prices = walk(10_000, volatility_bps="2")
    squares = [((b - a) / a * 10_000) ** 2 for a, b in pairwise(prices)]
    mean = sum(squares, Decimal(0)) / len(squares)
    assert Decimal("3.8") < mean < Decimal("4.2")


def test_a_trend_and_jumps() -> None:
    """3600 bps an hour are 1 bps a second; a jump every 100 s comes about 10 times in 1000."""
    assert walk(101, drift_bps_per_hour="3600")[-1] == Decimal("1616.08")
    prices = walk(1_000, jump_every_s=100, jump_bps="100")
    jumps = [abs(b - a) / a * 10_000 for a, b in pairwise(prices) if b != a]
    assert 4 <= len(jumps) <= 20
    assert all(abs(jump - 100) < 1 for jump in jumps)


def test_a_session_that_is_over_begins_anew() -> None:
    """Every 50 seconds at the start price, with other moves than before."""
    prices = walk(150, volatility_bps="5", session_s=50)
    assert [prices[0], prices[50], prices[100]] == [1600] * 3
    assert prices[1:50] != prices[51:100]

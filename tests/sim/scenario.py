"""What a seed decides before anything happens: the market, the settings, who else is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from mm_bot.core.exact import Amount, Size
from mm_bot.core.instrument import Instrument
from mm_bot.core.policy import Policy
from tests.core import builders


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    market: Instrument
    policy: Policy
    poll_ms: int
    alone: bool
    """Nobody else rests orders; takers come and go, and the anchor does not move."""
    quiet: bool
    """Nothing happens at all."""
    unmanaged: int
    """Own orders that rest before the first start."""
    restarts: float
    storm_ms: int

    @property
    def calm_ms(self) -> int:
        """The slowest cure: a full minute of the cancel budget, or an order's whole life."""
        return 140_000 if self.policy.risk.max_cancels_per_minute else 60_000

    @staticmethod
    def drawn(random: Random) -> Scenario:
        spot = random.random() < 0.6
        quiet = random.random() < 0.1
        return Scenario(
            market=builders.SPOT if spot else builders.FUTURE,
            policy=_policy(random, spot, quiet),
            poll_ms=random.choice((500, 1_000, 2_000)),
            alone=quiet or random.random() < 0.25,
            quiet=quiet,
            unmanaged=random.choice((0, 0, 1, 3, 6)),
            restarts=random.choice((0.0, 0.03, 0.1)),
            storm_ms=random.choice((6_000, 12_000, 18_000)),
        )


def _policy(random: Random, spot: bool, quiet: bool) -> Policy:
    levels = random.choice((1, 1, 2, 3))
    size = Decimal(100) if spot else Decimal(1)
    middle = Decimal(10_000) if spot else Decimal(0)
    room = size * random.choice((2, 6, 1_000))
    longest, shortest = Size(middle + room), Size(middle - room if not spot else Decimal(-100))
    unit = size * 1600 * (1 if spot else 10_000)
    notional = random.choice((None, None, Amount(unit * levels * Decimal("0.8"))))
    return replace(
        builders.POLICY,
        reference=replace(
            builders.REFERENCES,
            bootstrap=spot and random.random() < 0.5,
            trade_max_age_ms=random.choice((5_000, 300_000)),
        ),
        quote=replace(
            builders.QUOTES,
            order_size=Size(size),
            half_spread_bps=Decimal(random.choice((10, 25, 60))),
            skew_bps=Decimal(random.choice((0, 15, 100))),
            levels=levels,
            level_step_bps=Decimal(random.choice((12, 20))),
            level_size_mult=Decimal(random.choice(("1", "1.5"))),
            max_long=longest,
            max_short=shortest,
            max_notional_per_side=notional,
        ),
        risk=replace(
            builders.RISKS,
            max_long=longest,
            max_short=shortest,
            max_notional_per_side=notional,
            max_cancels_per_minute=random.choice((None, 4, 10, 30)),
        ),
        reconcile=replace(
            builders.RECONCILES,
            min_lifetime_ms=random.choice((0, 0, 2_000)),
            min_move_bps=Decimal(random.choice((0, 0, 8))),
            refresh_interval_ms=random.choice((10, 500, 5_000)),
            # What only its expiry can tell has to be told before the calm ends.
            order_life_ms=300_000 if quiet else random.choice((12_000, 25_000, 40_000)),
        ),
    )

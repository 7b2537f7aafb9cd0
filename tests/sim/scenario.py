"""What a seed decides before anything happens: the market, the settings, who else is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from mm_bot.core.exact import NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import Instrument
from mm_bot.core.policy import Policy
from mm_bot.core.snapshot import Reserved
from tests.core import builders
from tests.sim.model import Model
from tests.sim.virtual_time import EPOCH_MS

FIRST_PRICE = Decimal(1600)
LONG_MS = 250_000
"""An order's life in which a match may take minutes to commit."""


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

    def reserves(self, random: Random, model: Model) -> Reserved:
        """What other markets hold of the two balances: mostly nothing, else all but some orders."""
        market, size = self.market, self.policy.quote.order_size
        if random.random() < 0.7 or self.quiet:
            return Reserved()
        free = size.times(Decimal(random.choice(("0.6", "1.5", "4"))))
        if market.is_spot:
            cash = Amount(model.quote) - market.notional(Price(FIRST_PRICE), free)
            return Reserved(base=max(Size(model.base) - free, NO_SIZE), quote=cash)
        held = free.times(market.multiplier * market.margin_rate)
        return Reserved(quote=Amount(model.quote - held.value))

    @staticmethod
    def drawn(random: Random) -> Scenario:
        spot = random.random() < 0.6
        quiet = random.random() < 0.1
        market = builders.SPOT if spot else _future(random, quiet)
        policy = _policy(random, spot, quiet)
        # Drawn from what is drawn already, so that the seeds keep their worlds.
        together = policy.quote.half_spread_bps < 25
        policy = replace(policy, reconcile=replace(policy.reconcile, together=together))
        at_once = policy.quote.skew_bps == 15
        able = replace(market.capabilities, atomic_replace=at_once)
        market = replace(market, capabilities=able)
        return Scenario(
            market=market,
            policy=policy,
            poll_ms=random.choice((500, 1_000, 2_000)),
            alone=quiet or random.random() < 0.25,
            quiet=quiet,
            unmanaged=random.choice((0, 0, 1, 3, 6)),
            restarts=random.choice((0.0, 0.03, 0.1)),
            storm_ms=random.choice((6_000, 12_000, 18_000)),
        )


def _future(random: Random, quiet: bool) -> Instrument:
    """Now and then one that ends while the bot runs."""
    ends_ms = EPOCH_MS + random.choice((20_000, 45_000, 90_000))
    if quiet or random.random() > 0.15:
        return builders.FUTURE
    return replace(builders.FUTURE, expiry_ms=ends_ms)


def _policy(random: Random, spot: bool, quiet: bool) -> Policy:
    levels = random.choice((1, 1, 2, 3))
    size = Decimal(100) if spot else Decimal(1)
    middle = Decimal(10_000) if spot else Decimal(0)
    room = size * random.choice((2, 6, 1_000))
    longest, shortest = Size(middle + room), Size(middle - room if not spot else Decimal(-100))
    deviation = random.choice((Decimal(500), Decimal(500), Decimal(50)))
    unit = size * 1600 * (1 if spot else 10_000)
    notional = random.choice((None, None, Amount(unit * levels * Decimal("0.8"))))
    return replace(
        builders.POLICY,
        reference=replace(
            builders.REFERENCES,
            bootstrap=spot and random.random() < 0.5,
            bootstrap_only=random.random() < 0.5,
            trade_max_age_ms=random.choice((5_000, 300_000)),
            external_max_age_ms=random.choice((4_000, 30_000)),
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
            anchor_deviation_bps=deviation,
            balances_max_age_ms=random.choice((6_000, 30_000)),
            market_data_max_age_ms=random.choice((3_000, 10_000)),
            anchor_max_age_ms=random.choice((4_000, 60_000)),
            max_cancels_per_minute=random.choice((None, 4, 10, 30)),
        ),
        reconcile=replace(
            builders.RECONCILES,
            min_lifetime_ms=random.choice((0, 0, 2_000)),
            min_move_bps=Decimal(random.choice((0, 0, 8))),
            refresh_interval_ms=random.choice((10, 500, 5_000)),
            # What only its expiry can tell has to be told before the calm ends.
            order_life_ms=300_000
            if quiet
            else random.choice((12_000, 25_000, 40_000, 40_000, LONG_MS)),
        ),
    )

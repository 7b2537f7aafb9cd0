"""The parts of one seed: the market and the exchange, the machine, the people, the weather, the
checker that hears of everything, and, on the wire, the exchange's services.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from random import Random

from tests.sim.checker import Checker
from tests.sim.features import Features, drawn, with_features
from tests.sim.machine import Disk, FileDisk, Switch
from tests.sim.matcher import Matcher
from tests.sim.model import Model
from tests.sim.mutation import Mutation
from tests.sim.people import People
from tests.sim.scenario import LONG_MS, Scenario
from tests.sim.script import Script
from tests.sim.virtual_time import VirtualClock
from tests.sim.weather import Weather, calm, storm
from tests.sim.wire import places
from tests.sim.wire.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which run: see `simulate`."""

    seed: int
    mutation: Mutation | None = None
    trace: bool = False
    features: bool = False
    wire: bool = False
    only: Collection[str] | None = None


class Scene:
    """The parts that a mutation may change are public."""

    def __init__(self, asked: Asked) -> None:
        seed, features, wire = asked.seed, asked.features, asked.wire
        self.random = Random(seed)
        self.scenario = Scenario.drawn(self.random)
        if wire:
            market = places.listed_as(self.scenario.market)
            self.scenario = replace(self.scenario, market=market)
        self.script = Script(asked.only)
        self.clock = VirtualClock()
        self.model = Model(self.scenario.market, self.clock, Random(seed + 1))
        self.matcher = Matcher(self.model, self.model.random)
        self.matcher.script = self.script
        quiet = self.scenario.quiet
        long = self.scenario.policy.reconcile.order_life_ms == LONG_MS
        self.matcher.very_late = 0.6 if long else 0.0
        self.late_strike_due = long and self.scenario.restarts > 0
        self.weather: Weather = calm() if quiet else storm(self.random)
        self.follow_weather()
        self.model.reserved_elsewhere = self.scenario.reserves(Random(seed + 4), self.model)
        market, founding = self.scenario.market, self.scenario.policy
        options = drawn(Random(seed + 2), quiet, founding, spot=market.is_spot)
        self.features = Features(options if features else {}, market)
        self.policy = with_features(self.scenario.policy, self.features.options)
        self._wire = wire
        self.disk = self.new_disk(Random(seed + 5))
        self.switch = Switch(Random(seed + 6))
        self.forget_nonces = False
        self.clock_behind_ms = 0
        self.extra = Random(seed + 7)
        self.payments = Random(seed + 11)
        self.fine = Random(seed + 12)
        self.aimed = Random(seed + 13)
        self._ends = Random(seed + 10)
        self.midst = Random(seed + 15)
        self.mutation = asked.mutation
        self.checker = Checker(
            self.model,
            self.policy,
            alone=self.scenario.alone,
            truth_limits=not self.weather.freezes,
            reducing=self.features.reducing,
            trace=asked.trace,
        )
        self.checker.reserved = lambda: self.disk.nonce_floor
        self.model.changed = self.checker.changed
        self.flood_due = False
        self.site: Site | None = None
        if wire:
            self.flood_due = Random(seed + 9).random() < 0.04
            self.site = Site(
                self.model,
                self.weather,
                self.script,
                self.checker,
                Random(seed + 8),
                Random(seed + 14),
            )
        self.people = People(self.model, self.scenario, self.random)
        self.people.jumps = Random(seed + 3) if features else None

    def new_disk(self, random: Random) -> Disk:
        if not self._wire:
            return Disk(self.clock, random)
        return FileDisk(self.clock, random, places.identity(self.scenario.market))

    def follow_weather(self) -> None:
        weather, matcher, chain = self.weather, self.matcher, self.model.chain
        matcher.late_rows, matcher.reverts = weather.late_rows, weather.reverts
        matcher.dies = weather.dies
        chain.lags_ms, chain.delay_ms = weather.lags_ms, weather.settles_after_ms

    def steps_to_live(self) -> int:
        """Of a process that ends by itself, between any two of its awaits; else 0."""
        if not self.scenario.restarts or self._ends.random() < 0.5:
            return 0
        return self._ends.choice((300, 3_000)) + self._ends.randrange(3_000)

    def drop_lock(self) -> None:
        if self.site is None:
            self.model.drop_lock()
        else:
            self.site.drop_lock()

"""What can go wrong with one request: drawn by the weather, noted in the script."""

from __future__ import annotations

from enum import Enum
from random import Random

from tests.sim.script import Script
from tests.sim.weather import Weather


class Mishap(Enum):
    LOST = "it never arrives, and nobody answers"
    LATE = "it arrives after its sender gave up"
    CUT_UNSERVED = "the connection breaks before it arrives"
    TURNED_AWAY = "something in between answers instead"
    OVERTAKEN = "something in between answers, and it is served later"
    SILENT = "it is served, and nobody answers"
    CUT = "it is served, and the connection breaks without an answer"
    CUT_HALF = "it is served, and the connection breaks in the middle of the answer"
    MISREPORTED = "it is served, and something in between answers otherwise"
    GARBLED = "it is served, and the answer comes garbled"


UNSERVED = (Mishap.LOST, Mishap.CUT_UNSERVED)
UNHEARD = (Mishap.SILENT, Mishap.CUT, Mishap.CUT_HALF, Mishap.GARBLED)
ANSWERED_FOR = (Mishap.TURNED_AWAY, Mishap.OVERTAKEN, Mishap.MISREPORTED)


class Mishaps:
    """Those of one process's requests. The chances are the weather's of now."""

    def __init__(self, weather: Weather, script: Script, random: Random) -> None:
        self.weather = weather
        self.script = script
        self.random = random

    def of(self, site: str) -> Mishap | None:
        """What becomes of one request there: `place`, `cancel`, or the name of a read."""
        if site == "place":
            return self._posted("place", self.weather.place_delayed)
        if site == "cancel":
            return self._posted("cancel", 0.0)
        if self._strikes(site, self.weather.read_fails):
            return self.random.choice(tuple(Mishap))
        return None

    def _posted(self, what: str, delayed: float) -> Mishap | None:
        weather, choice = self.weather, self.random.choice
        if self._strikes(f"{what}_lost", getattr(weather, f"{what}_lost")):
            return choice(UNSERVED)
        if self._strikes(f"{what}_delayed", delayed):
            return Mishap.LATE
        if self._strikes(f"{what}_reply_lost", getattr(weather, f"{what}_reply_lost")):
            return choice(UNHEARD)
        if self._strikes(f"{what}_error", weather.errors):
            return choice(ANSWERED_FOR)
        return None

    def refused(self) -> bool:
        """Whether a connection is not even made."""
        return self._strikes("connect", self.weather.read_fails / 4)

    def ends_idle(self) -> bool:
        """Whether a connection is closed while nobody uses it."""
        return self._strikes("idle", self.weather.errors / 4)

    def freezes(self, site: str) -> bool:
        """Whether a source begins to answer with what it knew."""
        return self._strikes(f"{site}_freezes", self.weather.freezes)

    def ends_session(self) -> bool:
        """Whether the database ends a session, which held the lock."""
        return self._strikes("session", self.weather.lock_lost)

    def delay_ms(self) -> float:
        return self.weather.delay_ms(self.random)

    def _strikes(self, site: str, chance: float) -> bool:
        return self.script.strikes(site, self.random, chance)

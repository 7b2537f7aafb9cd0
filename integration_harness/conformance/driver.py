"""What an exchange under test has to offer: a look at the bot's account, a taker, and its faults.

A driver owns one fake exchange and one account on it that the bot trades with. Sizes are what the
exchange counts in units of the base, exact. Nothing here waits for the bot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from integration_harness.stack.quantities import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Resting:
    """One live order of the bot's account."""

    name: str
    """The id as the bot gives it, whatever the exchange made of it."""
    side: Side
    price: Decimal
    left: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One order as it left the bot, taken or not."""

    nonce: str
    signature: str


class Driver(Protocol):
    """One exchange. Every claim starts with `begin`; `close` ends everything."""

    name: str
    symbol: str
    price: Decimal
    """What the price source of the bot says."""
    lacks: Mapping[str, str]
    """What the exchange cannot do and a claim needs: the capability by its name, and why."""

    def begin(self) -> None:
        """An empty market, no faults, nothing remembered of what was sent."""

    def close(self) -> None: ...

    def environment(self) -> dict[str, str]:
        """The variables that lead a bot here, its order size and its limits."""

    def short_life(self) -> dict[str, str]:
        """Variables for the shortest life of orders that `outlive` then need outlast."""

    # What is seen

    def live(self) -> tuple[Resting, ...]:
        """Every live order of the bot's account in this market, whoever placed it."""

    def strangers(self) -> tuple[str, ...]:
        """The names of live orders of other accounts."""

    def most_live(self) -> Mapping[Side, int]:
        """The most orders of the bot's own names that a side ever had at one moment."""

    def fills(self) -> tuple[tuple[Side, Fraction], ...]:
        """Every fill of the bot's account since the beginning: its side, and its size."""

    def sent(self) -> tuple[Sent, ...]:
        """Every order that left the bot since the beginning, each time it did."""

    # What others do

    def take(self, side: Side, part: Decimal) -> None:
        """A stranger takes that part of the bot's order on that side; nothing where there is
        none."""

    def sweep(self, side: Side) -> None:
        """A stranger takes whatever that side of the book still gives, and withdraws the rest."""

    def place_own(self, name: str, side: Side, away_bps: int) -> str:
        """An order of that name on the bot's own account, so far from trading; its name as it is
        then seen in `live`."""

    def place_foreign(self, name: str, side: Side, away_bps: int) -> str:
        """The same of a stranger; its name in `strangers`."""

    # Faults: a count is of the next ones, a switch holds until it is turned back

    def weather(self, on: bool) -> None:
        """What is pushed comes twice and in another order, and answers come late."""

    def lose_replies(self, count: int) -> None:
        """Orders are taken, and nobody answers."""

    def swallow(self, count: int) -> None:
        """Orders never arrive, and nobody answers."""

    def refuse(self, count: int) -> None:
        """Orders are answered with a plain no."""

    def limit_rate(self, on: bool) -> None:
        """Every order is answered as over the rate; cancels are not."""

    def fill_before_cancel(self, count: int) -> None:
        """Just before a cancel is looked at, its order is filled in part."""

    def lose_pushes(self, on: bool) -> None:
        """Nothing is pushed."""

    def cut(self) -> None:
        """Every connection of the bot's ends; new ones are taken. Orders stay."""

    def mute(self, on: bool) -> None:
        """Nothing that the bot asks is answered."""

    def dead_man(self, on: bool) -> None:
        """Whether the exchange ends orders whose connection ended. On from the beginning, where
        it has such a thing."""

    def outlive(self) -> None:
        """Let the time pass at whose end every order placed with `short_life` has expired."""

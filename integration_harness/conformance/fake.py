"""A driver over a fake of `integration_harness/venues`: what all of them are asked alike.

The driver of one exchange says what it is called and counted in, how its fake is made, what leads a
bot there, how it tells what was filled and sent, and which of its faults are switched otherwise.
"""

from __future__ import annotations

import itertools
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from integration_harness.conformance.driver import Resting, Sent
from integration_harness.stack.quantities import Side

LATE_SECONDS = 0.02
STRANGERS = 0
"""The account of everybody else."""


class Order(Protocol):
    """One order of a fake."""

    @property
    def label(self) -> str: ...

    @property
    def direction(self) -> str: ...

    @property
    def price(self) -> Decimal: ...

    @property
    def left(self) -> Decimal: ...


class Fake(Protocol):
    """As far as all are alike."""

    @property
    def faults(self) -> Any: ...

    @property
    def most_live(self) -> Mapping[str, int]: ...

    def start(self) -> None: ...

    def close(self) -> None: ...

    def live(self, subaccount_id: int, /) -> Sequence[Order]: ...

    def rest(
        self, direction: str, price: str, amount: str, *, subaccount_id: int = 0, label: str = ""
    ) -> Order: ...

    def take(self, direction: str, amount: str, /) -> None: ...

    def drop_sockets(self) -> None: ...


F = TypeVar("F", bound=Fake)


class FakeDriver(ABC, Generic[F]):
    """See `Driver`; a new fake for each claim."""

    name: str
    symbol: str
    price = Decimal(3000)
    lacks: Mapping[str, str]
    account: int
    """The bot's, by the fake's number."""
    size = "0.5"
    """Of the bot's orders, and of those that are put there directly."""
    step = Decimal("0.001")
    tick = Decimal("0.01")

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=f"conformance-{self.name}-")
        self._numbers = itertools.count()
        self.server = self.made()

    @abstractmethod
    def made(self) -> F:
        """A fake with the bot's account, not started."""

    @abstractmethod
    def own_environment(self) -> dict[str, str]:
        """What leads a bot there, but for `environment`."""

    @abstractmethod
    def short_life(self) -> dict[str, str]: ...

    @abstractmethod
    def fills(self) -> tuple[tuple[Side, Fraction], ...]: ...

    @abstractmethod
    def sent(self) -> tuple[Sent, ...]: ...

    @abstractmethod
    def refuse(self, count: int) -> None: ...

    @abstractmethod
    def outlive(self) -> None: ...

    def named(self, label: str) -> str:
        """The bot's own id behind what the exchange carries of it."""
        return label

    def carried(self, name: str) -> str:
        """What the exchange carries of such an id."""
        return name

    def begin(self) -> None:
        self.server.close()
        self.server = self.made()
        self.lock_file = Path(self._folder.name) / f"lock-{next(self._numbers)}"
        self.server.start()

    def close(self) -> None:
        self.server.close()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        return {
            "MM_VENUE": self.name,
            "MM_MARKET_SYMBOL": self.symbol,
            "MM_ORDER_SIZE": self.size,
            "MM_MAX_LONG_INVENTORY": "100",
            "MM_MAX_SHORT_INVENTORY": "-100",
            "MM_ANCHOR_MIN_PRICE": "100",
            "MM_ANCHOR_MAX_PRICE": "100000",
            **self.own_environment(),
        }

    def live(self) -> tuple[Resting, ...]:
        return tuple(
            Resting(
                name=self.named(order.label),
                side=side_of(order),
                price=order.price,
                left=Fraction(order.left),
            )
            for order in self.orders()
        )

    def orders(self) -> Sequence[Order]:
        """The live orders of the bot's account here."""
        return self.server.live(self.account)

    def strangers(self) -> tuple[str, ...]:
        return tuple(order.label for order in self.server.live(STRANGERS))

    def most_live(self) -> Mapping[Side, int]:
        most = self.server.most_live
        return {"buy": most["buy"], "sell": most["sell"]}

    def take(self, side: Side, part: Decimal) -> None:
        found = self.takeable(side)
        if found:
            amount = max(self.step, (found[0].left * part).quantize(self.step))
            self.hit(side, str(amount))

    def takeable(self, side: Side) -> Sequence[Order]:
        """The bot's orders of a side that somebody may take now."""
        return [order for order in self.orders() if order.direction == side]

    def hit(self, side: Side, amount: str) -> None:
        """A stranger takes so much of a side."""
        self.server.take("sell" if side == "buy" else "buy", amount)

    def sweep(self, side: Side) -> None:
        self.hit(side, "1000")

    def place_own(self, name: str, side: Side, away_bps: int) -> str:
        return self._rest(name, side, away_bps, self.account)

    def place_foreign(self, name: str, side: Side, away_bps: int) -> str:
        return self._rest(name, side, away_bps, STRANGERS)

    def _rest(self, name: str, side: Side, away_bps: int, account: int) -> str:
        label, sign = self.carried(name), -1 if side == "buy" else 1
        price = (self.price * (10_000 + sign * away_bps) / 10_000).quantize(self.tick)
        self.server.rest(side, str(price), self.size, subaccount_id=account, label=label)
        return label

    def weather(self, on: bool) -> None:
        faults = self.server.faults
        faults.duplicate_pushes = faults.reversed_pushes = on
        faults.reply_delay_s = LATE_SECONDS if on else 0.0

    def lose_replies(self, count: int) -> None:
        self.server.faults.lose_replies = count

    def swallow(self, count: int) -> None:
        self.server.faults.swallowed = count

    def limit_rate(self, on: bool) -> None:
        self.server.faults.rate_limited = 10**9 if on else 0

    def fill_before_cancel(self, count: int) -> None:
        self.server.faults.filled_before_cancel = count

    def lose_pushes(self, on: bool) -> None:
        self.server.faults.no_pushes = on

    def cut(self) -> None:
        self.server.drop_sockets()

    def mute(self, on: bool) -> None:
        self.server.faults.mute = on

    def dead_man(self, on: bool) -> None:
        """Most have none."""


def side_of(order: Order) -> Side:
    return "buy" if order.direction == "buy" else "sell"

"""The toy exchange as the conformance kit sees it."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from integration_harness.conformance.driver import Resting, Sent
from integration_harness.stack.quantities import Side
from tests.toy.server import KEY, STRANGER, Faults, Order, ToyServer


class ToyDriver:
    """One perpetual; a new server for each claim."""

    name = "toy"
    symbol = "TOY-PERP"
    price = Decimal(3000)
    lacks: Mapping[str, str] = {
        "dead_man": "the exchange has none; an order's expiry alone ends it",
    }

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-toy-")
        self._numbers = itertools.count()
        self._server = ToyServer()
        self._url = ""

    def begin(self) -> None:
        self._server.close()
        self._server = ToyServer()
        self._url = self._server.start()

    def close(self) -> None:
        self._server.close()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        return {
            "MM_VENUE": "tests.toy.settings",
            "MM_TOY_URL": self._url,
            "MM_TOY_KEY": KEY,
            "MM_TOY_LOCK_FILE": str(Path(self._folder.name) / "lock"),
            "MM_MARKET_SYMBOL": self.symbol,
            "MM_ORDER_SIZE": "0.5",
            "MM_MAX_LONG_INVENTORY": "100",
            "MM_MAX_SHORT_INVENTORY": "-100",
            "MM_ANCHOR_MIN_PRICE": "100",
            "MM_ANCHOR_MAX_PRICE": "100000",
        }

    def short_life(self) -> dict[str, str]:
        return {"MM_ORDER_EXPIRY_SECONDS": "4"}

    def live(self) -> tuple[Resting, ...]:
        return tuple(
            Resting(name=o.order_id, side=_side(o), price=o.price, left=Fraction(o.left))
            for o in self._server.live(KEY)
        )

    def strangers(self) -> tuple[str, ...]:
        return tuple(order.order_id for order in self._server.live(STRANGER))

    def most_live(self) -> Mapping[Side, int]:
        most = self._server.most_live
        return {"buy": most["buy"], "sell": most["sell"]}

    def fills(self) -> tuple[tuple[Side, Fraction], ...]:
        with self._server.lock:
            mine = [fill for owner, fill in self._server.fills if owner == KEY]
        return tuple(("buy" if f["side"] == "buy" else "sell", Fraction(f["size"])) for f in mine)

    def sent(self) -> tuple[Sent, ...]:
        return tuple(
            Sent(nonce=str(body["nonce"]), signature=str(body)) for body in [*self._server.sent]
        )

    def take(self, side: Side, part: Decimal) -> None:
        found = [order for order in self._server.live(KEY) if order.side == side]
        if found:
            self._server.take(side, found[0].left * part)

    def sweep(self, side: Side) -> None:
        self._server.take(side, Decimal(1000))

    def place_own(self, name: str, side: Side, away_bps: int) -> str:
        return self._rest(KEY, name, side, away_bps)

    def place_foreign(self, name: str, side: Side, away_bps: int) -> str:
        return self._rest(STRANGER, name, side, away_bps)

    def weather(self, on: bool) -> None:
        self._faults.late_s = 0.02 if on else 0.0

    def lose_replies(self, count: int) -> None:
        self._faults.lose_replies = count

    def swallow(self, count: int) -> None:
        self._faults.swallow = count

    def refuse(self, count: int) -> None:
        self._faults.refuse = count

    def limit_rate(self, on: bool) -> None:
        self._faults.over_rate = on

    def fill_before_cancel(self, count: int) -> None:
        self._faults.fill_before_cancel = count

    def lose_pushes(self, on: bool) -> None:
        """Nothing is ever pushed."""

    def cut(self) -> None:
        """Each request has a connection of its own as far as the bot can tell."""

    def mute(self, on: bool) -> None:
        self._faults.mute = on

    def dead_man(self, on: bool) -> None:
        """There is none."""

    def outlive(self) -> None:
        time.sleep(5)

    @property
    def _faults(self) -> Faults:
        return self._server.faults

    def _rest(self, owner: str, name: str, side: Side, away_bps: int) -> str:
        sign = -1 if side == "buy" else 1
        price = (self.price * (10_000 + sign * away_bps) / 10_000).quantize(Decimal("0.01"))
        body = {"id": name, "nonce": next(self._numbers), "side": side, "price": str(price)}
        self._server.place(owner, {**body, "size": "0.5", "expires_s": 2**40})
        return name


def _side(order: Order) -> Side:
    return "buy" if order.side == "buy" else "sell"

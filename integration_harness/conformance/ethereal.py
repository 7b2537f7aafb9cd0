"""Ethereal as the kit sees it: the server of `venues/ethereal`, asked directly."""

from __future__ import annotations

import itertools
import re
import tempfile
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final

from eth_account import Account

from integration_harness.conformance.driver import Resting, Sent
from integration_harness.stack.quantities import Side
from integration_harness.venues.ethereal import EtherealServer, Order

_OWNER: Final = str(Account.from_key("0x" + "a1" * 32).address)
_LINKED_KEY: Final = "0x" + "b2" * 32
_SUBACCOUNT: Final = 7
_SIZE: Final = "0.5"
_STEP: Final = Decimal("0.001")
_TICK: Final = Decimal("0.1")
_LIFE_SECONDS: Final = 120.0
"""Longer than an order of `short_life` lives."""
_LATE_SECONDS: Final = 0.02
_OURS: Final = re.compile(rf"mm{EtherealServer.symbol}([bs])([1-9][0-9]{{18}})")


class EtherealDriver:
    """One perpetual; a new server for each claim."""

    name = "ethereal"
    symbol: str = EtherealServer.symbol
    price = Decimal(3000)
    lacks: Mapping[str, str] = {"dead_man": "only their expiry ends orders there"}

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-ethereal-")
        self._numbers = itertools.count()
        self._server = EtherealServer()

    def begin(self) -> None:
        self._server.close()
        self._server = EtherealServer()
        self._server.add_trader(_OWNER, _SUBACCOUNT, str(Account.from_key(_LINKED_KEY).address))
        self._lock_file = Path(self._folder.name) / f"lock-{next(self._numbers)}"
        self._server.start()

    def close(self) -> None:
        self._server.close()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        return {
            "MM_VENUE": "ethereal",
            "MM_ETHEREAL_NETWORK": "testnet",
            "MM_ETHEREAL_REST_URL": self._server.rest_url,
            "MM_ETHEREAL_SOCKET_URL": self._server.socket_url,
            "MM_ETHEREAL_LOCK_FILE": str(self._lock_file),
            "MM_OWNER_ADDRESS": _OWNER,
            "MM_SIGNER_PRIVATE_KEY": _LINKED_KEY,
            "MM_MARKET_SYMBOL": self.symbol,
            "MM_ORDER_SIZE": _SIZE,
            "MM_MAX_LONG_INVENTORY": "100",
            "MM_MAX_SHORT_INVENTORY": "-100",
            "MM_ANCHOR_MIN_PRICE": "100",
            "MM_ANCHOR_MAX_PRICE": "100000",
            "MM_PROTECTED_ORDER_ID_PREFIXES": "test",
        }

    def short_life(self) -> dict[str, str]:
        return {"MM_ORDER_EXPIRY_SECONDS": "30"}

    def live(self) -> tuple[Resting, ...]:
        return tuple(
            Resting(
                name=_name(order.label),
                side=_side(order),
                price=order.price,
                left=Fraction(order.left),
            )
            for order in self._server.live(_SUBACCOUNT, self.symbol)
        )

    def strangers(self) -> tuple[str, ...]:
        return tuple(order.label for order in self._server.live(0))

    def most_live(self) -> Mapping[Side, int]:
        most = self._server.most_live
        return {"buy": most["buy"], "sell": most["sell"]}

    def fills(self) -> tuple[tuple[Side, Fraction], ...]:
        mine = list(self._server.exchange.fills)
        return tuple(("sell" if f["side"] else "buy", Fraction(f["filled"])) for f in mine)

    def sent(self) -> tuple[Sent, ...]:
        return tuple(
            Sent(
                nonce=_name(body["data"]["clientOrderId"]).rpartition(":")[2],
                signature=body["signature"],
            )
            for path, body in list(self._server.received)
            if path == "order"
        )

    def take(self, side: Side, part: Decimal) -> None:
        found = [order for order in self._server.live(_SUBACCOUNT) if order.direction == side]
        if found:
            amount = max(_STEP, (found[0].left * part).quantize(_STEP))
            self._server.take(_opposite(side), str(amount))
            self._server.match()

    def sweep(self, side: Side) -> None:
        self._server.take(_opposite(side), "1000")
        self._server.match()

    def place_own(self, name: str, side: Side, away_bps: int) -> str:
        return self._rest(name, side, away_bps, _SUBACCOUNT)

    def place_foreign(self, name: str, side: Side, away_bps: int) -> str:
        return self._rest(name, side, away_bps, 0)

    def weather(self, on: bool) -> None:
        faults = self._server.faults
        faults.duplicate_pushes = faults.reversed_pushes = on
        faults.reply_delay_s = _LATE_SECONDS if on else 0.0

    def lose_replies(self, count: int) -> None:
        self._server.faults.lose_replies = count

    def swallow(self, count: int) -> None:
        self._server.faults.swallowed = count

    def refuse(self, count: int) -> None:
        """By turns as not created at all, and as created and over at once."""
        self._server.faults.codes = deque(["RiskLimitExceeded"] * (count - count // 2))
        self._server.faults.results = deque(["ImmediateMatchPostOnly"] * (count // 2))

    def limit_rate(self, on: bool) -> None:
        self._server.faults.rate_limited = 10**9 if on else 0

    def fill_before_cancel(self, count: int) -> None:
        self._server.faults.filled_before_cancel = count

    def lose_pushes(self, on: bool) -> None:
        self._server.faults.no_pushes = on

    def cut(self) -> None:
        self._server.drop_sockets()

    def mute(self, on: bool) -> None:
        self._server.faults.mute = on

    def dead_man(self, on: bool) -> None:
        """There is none."""

    def outlive(self) -> None:
        self._server.faults.clock_ahead_s += _LIFE_SECONDS

    def _rest(self, name: str, side: Side, away_bps: int, subaccount_id: int) -> str:
        """A client id has no colons: the name without them, its side as a letter."""
        label = name.replace(":buy:", "b").replace(":sell:", "s").replace(":", "")
        sign = -1 if side == "buy" else 1
        price = (self.price * (10_000 + sign * away_bps) / 10_000).quantize(_TICK)
        self._server.rest(side, str(price), _SIZE, subaccount_id=subaccount_id, label=label)
        return label


def _name(label: str) -> str:
    """The bot's own id behind a client id; any other client id as it is."""
    found = _OURS.fullmatch(label)
    if found is None:
        return label
    side = "buy" if found[1] == "b" else "sell"
    return f"mm:{EtherealServer.symbol}:{side}:{found[2]}"


def _side(order: Order) -> Side:
    return "buy" if order.direction == "buy" else "sell"


def _opposite(side: Side) -> Side:
    return "sell" if side == "buy" else "buy"

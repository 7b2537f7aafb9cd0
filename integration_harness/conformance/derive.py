"""Derive as the kit sees it: the server of `venues/derive.py`, asked directly."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final

from eth_account import Account

from integration_harness.conformance.driver import Resting, Sent
from integration_harness.stack.quantities import Side
from integration_harness.venues.derive import DeriveServer, Order

_OWNER: Final = str(Account.from_key("0x" + "a1" * 32).address)
_SESSION_KEY: Final = "0x" + "b2" * 32
_SUBACCOUNT: Final = 75723
_SIZE: Final = "0.5"
_STEP: Final = Decimal("0.001")
_LIFE_SECONDS: Final = 1000.0
"""Longer than any order of the bot lives."""
_LATE_SECONDS: Final = 0.02


class DeriveDriver:
    """One perpetual; a new server for each claim."""

    name = "derive"
    symbol: str = DeriveServer.symbol
    price = Decimal(3000)
    lacks: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-derive-")
        self._numbers = itertools.count()
        self._server = DeriveServer()

    def begin(self) -> None:
        self._server.close()
        self._server = DeriveServer()
        signer = str(Account.from_key(_SESSION_KEY).address)
        self._server.add_trader(_OWNER, _SUBACCOUNT, signer)
        self._lock_file = Path(self._folder.name) / f"lock-{next(self._numbers)}"
        self._server.start()

    def close(self) -> None:
        self._server.close()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        return {
            "MM_VENUE": "derive",
            "MM_DERIVE_NETWORK": "testnet",
            "MM_DERIVE_SOCKET_URL": self._server.socket_url,
            "MM_DERIVE_HTTP_URL": self._server.http_url,
            "MM_DERIVE_LOCK_FILE": str(self._lock_file),
            "MM_OWNER_ADDRESS": _OWNER,
            "MM_SIGNER_PRIVATE_KEY": _SESSION_KEY,
            "MM_SUBACCOUNT_ID": str(_SUBACCOUNT),
            "MM_MARKET_SYMBOL": self.symbol,
            "MM_ORDER_SIZE": _SIZE,
            "MM_MAX_LONG_INVENTORY": "100",
            "MM_MAX_SHORT_INVENTORY": "-100",
            "MM_ANCHOR_MIN_PRICE": "100",
            "MM_ANCHOR_MAX_PRICE": "100000",
        }

    def short_life(self) -> dict[str, str]:
        return {}

    def live(self) -> tuple[Resting, ...]:
        return tuple(
            Resting(
                name=order.label,
                side=_side(order),
                price=order.price,
                left=Fraction(order.left),
            )
            for order in self._server.live(_SUBACCOUNT)
        )

    def strangers(self) -> tuple[str, ...]:
        return tuple(order.label for order in self._server.live(0))

    def most_live(self) -> Mapping[Side, int]:
        most = self._server.most_live
        return {"buy": most["buy"], "sell": most["sell"]}

    def fills(self) -> tuple[tuple[Side, Fraction], ...]:
        mine = (t for t in list(self._server.trades) if t["subaccount_id"] == _SUBACCOUNT)
        return tuple(
            ("buy" if t["direction"] == "buy" else "sell", Fraction(t["trade_amount"]))
            for t in mine
        )

    def sent(self) -> tuple[Sent, ...]:
        return tuple(
            Sent(nonce=params["nonce"], signature=params["signature"])
            for method, params in list(self._server.received)
            if method == "private/order"
        )

    def take(self, side: Side, part: Decimal) -> None:
        found = [order for order in self._server.live(_SUBACCOUNT) if order.direction == side]
        if found:
            amount = max(_STEP, (found[0].left * part).quantize(_STEP))
            self._server.take(_opposite(side), str(amount))

    def sweep(self, side: Side) -> None:
        self._server.take(_opposite(side), "1000")

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
        self._server.faults.refused = count

    def limit_rate(self, on: bool) -> None:
        self._server.faults.no_orders = on

    def fill_before_cancel(self, count: int) -> None:
        self._server.faults.filled_before_cancel = count

    def lose_pushes(self, on: bool) -> None:
        self._server.faults.no_pushes = on

    def cut(self) -> None:
        unseen = self._server.faults.disconnects_unseen
        self._server.faults.disconnects_unseen = True
        self._server.drop_sockets()
        self._server.faults.disconnects_unseen = unseen

    def mute(self, on: bool) -> None:
        self._server.faults.mute = on

    def dead_man(self, on: bool) -> None:
        self._server.faults.disconnects_unseen = not on

    def outlive(self) -> None:
        self._server.faults.clock_s += _LIFE_SECONDS

    def _rest(self, name: str, side: Side, away_bps: int, subaccount_id: int) -> str:
        sign = -1 if side == "buy" else 1
        price = (self.price * (10_000 + sign * away_bps) / 10_000).quantize(Decimal("0.01"))
        self._server.rest(side, str(price), _SIZE, subaccount_id=subaccount_id, label=name)
        return name


def _side(order: Order) -> Side:
    return "buy" if order.direction == "buy" else "sell"


def _opposite(side: Side) -> Side:
    return "sell" if side == "buy" else "buy"

"""Coinbase as the kit sees it: the server of `venues/coinbase`, asked directly."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final

from Crypto.PublicKey import ECC

from integration_harness.conformance.driver import Resting, Sent
from integration_harness.stack.quantities import Side
from integration_harness.venues.coinbase import CoinbaseServer, Order
from integration_harness.venues.coinbase.exchange import OURS

_KEY: Final = ECC.construct(curve="P-256", d=int("b2" * 32, 16))
_KEY_NAME: Final = "organizations/11111111-2222-4333-8444-555555555555/apiKeys/kit"
_SIZE: Final = "0.5"
_STEP: Final = Decimal("0.00001")
_TICK: Final = Decimal("0.01")
_LIFE_SECONDS: Final = 120.0
"""Longer than an order of `short_life` lives."""
_LATE_SECONDS: Final = 0.02


class CoinbaseDriver:
    """One spot market; a new server for each claim."""

    name = "coinbase"
    symbol: str = CoinbaseServer.symbol
    price = Decimal(3000)
    lacks: Mapping[str, str] = {"dead_man": "only their end time ends orders there"}

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-coinbase-")
        self._numbers = itertools.count()
        self._server = self._made()

    def _made(self) -> CoinbaseServer:
        return CoinbaseServer(_KEY_NAME, str(_KEY.public_key().export_key(format="PEM")))

    def begin(self) -> None:
        self._server.close()
        self._server = self._made()
        self._lock_file = Path(self._folder.name) / f"lock-{next(self._numbers)}"
        self._server.start()

    def close(self) -> None:
        self._server.close()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        pem = str(_KEY.export_key(format="PEM", use_pkcs8=False))
        return {
            "MM_VENUE": "coinbase",
            "MM_COINBASE_REST_URL": self._server.rest_url,
            "MM_COINBASE_MARKET_SOCKET_URL": self._server.socket_url("market"),
            "MM_COINBASE_USER_SOCKET_URL": self._server.socket_url("user"),
            "MM_COINBASE_LOCK_FILE": str(self._lock_file),
            "MM_COINBASE_KEY_NAME": _KEY_NAME,
            "MM_COINBASE_PRIVATE_KEY": pem.replace("\n", "\\n"),
            "MM_COINBASE_REQUESTS_PER_HOUR": "100000",
            "MM_COINBASE_RESEND": "true",
            "MM_MARKET_SYMBOL": self.symbol,
            "MM_ORDER_SIZE": _SIZE,
            "MM_MAX_LONG_INVENTORY": "200",
            "MM_MAX_SHORT_INVENTORY": "-100",
            "MM_ANCHOR_MIN_PRICE": "100",
            "MM_ANCHOR_MAX_PRICE": "100000",
            "MM_ORDER_EXPIRY_SECONDS": "60",
        }

    def short_life(self) -> dict[str, str]:
        return {"MM_ORDER_EXPIRY_SECONDS": "30"}

    def live(self) -> tuple[Resting, ...]:
        return tuple(
            Resting(
                name=order.label,
                side=_side(order),
                price=order.price,
                left=Fraction(order.left),
            )
            for order in self._server.live(OURS)
        )

    def strangers(self) -> tuple[str, ...]:
        return tuple(order.label for order in self._server.live(0))

    def most_live(self) -> Mapping[Side, int]:
        most = self._server.most_live
        return {"buy": most["buy"], "sell": most["sell"]}

    def fills(self) -> tuple[tuple[Side, Fraction], ...]:
        mine = list(self._server.exchange.fills)
        return tuple(("buy" if f["side"] == "BUY" else "sell", Fraction(f["size"])) for f in mine)

    def sent(self) -> tuple[Sent, ...]:
        """Nothing is signed of an order but its request: the body stands for the signature."""
        return tuple(
            Sent(
                nonce=body["client_order_id"].rpartition(":")[2],
                signature=str(sorted(body["order_configuration"].items())) + body["side"],
            )
            for path, body in list(self._server.received)
            if path == "orders"
        )

    def take(self, side: Side, part: Decimal) -> None:
        live = [order for order in self._server.live(OURS) if order.direction == side]
        found = [order for order in live if order.works]
        if live and not found:
            time.sleep(2 * self._server.faults.pending_s)  # accepted, and not on the book yet
            found = [order for order in live if order.works]
        if found:
            amount = max(_STEP, (found[0].left * part).quantize(_STEP))
            self._server.take(_opposite(side), str(amount))

    def sweep(self, side: Side) -> None:
        self._server.take(_opposite(side), "1000")

    def place_own(self, name: str, side: Side, away_bps: int) -> str:
        return self._rest(name, side, away_bps, OURS)

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
        reasons = itertools.cycle(("INSUFFICIENT_FUND", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"))
        self._server.faults.reasons = deque(itertools.islice(reasons, count))

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
        sign = -1 if side == "buy" else 1
        price = (self.price * (10_000 + sign * away_bps) / 10_000).quantize(_TICK)
        self._server.rest(side, str(price), _SIZE, subaccount_id=subaccount_id, label=name)
        return name


def _side(order: Order) -> Side:
    return "buy" if order.direction == "buy" else "sell"


def _opposite(side: Side) -> Side:
    return "sell" if side == "buy" else "buy"

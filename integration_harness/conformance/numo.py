"""The founding exchange as the kit sees it: the whole local exchange, with a proxy before its API.

The account is seen in Postgres, as a stranger with a login would see it; what trades, settles on
the development chain.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from decimal import Decimal
from fractions import Fraction
from typing import Final

import psycopg

from integration_harness import isolation
from integration_harness.api_proxy import PLACE, ApiProxy, Fault
from integration_harness.conformance.driver import Resting, Sent
from integration_harness.market_view import MarketView, OrderRow
from integration_harness.scenarios.steps import apart
from integration_harness.stack.orders import OrderTicket, fresh_nonce
from integration_harness.stack.postgres import READER
from integration_harness.stack.quantities import Side
from integration_harness.stack.up import ExchangeOptions, LocalExchange
from integration_harness.taker import Taker
from integration_harness.target import Party, local_target
from integration_harness.waiting import Limits

_SIZE: Final = "10"
_LIFE_SECONDS: Final = 5
_LATE_SECONDS: Final = 0.05
_SETTLE: Final = Limits(timeout_seconds=3.0, poll_seconds=0.05)
_LIMITS: Final = Limits(timeout_seconds=30.0, poll_seconds=0.05)
_REFUSAL: Final = (400, b'{"error": "amount below the least"}')
_OVER_RATE: Final = (429, b'{"error": "too many requests"}')


class NumoDriver:
    """The spot market of one local exchange that lasts for all claims: its own, or a given one that
    others have left empty."""

    name = "numo"
    lacks: Mapping[str, str] = {
        "dead_man": "the exchange has none; an order's expiry alone ends it",
    }

    def __init__(self, exchange: LocalExchange | None = None) -> None:
        self._cleanup = ExitStack()
        if exchange is None:
            exchange = self._cleanup.enter_context(LocalExchange(ExchangeOptions()))
        self._exchange = exchange
        self._target = local_target(self._exchange, self._exchange.spot)
        self.symbol: str = self._target.instrument.symbol
        self.price: Decimal = self._exchange.options.price
        self._view = MarketView(self._target)
        self._cleanup.callback(self._view.close)
        self._taker = Taker(self._target, self._view, _LIMITS)
        self._proxy = ApiProxy(self._exchange.api_url)
        self._proxy.rule = self._rule
        self._proxy.clock_ahead_seconds = 0.0  # its answers have a date, as the API's own have
        self._proxy.start()
        self._cleanup.callback(self._proxy.close)
        self._random = random.Random(1)
        self._taking = threading.Lock()
        self._forget()

    def begin(self) -> None:
        self.lose_pushes(False)
        self._forget()
        isolation.clear(self._view, _LIMITS)
        self._before_trade = self._view.newest_trade_id()
        self._before_event = self._view.newest_event() or 0
        self._before_sent = len(self._proxy.orders())

    def close(self) -> None:
        self._cleanup.close()

    def environment(self) -> dict[str, str]:
        return {
            **self._target.bot_environment,
            "MM_API_BASE_URL": self._proxy.url,
            "MM_ORDER_SIZE": _SIZE,
            "MM_MAX_LONG_INVENTORY": "1000000",
            "MM_MAX_SHORT_INVENTORY": "-1000000",
        }

    def short_life(self) -> dict[str, str]:
        return {"MM_ORDER_EXPIRY_SECONDS": str(_LIFE_SECONDS)}

    def live(self) -> tuple[Resting, ...]:
        rows = self._rows()
        return tuple(
            Resting(name=row.order_id, side=row.side, price=row.price, left=Fraction(row.remaining))
            for row in rows
        )

    def strangers(self) -> tuple[str, ...]:
        return tuple(row.order_id for row in self._view.live(self._target.taker))

    def most_live(self) -> Mapping[Side, int]:
        prefix = f"mm:{self.symbol}:"
        history = self._view.history(self._target.bot, self._before_event, prefix=prefix)
        return history.most_live

    def fills(self) -> tuple[tuple[Side, Fraction], ...]:
        rows = self._view.fills(self._target.bot, self._before_trade)
        return tuple((row.side, row.base_size(self._target.instrument)) for row in rows)

    def sent(self) -> tuple[Sent, ...]:
        return tuple(
            Sent(nonce=each.nonce, signature=each.signature)
            for each in self._proxy.orders()[self._before_sent :]
        )

    def take(self, side: Side, part: Decimal) -> None:
        _take(self._taker, self._rows(), side, part)

    def sweep(self, side: Side) -> None:
        away = Decimal("0.9") if side == "buy" else Decimal("1.1")
        price = (self.price * away).quantize(Decimal("0.01"))
        taking: Side = "sell" if side == "buy" else "buy"
        nonce = fresh_nonce()
        self._place(self._target.taker, f"sweep:{nonce}", taking, price, nonce)
        self._taker.settle(f"sweep:{nonce}", Limits(timeout_seconds=1.0, poll_seconds=0.05))

    def place_own(self, name: str, side: Side, away_bps: int) -> str:
        return self._place_away(self._target.bot, name, side, away_bps)

    def place_foreign(self, name: str, side: Side, away_bps: int) -> str:
        return self._place_away(self._target.taker, name, side, away_bps)

    def weather(self, on: bool) -> None:
        self._late_seconds = _LATE_SECONDS if on else 0.0

    def lose_replies(self, count: int) -> None:
        self._losing = count

    def swallow(self, count: int) -> None:
        self._swallowing = count

    def refuse(self, count: int) -> None:
        self._refusing = count

    def limit_rate(self, on: bool) -> None:
        self._limiting = on

    def fill_before_cancel(self, count: int) -> None:
        self._racing = count

    def lose_pushes(self, on: bool) -> None:
        verb = "DISABLE" if on else "ENABLE"
        self._admin(f"ALTER TABLE trade_fills {verb} TRIGGER trade_fills_events")

    def cut(self) -> None:
        self._proxy.run(self._proxy.drop_connections())
        self._admin(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE usename = '{READER}' AND pid <> pg_backend_pid()"
        )
        with suppress(psycopg.Error):  # ours was one of them; the next one is new
            self._view.newest_trade_id()

    def mute(self, on: bool) -> None:
        for part in ("api", "postgres"):
            if on:
                self._exchange.freeze(part)
            else:
                self._exchange.thaw(part)

    def dead_man(self, on: bool) -> None:
        """There is none."""

    def outlive(self) -> None:
        time.sleep(_LIFE_SECONDS + 1)

    # Inside

    def _forget(self) -> None:
        self._losing = self._swallowing = self._refusing = self._racing = 0
        self._limiting = False
        self._late_seconds = 0.0

    def _rule(self, path: str, number: int) -> Fault:
        """What becomes of one request, in the proxy's thread."""
        late = self._random.uniform(0, self._late_seconds)
        if path != PLACE:
            if self._racing > 0:
                self._racing -= 1
                side: Side = "buy" if self._racing % 2 else "sell"
                return Fault(first=lambda: self._race(side))
            return Fault(delay_seconds=late)
        if self._swallowing > 0:
            self._swallowing -= 1
            return Fault(swallowed=True)
        if self._refusing > 0:
            self._refusing -= 1
            return Fault(answered=_REFUSAL)
        if self._limiting:
            return Fault(answered=_OVER_RATE)
        if self._losing > 0:
            self._losing -= 1
            return Fault(lost=True)
        return Fault(delay_seconds=late)

    def _race(self, side: Side) -> None:
        with self._taking:  # two orders of the one taker must not meet each other
            view = MarketView(self._target)
            try:
                taker = Taker(self._target, view, _LIMITS)
                _take(taker, view.live(self._target.bot), side, Decimal("0.25"))
            finally:
                view.close()

    def _rows(self) -> tuple[OrderRow, ...]:
        now = time.time()
        return tuple(row for row in self._view.live(self._target.bot) if row.expiry >= now)

    def _place_away(self, party: Party, name: str, side: Side, away_bps: int) -> str:
        sign = -1 if side == "buy" else 1
        price = apart(self.price, sign * away_bps, self._target.price_tick)
        self._place(party, name, side, price, fresh_nonce())
        return name

    def _place(self, party: Party, name: str, side: Side, price: Decimal, nonce: int) -> None:
        ticket = OrderTicket(
            instrument=self._target.instrument,
            side=side,
            price=price,
            size=Decimal(_SIZE),
            nonce=nonce,
            order_id=name,
        )
        self._view.api.place(party.signer(self._target.deployment).order_body(ticket))

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self._exchange.admin_database_url, autocommit=True) as connection:
            connection.execute(statement.encode())


def _take(taker: Taker, rows: tuple[OrderRow, ...], side: Side, part: Decimal) -> None:
    """Take a part of the first of these on that side; what does not fill is withdrawn."""
    row = next((row for row in rows if row.side == side and row.remaining > 1), None)
    if row is not None:
        steps = max(1, int(row.remaining * part))
        taker.settle(taker.send(row, steps), _SETTLE)

"""The life around the bots: a seeded price path on the feed, and takers who trade against quotes.

Everything random comes from one seed. Takers look at the book as anybody can and send signed
orders that cross the best quote of the bots; they never rest on purpose.
"""

from __future__ import annotations

import random
import threading
import time
from decimal import ROUND_HALF_EVEN, Decimal

import httpx

from integration_harness.stack.instruments import Instrument
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.quantities import Side
from integration_harness.stack.up import LocalExchange

STEP_SECONDS = 1.0
STEP_BPS = 8.0
"""Standard deviation of one step of the path."""
PULL = 0.05
"""How strongly the path is drawn back to where it began, a step."""
CENT = Decimal("0.01")


class PricePath(threading.Thread):
    """A mean-reverting random walk, one step a second, fed to the oracle."""

    def __init__(self, exchange: LocalExchange, *, start: Decimal, seed: int) -> None:
        super().__init__(name="price-path", daemon=True)
        self.price = start
        self.steps = 0
        self._start = start
        self._exchange = exchange
        self._random = random.Random(f"path {seed}")
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(STEP_SECONDS):
            moved_bps = Decimal(repr(self._random.gauss(0, STEP_BPS)))
            pulled = (self._start - self.price) * Decimal(repr(PULL))
            moved = self.price * moved_bps / 10_000 + pulled
            self.price = (self.price + moved).quantize(CENT, ROUND_HALF_EVEN)
            self._exchange.set_price(self.price)
            self.steps += 1

    def stop(self) -> None:
        self._ended.set()
        self.join()


class Taker(threading.Thread):
    """Crosses the best quote of one market every now and then, on either side."""

    def __init__(
        self,
        exchange: LocalExchange,
        instrument: Instrument,
        *,
        account: int,
        seed: int,
        largest: Decimal,
        pause_seconds: float,
    ) -> None:
        super().__init__(name=f"taker-{instrument.symbol}", daemon=True)
        self.sent = 0
        self.refused = 0
        deployment = exchange.deployment
        self._signer = Signer(deployment, deployment.takers[account])
        self._client = ExchangeClient(exchange.api_url)
        self._instrument = instrument
        self._largest = largest
        self._pause_seconds = pause_seconds
        self._random = random.Random(f"taker {instrument.symbol} {seed}")
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._random.expovariate(1 / self._pause_seconds)):
            try:
                self._trade()
            except httpx.HTTPError:
                self.refused += 1

    def stop(self) -> None:
        self._ended.set()
        self.join()
        self._client.close()

    def _trade(self) -> None:
        """Immediate or gone: what is not filled within half a second is cancelled again."""
        book = self._client.book(self._instrument)
        side: Side = "buy" if self._random.random() < 0.5 else "sell"
        quotes = book.asks if side == "buy" else book.bids
        if not quotes:
            return
        best = Decimal(round(quotes[0].price * 1_000_000)) / 1_000_000
        share = Decimal(self._random.randint(2, 10)) / 10
        through = Decimal("1.0005") if side == "buy" else Decimal("0.9995")
        grid = CENT if self._instrument.is_spot else Decimal(1)
        body = self._signer.order_body(
            OrderTicket(
                instrument=self._instrument,
                side=side,
                price=(best * through).quantize(grid),
                size=self._largest * share,
                lifetime_seconds=30,
            )
        )
        order = self._client.place(body)
        self.sent += 1
        time.sleep(0.5)
        if self._client.order(order["order_id"])["status"] == "active":
            self._client.cancel(self._signer.cancel_body(int(order["nonce"])))

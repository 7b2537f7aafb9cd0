"""The taker: crosses the bot's resting orders with its own signed orders.

1. It takes exactly the steps it says, from the order it names, and leaves nothing resting.
2. `Nibbler` is the same as load: a thread that takes a little now and then until it is told to
   stop.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from decimal import ROUND_CEILING, Decimal, localcontext
from types import TracebackType
from typing import Final

import httpx

from integration_harness.market_view import MarketView, OrderRow
from integration_harness.stack.orders import OrderTicket
from integration_harness.stack.quantities import Side
from integration_harness.target import Party, Target
from integration_harness.waiting import AWAY, Limits, wait_until

_LIFETIME_SECONDS: Final = 60
_SETTLE: Final = Limits(timeout_seconds=1.0, poll_seconds=0.05)


class Taker:
    """One account that takes."""

    def __init__(self, target: Target, view: MarketView, limits: Limits) -> None:
        self._target = target
        self._view = view
        self._limits = limits
        self._signer = target.taker.signer(target.deployment)

    @property
    def party(self) -> Party:
        return self._target.taker

    def take(self, maker: OrderRow, steps: int | None = None) -> OrderRow:
        """Take that many steps from a resting order, all of it by default; the taker's own row."""
        wanted = maker.remaining if steps is None else steps
        assert 0 < wanted <= maker.remaining
        order_id = self.send(maker, wanted)

        def look() -> OrderRow | None:
            rows = self._view.orders(self.party)
            return next((row for row in rows if row.order_id == order_id), None)

        what = f"the taker's {wanted} steps at {maker.price} to fill against {maker.order_id}"
        found = wait_until(
            what, look, lambda row: row is not None and row.status == "filled", self._limits
        )
        assert found is not None
        return found

    def send(self, maker: OrderRow, steps: int) -> str:
        """Post an order that crosses a resting one; its id."""
        ticket = self._crossing(maker, steps)
        return str(self._view.api.place(self._signer.order_body(ticket))["order_id"])

    def settle(self, order_id: str, limits: Limits) -> None:
        """Wait for an order of the taker's to fill, and cancel what is left at the limit."""
        mine = (row for row in self._view.live(self.party) if row.order_id == order_id)
        give_up_at = time.monotonic() + limits.timeout_seconds
        while (row := next(mine, None)) is not None:
            if time.monotonic() > give_up_at:
                # Refused where it filled at last, or the matcher holds it: looked at again.
                with suppress(httpx.HTTPStatusError):
                    self._view.api.cancel(self._signer.cancel_body(row.nonce))
            time.sleep(limits.poll_seconds)
            mine = (row for row in self._view.live(self.party) if row.order_id == order_id)

    def _crossing(self, maker: OrderRow, steps: int) -> OrderTicket:
        instrument = self._target.instrument
        side: Side = "buy" if maker.side == "sell" else "sell"
        # On spot both prices are rounded away from each other: one tick brings them together.
        through = self._target.price_tick if instrument.is_spot else Decimal(0)
        price = maker.price + (through if side == "buy" else -through)
        return OrderTicket(
            instrument=instrument,
            side=side,
            price=price,
            size=size_of_steps(steps, Decimal(instrument.amount_step), price, instrument.is_spot),
            lifetime_seconds=_LIFETIME_SECONDS,
        )


class Nibbler:
    """Takes a tenth of a best quote about every `pause_seconds`, on either side."""

    def __init__(self, target: Target, *, pause_seconds: float, seed: int) -> None:
        self.sent = 0
        self._target = target
        self._pause_seconds = pause_seconds
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Nibbler:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        view = MarketView(self._target)
        try:
            taker = Taker(self._target, view, Limits())
            while not self._stop.wait(self._pause_seconds * self._random.uniform(0.5, 1.5)):
                try:
                    self._nibble(view, taker)
                except (httpx.HTTPStatusError, *AWAY):
                    time.sleep(0.05)  # the exchange is away at the moment; that is not our test
        finally:
            view.close()

    def _nibble(self, view: MarketView, taker: Taker) -> None:
        resting = view.live(self._target.bot)
        if not resting:
            return
        side = self._random.choice(("buy", "sell"))
        maker = next((order for order in resting if order.side == side), resting[0])
        order_id = taker.send(maker, max(1, maker.remaining // 10))
        self.sent += 1
        # Left resting it would meet the next one, and that would be a trade of others.
        taker.settle(order_id, _SETTLE)


def size_of_steps(steps: int, step: Decimal, price: Decimal, is_spot: bool) -> Decimal:
    """A human size that is exactly that many steps once it is floored to them."""
    if not is_spot:
        return steps * step
    with localcontext(prec=60):
        return (steps * step / price).quantize(Decimal("1e-24"), ROUND_CEILING)

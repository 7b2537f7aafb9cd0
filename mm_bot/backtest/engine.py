"""hftbacktest 2.4.4 as this package uses it: one market, steps of time, post-only orders.

Its compiled part is called directly: what its Python part brings (numba, polars, plots) is not
needed, and compiling the bindings would cost ten seconds a process. Its `position`, `balance` and
trade count ignore partial fills and are not here at all. An order filled in the queue by exactly
what is left of it makes a later trade fail (code 14), so orders go in `SPARE` lots larger, the
venue counts only what is its own (`filled_lots`), and the rest is cancelled.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from mm_bot.backtest.arrays import EVENT, np
from mm_bot.backtest.engine_library import compiled
from mm_bot.backtest.errors import EngineFaultError
from mm_bot.backtest.tape import Tape
from mm_bot.core.instrument import Side
from mm_bot.errors import SettingsError

SPARE: Final = 0.6
"""Lots beside our own in every order; with half a lot the engine still fails."""
UNSTARTED: Final = 2**63 - 1
_POST_ONLY, _LIMIT = 1, 0
ASKED = (1, 4)
"""`req` of an order whose place or cancel is not answered yet."""


class Step(Enum):
    """Why time stopped; the value is the engine's code."""

    TIME = 0
    END = 1
    FEED = 2
    ANSWER = 3


class Status(Enum):
    NONE = 0
    NEW = 1
    EXPIRED = 2
    FILLED = 3
    CANCELLED = 4
    PARTLY_FILLED = 5
    REJECTED = 6


QUEUES: Final = {
    "risk-averse": lambda asset, n: asset.risk_adverse_queue_model(),
    "power": lambda asset, n: asset.power_prob_queue_model(n),
    "power2": lambda asset, n: asset.power_prob_queue_model2(n),
    "power3": lambda asset, n: asset.power_prob_queue_model3(n),
    "log": lambda asset, n: asset.log_prob_queue_model(),
    "log2": lambda asset, n: asset.log_prob_queue_model2(),
}
"""Where in a level's queue we stand as others cancel: hftbacktest's models by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How the exchange answers. `latencies`: rows (sent, matched, answered) in nanoseconds, from a
    journal; without them the two constants hold. `offset_ms` is added on the way there: what a
    journal's clock cannot see, as `fit` finds it."""

    entry_ms: float = 10.0
    response_ms: float = 10.0
    offset_ms: float = 0.0
    queue: str = "power3"
    queue_power: float = 2.0
    latencies: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self) -> None:
        faults = []
        if self.queue not in QUEUES:
            faults.append(f"queue {self.queue!r} is none; one of {', '.join(QUEUES)}")
        for name in ("entry_ms", "response_ms"):
            if not 0 <= getattr(self, name) < 60_000:
                faults.append(f"{name} {getattr(self, name)}: give milliseconds, 0 to 60000")
        if not abs(self.offset_ms) < 60_000:
            faults.append(f"offset_ms {self.offset_ms}: give milliseconds, -60000 to 60000")
        if not 0 < self.queue_power <= 100:
            faults.append(f"queue_power {self.queue_power}: above 0, at most 100")
        if faults:
            raise SettingsError(faults)

    @property
    def says(self) -> str:
        later = f", {self.offset_ms:+g} ms there" if self.offset_ms else ""
        if self.latencies:
            return f"latency from {len(self.latencies)} journalled orders{later}"
        return f"latency assumed: {self.entry_ms:g} ms there, {self.response_ms:g} ms back{later}"


class EngineOrder(ctypes.Structure):
    """An order in the engine's memory; valid until the engine moves."""

    _fields_ = (
        ("qty", ctypes.c_double),
        ("leaves_qty", ctypes.c_double),
        ("exec_qty", ctypes.c_double),
        ("exec_price_tick", ctypes.c_int64),
        ("price_tick", ctypes.c_int64),
        ("tick_size", ctypes.c_double),
        ("exch_timestamp", ctypes.c_int64),
        ("local_timestamp", ctypes.c_int64),
        ("order_id", ctypes.c_uint64),
        ("_q1", ctypes.c_uint64),
        ("_q2", ctypes.c_uint64),
        ("maker", ctypes.c_bool),
        ("order_type", ctypes.c_uint8),
        ("req", ctypes.c_uint8),
        ("status", ctypes.c_uint8),
        ("side", ctypes.c_int8),
        ("time_in_force", ctypes.c_uint8),
    )


class Engine:
    """One run over one tape; time moves only in `step`."""

    def __init__(self, tape: Tape, exchange: Exchange) -> None:
        module, self._lib = compiled()
        self.tick, self.lot = float(tape.market.tick), float(tape.market.lot)
        self._events = np.ascontiguousarray(tape.events)  # the engine reads it where it is
        asset = module.BacktestAsset()
        asset._add_data_ndarray(self._events.ctypes.data, len(self._events))
        asset = asset.linear_asset(1.0).trading_value_fee_model(0.0, 0.0).partial_fill_exchange()
        asset = QUEUES[exchange.queue](asset, exchange.queue_power)
        asset = self._with_latency(asset, exchange)
        asset = asset.tick_size(self.tick).lot_size(self.lot).last_trades_capacity(1_024)
        self._engine = module.build_hashmap_backtest([asset])
        self.ended = self._check(self._lib.hashmapbt_elapse(self._engine, 0)) is Step.END

    @property
    def now_ns(self) -> int:
        """Our own clock in the market's time."""
        now: int = self._lib.hashmapbt_current_timestamp(self._engine)
        return now

    def step(self, duration_ns: int, *, watch: bool) -> Step:
        """Let the market run. With `watch` it stops at the first message or answer; without, only
        at the end of the time or of the data.

        Raises:
            EngineFaultError: where the engine fails.
        """
        if watch:
            code = self._lib.hashmapbt_wait_next_feed(self._engine, True, duration_ns)
        else:
            code = self._lib.hashmapbt_elapse(self._engine, duration_ns)
        step = self._check(code)
        self.ended = step is Step.END
        return step

    def submit(self, number: int, side: Side, price_tick: int, quantity: float) -> None:
        """A post-only limit order; `number` must be new for ever."""
        lib = self._lib
        send = (
            lib.hashmapbt_submit_buy_order if side is Side.BUY else lib.hashmapbt_submit_sell_order
        )
        price = price_tick * self.tick
        self._check(send(self._engine, 0, number, price, quantity, _POST_ONLY, _LIMIT, False))

    def cancel(self, number: int) -> None:
        self._check(self._lib.hashmapbt_cancel(self._engine, 0, number, False))

    def order(self, number: int) -> EngineOrder | None:
        """As we know it, not as the exchange does."""
        orders = self._lib.hashmapbt_orders(self._engine, 0)
        at = self._lib.orders_get(orders, number)
        return EngineOrder.from_address(at) if at else None

    def forget_dead(self) -> None:
        """Drop what is neither live nor asked for; read it before."""
        self._lib.hashmapbt_clear_inactive_orders(self._engine, 0)

    def best_ticks(self) -> tuple[int | None, int | None]:
        """(best bid, best ask) without our own orders; None where a side is empty."""
        depth = self._lib.hashmapbt_depth(self._engine, 0)
        bid = self._lib.hashmapdepth_best_bid_tick(depth)
        ask = self._lib.hashmapdepth_best_ask_tick(depth)
        return (None if bid == -(2**63) else bid), (None if ask == 2**63 - 1 else ask)

    def levels(self, side: Side, most: int, reach_ticks: int) -> list[tuple[int, int]]:
        """(price tick, lots), best first, at most `most` and no further than `reach_ticks` from the
        best; without our own orders."""
        depth = self._lib.hashmapbt_depth(self._engine, 0)
        bid, ask = self.best_ticks()
        best, step = (bid, -1) if side is Side.BUY else (ask, 1)
        if best is None:
            return []
        lib = self._lib
        at = (
            lib.hashmapdepth_bid_qty_at_tick
            if side is Side.BUY
            else lib.hashmapdepth_ask_qty_at_tick
        )
        found: list[tuple[int, int]] = []
        half_a_lot = self.lot / 2
        for away in range(reach_ticks + 1):
            quantity = at(depth, best + away * step)
            if quantity >= half_a_lot:
                found.append((best + away * step, round(quantity / self.lot)))
                if len(found) == most:
                    break
        return found

    def take_trades(self) -> list[tuple[int, int, int]]:
        """(exchange ns, price tick, lots) of the prints since the last call, oldest first."""
        length = ctypes.c_uint64(0)
        at = self._lib.hashmapbt_last_trades(self._engine, 0, ctypes.byref(length))
        if not length.value:
            return []
        raw = (ctypes.c_char * (length.value * EVENT.itemsize)).from_address(at)
        rows = np.frombuffer(raw, EVENT)
        found = [
            (int(row["exch_ts"]), round(row["px"] / self.tick), round(row["qty"] / self.lot))
            for row in rows
        ]
        self._lib.hashmapbt_clear_last_trades(self._engine, 0)
        return found

    def close(self) -> None:
        self._lib.hashmapbt_close(self._engine)

    def _with_latency(self, asset: Any, exchange: Exchange) -> Any:
        offset = round(exchange.offset_ms * 1e6)
        if not exchange.latencies:
            entry = max(0, round(exchange.entry_ms * 1e6) + offset)
            response = round(exchange.response_ms * 1e6)
            return asset.constant_order_latency(entry, response)
        self._latencies = np.zeros(
            len(exchange.latencies),
            np.dtype([("req_ts", "i8"), ("exch_ts", "i8"), ("resp_ts", "i8"), ("_padding", "i8")]),
        )
        rows = np.array(exchange.latencies, np.int64)
        sent = rows[:, 0]
        for column, name in enumerate(("req_ts", "exch_ts", "resp_ts")):
            self._latencies[name] = np.maximum(sent, rows[:, column] + (offset if column else 0))
        asset._intp_order_latency_ndarray(self._latencies.ctypes.data, len(rows), 0)
        return asset

    def _check(self, code: int) -> Step:
        try:
            return Step(code)
        except ValueError:
            raise EngineFaultError(
                f"the engine stopped with code {code} at {self.now_ns} ns, before the end of the "
                "tape; no result comes of it"
            ) from None


def filled_lots(order: EngineOrder, lots: int, lot: float) -> int:
    """How much is filled of our own `lots`; the spare part is not ours."""
    quantity: float = order.qty - order.leaves_qty
    return min(lots, math.floor(quantity / lot + 0.25))

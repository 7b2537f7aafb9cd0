"""Between the loop's memory and the state file: what survives, and the memory a start begins with.

The state file is never the truth about live orders. It keeps nonces unique, the books continuous,
and the ids that the kill switch can cancel while Postgres is down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from mm_bot.core.commands import NewOrder
from mm_bot.core.exact import Amount, Price, Size, exact
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import ARRIVAL_GRACE_MS
from mm_bot.core.memory import Accepted, Memory, remembered
from mm_bot.core.quoting import Kept
from mm_bot.core.risk import HaltReason
from mm_bot.errors import EdgeError
from mm_bot.host import saved
from mm_bot.host.persistent import (
    AcceptedPrice,
    Allowance,
    InventorySnapshot,
    LiveOrder,
    PersistentState,
)
from mm_bot.host.signing import SigningLog
from mm_bot.host.state_text import ForeignStateError

_DECIMAL = re.compile(r"-?\d{1,80}(\.\d{1,80})?(E[-+]?\d{1,2})?", re.ASCII)
NOTHING_ALLOWED = Allowance()
_SIZES = ("position", "bought", "sold")
_AMOUNTS = ("cash", "cost", "realised", "fees")


class States(Protocol):
    """The state file, outside of simulations."""

    @property
    def problem(self) -> str | None: ...

    @property
    def durable(self) -> int: ...

    def save(self, state: PersistentState) -> int: ...

    async def flush(self) -> None: ...


class MemoryStore:
    """The `Store` of the loop: hands every changed memory to the state file."""

    def __init__(self, state_file: States, memory: Memory) -> None:
        """`memory` is the one that a start begins with."""
        self._file = state_file
        self._memory = memory
        self._log = SigningLog(state_file)
        self._saved_totals: FillTotals | None = None
        self._durable: Mapping[str, object] = {}

    async def save(self, memory: Memory) -> None:
        """Durable on return where fills were counted, so that none is ever published and then
        counted again, and where the strategy asks for it; otherwise written in the background.
        Where the disk refuses, fills stay uncounted on disk together with their cursor, so that
        the next process counts them once."""
        self._memory = memory
        self._hand_over()
        durable = memory.strategy.durable
        if _counts(memory.fill_totals) != _counts(self._saved_totals) or durable != self._durable:
            try:
                await self._file.flush()
            except EdgeError:
                return  # `problem` tells of it; tried again in the next cycle
        self._saved_totals, self._durable = memory.fill_totals, durable

    async def signing(self, order: NewOrder) -> None:
        """See `Store`; waits for the disk only where what it allows is used up."""
        while not self._log.covers(order):
            self._log.allowance = self._log.widened(order)
            self._log.allowed_in = self._hand_over()
            await self._file.flush()

    def close(self) -> None:
        """Nothing is signed any more: no more is allowed than what was and is not listed."""
        self._log.allowance = self._log.least()
        self._hand_over()

    def _hand_over(self) -> int:
        number = self._file.save(to_state(self._memory, self._log.allowance))
        self._log.listed(self._memory.signatures, number)
        return number

    @property
    def problem(self) -> str | None:
        return self._file.problem


def first_memory(state: PersistentState, now_ms: int) -> Memory:
    """An empty memory, but for what the state file knows."""
    known = (
        remembered(
            order.order_id,
            price=Price(order.price),
            size=Size(order.size),
            notional=Amount(order.notional),
            expiry_ms=order.expiry_s * 1000,
            now_ms=now_ms,
        )
        for order in state.live_orders
        if order.expiry_s * 1000 + ARRIVAL_GRACE_MS > now_ms
    )
    halt = state.last_halt_reason
    submitted = {
        Side.BUY: state.last_submitted_bid_order_id,
        Side.SELL: state.last_submitted_ask_order_id,
    }
    adopted = {
        Side.BUY: state.last_adopted_bid_order_id,
        Side.SELL: state.last_adopted_ask_order_id,
    }
    return Memory(
        started_ms=now_ms,
        open_orders=tuple(c for c in known if c is not None),
        signatures=saved.signatures(state),
        settlements=saved.settlements(state, now_ms),
        fill_totals=_fill_totals(state),
        strategy=Kept(saved=state.strategy),
        last_halt_reason=next((reason for reason in HaltReason if reason.value == halt), None),
        last_submitted={side: text for side, text in submitted.items() if text},
        last_adopted={side: text for side, text in adopted.items() if text},
        accepted={
            source: Accepted(price=Price(each.price), at_ms=each.at_ms)
            for source, each in state.accepted_prices.items()
        },
    )


def to_state(memory: Memory, allowance: Allowance = NOTHING_ALLOWED) -> PersistentState:
    """What of a memory survives."""
    fill_totals = memory.fill_totals
    snapshot = None
    if memory.inventory is not None and memory.inventory_at_ms is not None:
        snapshot = InventorySnapshot(inventory=memory.inventory.value, at_ms=memory.inventory_at_ms)
    books: dict[str, object] = {name: str(getattr(fill_totals, name)) for name in _SIZES + _AMOUNTS}
    books |= {
        "buys": fill_totals.buys,
        "sells": fill_totals.sells,
        "reverted": sorted([order_id, steps] for order_id, steps in fill_totals.reverted.items()),
        "past": list(fill_totals.past),
        "settlements": saved.told(memory.settlements),
        "seen": sorted([trade_id, order_id] for trade_id, order_id in fill_totals.seen),
    }
    return PersistentState(
        last_submitted_bid_order_id=memory.last_submitted.get(Side.BUY),
        last_submitted_ask_order_id=memory.last_submitted.get(Side.SELL),
        last_adopted_bid_order_id=memory.last_adopted.get(Side.BUY),
        last_adopted_ask_order_id=memory.last_adopted.get(Side.SELL),
        last_halt_reason=memory.last_halt_reason.value if memory.last_halt_reason else None,
        last_inventory_snapshot=snapshot,
        live_orders=tuple(
            LiveOrder(
                order_id=c.order_id,
                nonce=c.nonce,
                expiry_s=c.expiry_ms // 1000,
                price=c.price.value,
                size=c.size.value,
                notional=c.notional.value,
            )
            for c in memory.open_orders
            if not (c.cancel_acked or c.nonce_in_doubt)
        ),
        signed_orders=saved.signed_orders(memory),
        allowance=allowance,
        books=books,
        fills_cursor=fill_totals.cursor,
        accepted_prices={
            source: AcceptedPrice(price=each.price.value, at_ms=each.at_ms)
            for source, each in memory.accepted.items()
        },
        strategy={**memory.strategy.saved, **memory.strategy.durable},
    )


def usable(state: PersistentState) -> None:
    """Raises ForeignStateError where the books are none that `to_state` writes."""
    try:
        fill_totals = _fill_totals(state)
        saved.settlements(state, 0)
        if not fill_totals.adds_up:
            raise ValueError(
                f"cash {fill_totals.cash} + cost {fill_totals.cost} is not the realised result"
            )
    except (ValueError, TypeError, ArithmeticError, KeyError) as error:
        raise ForeignStateError(f"its books make no sense: {error!r:.80}") from None


def _counts(fill_totals: FillTotals | None) -> tuple[int, int, int] | None:
    return (
        (fill_totals.buys, fill_totals.sells, sum(fill_totals.reverted.values()))
        if fill_totals
        else None
    )


def _fill_totals(state: PersistentState) -> FillTotals:
    books: Mapping[str, object] = state.books
    if state.fills_cursor is None or not books:
        return FillTotals()
    sizes = {name: Size(_decimal(books, name)) for name in _SIZES}
    amounts = {name: Amount(_decimal(books, name)) for name in _AMOUNTS}
    return FillTotals(
        cursor=state.fills_cursor,
        seen=_seen(books.get("seen", [])),
        past=_past(books.get("past", [])),
        reverted=_reverted(books.get("reverted", [])),
        buys=_count(books, "buys"),
        sells=_count(books, "sells"),
        position=sizes["position"],
        bought=sizes["bought"],
        sold=sizes["sold"],
        cash=amounts["cash"],
        cost=amounts["cost"],
        realised=amounts["realised"],
        fees=amounts["fees"],
    )


def _decimal(books: Mapping[str, object], name: str) -> Decimal:
    value = books.get(name, "0")
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError(f"{name} is {value!r:.40}")
    return exact(value)


def _reverted(value: object) -> dict[str, int]:
    """Pairs of an order id and a whole number of steps."""
    if not isinstance(value, list):
        raise ValueError(f"reverted is {value!r:.40}")
    found = {}
    for order_id, steps in value:
        if not isinstance(order_id, str) or type(steps) is not int or steps < 0:
            raise ValueError(f"reverted has {order_id!r:.40}: {steps!r:.40}")
        found[order_id] = steps
    return found


def _count(books: Mapping[str, object], name: str) -> int:
    value = books.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}")
    return value


def _past(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(each) is int and each >= 0 for each in value):
        raise ValueError(f"past is {value!r:.40}")
    return tuple(value)


def _seen(value: object) -> frozenset[tuple[int, str]]:
    if not isinstance(value, list):
        raise ValueError(f"seen is {value!r:.40}")
    for pair in value:
        if not (isinstance(pair, list) and [type(each) for each in pair] == [int, str]):
            raise ValueError(f"seen has {pair!r:.40}")
    return frozenset((trade_id, order_id) for trade_id, order_id in value)

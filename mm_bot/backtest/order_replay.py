"""The orders of a journal, sent again at their times into its market without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mm_bot.backtest.engine import ASKED, SPARE, Engine, Exchange, Status, Step, filled_lots
from mm_bot.backtest.journal_tape import Journal, Sent
from mm_bot.backtest.progress import Told, nobody
from mm_bot.backtest.tape import NS_A_MS
from mm_bot.core.exact import Price
from mm_bot.core.instrument import Side

FOREVER_MS = 1 << 42
"""Beyond every tape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A fill, real or simulated, as far as it is compared; sizes in lots."""

    order_id: str
    side: Side
    price: Price
    lots: float
    at_ms: int
    waited_ms: int | None


@dataclass(slots=True, kw_only=True)
class _Simulated:
    sent: Sent
    number: int
    lots: int
    filled: int = 0
    why: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of the orders of a journal in the engine. `why` is told of those that did not
    rest; `until_ms` is how far it got, `FOREVER_MS` where nobody ended it."""

    hits: tuple[Hit, ...]
    why: Mapping[str, str]
    until_ms: int


def order_replay(journal: Journal, exchange: Exchange, told: Told = nobody) -> Replayed:
    """Every order of the journal that really rested, sent again at its time."""
    return _Replay(journal, exchange).done(told)


class _Replay:
    def __init__(self, journal: Journal, exchange: Exchange) -> None:
        self._journal = journal
        self._engine = Engine(journal.tape, exchange)
        self._live: dict[str, _Simulated] = {}
        self._all: dict[str, _Simulated] = {}
        self._hits: list[Hit] = []

    def done(self, told: Told) -> Replayed:
        actions: list[tuple[int, int, Callable[[Sent], None], Sent]] = []
        for i, sent in enumerate(self._journal.orders.values()):
            ends_ms = sent.order.expiry_s * 1_000
            if sent.cancel_ms is not None:
                ends_ms = min(ends_ms, sent.cancel_ms)
            actions.append((sent.sent_ms * NS_A_MS, i, self._place, sent))
            actions.append((ends_ms * NS_A_MS, i, self._cancel, sent))
        actions.sort(key=lambda action: action[:2])
        until_ns = FOREVER_MS * NS_A_MS
        try:
            for number, (at_ns, _, act, sent) in enumerate(actions):
                if not told(number / len(actions)):
                    until_ns = self._engine.now_ns
                    break
                if not self._until(at_ns):
                    break
                act(sent)
            self._until(until_ns)
        finally:
            self._engine.close()
        return Replayed(
            hits=tuple(self._hits),
            until_ms=until_ns // NS_A_MS,
            why={order_id: s.why for order_id, s in self._all.items() if s.why},
        )

    def _until(self, at_ns: int) -> bool:
        """Let the market run; False at its end."""
        engine = self._engine
        while (left_ns := at_ns - engine.now_ns) > 0:
            step = engine.step(min(left_ns, 1 << 61), watch=True)
            if step in (Step.ANSWER, Step.END):
                self._absorb()
            if step is Step.END:
                return False
            if step is Step.TIME:
                break
        return True

    def _place(self, sent: Sent) -> None:
        market = self._journal.tape.market
        lots = max(1, round(float(sent.order.size.value) / float(market.lot)))
        one = _Simulated(sent=sent, number=len(self._all) + 1, lots=lots)
        self._all[sent.order.order_id] = self._live[sent.order.order_id] = one
        tick = round(float(sent.order.price.value) / float(market.tick))
        self._engine.submit(one.number, sent.order.side, tick, (lots + SPARE) * self._engine.lot)

    def _cancel(self, sent: Sent) -> None:
        one = self._live.get(sent.order.order_id)
        if one is None:
            return
        order = self._engine.order(one.number)
        patience = 1_000
        while order is not None and order.req in ASKED and patience:
            self._until(self._engine.now_ns + NS_A_MS)
            order, patience = self._engine.order(one.number), patience - 1
        resting = (Status.NEW, Status.PARTLY_FILLED)
        if order is None or order.req in ASKED or Status(order.status) not in resting:
            return
        self._engine.cancel(one.number)

    def _absorb(self) -> None:
        for order_id, one in tuple(self._live.items()):
            order = self._engine.order(one.number)
            if order is None:
                continue
            filled = filled_lots(order, one.lots, self._engine.lot)
            if filled > one.filled:
                at_ms = order.exch_timestamp // NS_A_MS
                self._hits.append(
                    Hit(
                        order_id=order_id,
                        side=one.sent.order.side,
                        price=one.sent.order.price,
                        lots=filled - one.filled,
                        at_ms=at_ms,
                        waited_ms=at_ms - one.sent.sent_ms,
                    )
                )
                one.filled = filled
            status, asked = Status(order.status), order.req in ASKED
            if status in (Status.EXPIRED, Status.REJECTED) and not asked:
                one.why = "would have taken by the book that was kept"
            if status in (Status.CANCELLED, Status.EXPIRED, Status.REJECTED, Status.FILLED):
                if not asked:
                    del self._live[order_id]
            elif filled == one.lots and not asked:
                self._engine.cancel(one.number)
                del self._live[order_id]

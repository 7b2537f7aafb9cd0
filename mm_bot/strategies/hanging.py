"""Hanging orders: where one order of a pair is filled, its untouched partner leaves its slot and
stays, and the slot gets a new pair.

A pair is one index of both sides, placed together. A hanging order counts in every bound and is
renewed at its price. It ends by a fill, further than `MM_HANGING_CANCEL_BPS` from the reference,
older than `MM_HANGING_MAX_AGE_SECONDS`, with its side, in any halt, where a wanted quote of the
other side would reach it, or as the farthest of more than the levels of its side.

State: the pairs as last seen, and which orders hang since when. The latter survives a restart; an
order without it is a candidate for a slot again, so none is ever lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed, made_directly
from mm_bot.core.declared import Measure, MeasureKind, StepReason
from mm_bot.core.exact import BPS, Size, multiply
from mm_bot.core.instrument import BOTH
from mm_bot.core.ledger import OpenOrder, Stage
from mm_bot.core.plan import standing
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Hanging, Missing, View
from mm_bot.strategies.draft import SIDES, Draft, Step
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort

_ON, _CANCEL_BPS = "MM_HANGING_ORDERS", "MM_HANGING_CANCEL_BPS"
_MAX_AGE, _DELAY = "MM_HANGING_MAX_AGE_SECONDS", "MM_FILLED_ORDER_DELAY_SECONDS"
FILLED_ORDER_DELAY = StepReason(
    value="filled_order_delay", means=f"its pair was filled less than {_DELAY} ago"
)
HANGING = MeasureKind(
    name="mm_bot_hanging_orders",
    help="Orders that stay beside the ladder because their partner was filled.",
    labels={"side": SIDES},
    off=Decimal(0),
)
TOGETHER_MS = 1_000
"""Two orders whose times are further apart were not placed as a pair."""
FILL_LATE_MS = 5_000
"""How long after an order is gone its last fill may still be read."""


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    index: int
    ids: tuple[str, str]
    """Bid and ask."""
    sizes: tuple[Size, Size]
    """What was left of each."""
    seen_ms: int
    """When both were last there."""


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class HangingState:
    pairs: tuple[Pair, ...] = ()
    since_ms: tuple[tuple[str, int], ...] = ()
    """By order id, since when it hangs."""
    filled_ms: tuple[tuple[int, int], ...] = ()
    """By index, when an order of its pair was filled."""

    def stepped(self, step_ms: int) -> HangingState:
        return HangingState(
            pairs=tuple(changed(pair, seen_ms=pair.seen_ms + step_ms) for pair in self.pairs),
            since_ms=tuple((order_id, at_ms + step_ms) for order_id, at_ms in self.since_ms),
            filled_ms=tuple((index, at_ms + step_ms) for index, at_ms in self.filled_ms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HangingOrders(Step):
    name = "hanging"
    state = HangingState
    measured = (HANGING,)
    reasons = (FILLED_ORDER_DELAY,)

    cancel_bps: Decimal
    max_age_ms: int
    delay_ms: int
    levels: int

    def begin(self, saved: object, now_ms: int) -> HangingState:
        found = saved if isinstance(saved, dict) else {}
        known = [(k, at) for k, at in found.items() if isinstance(k, str) and type(at) is int]
        return HangingState(since_ms=tuple((k, min(at, now_ms)) for k, at in known))

    def look(self, view: View, state: object) -> HangingState:
        assert isinstance(state, HangingState)
        there = {c.order_id: c for c in view.open_orders if not c.cancel_acked}
        since = {k: at for k, at in state.since_ms if k in there or view.holdings is None}
        renewed = dict(state.since_ms)
        for order_id, order in there.items():
            if order.replaces in renewed:
                since[order_id] = renewed[order.replaces]
        filled = dict(state.filled_ms)
        done = {fill.order_id for fill in view.fills if fill.completes_order}
        for pair in state.pairs if done else ():
            left = _left_over(pair, done, there)
            if left is not None:
                since.setdefault(left, view.now_ms)
                filled[pair.index] = view.now_ms
        pairs = tuple(_pairs(view, since))
        seen = {pair.ids for pair in pairs}
        broken = (p for p in state.pairs if p.ids not in seen and not since.keys() & set(p.ids))
        late = [p for p in broken if view.now_ms - p.seen_ms < FILL_LATE_MS]
        return HangingState(
            pairs=(*pairs, *late[-2 * self.levels :]),
            since_ms=tuple(since.items()),
            filled_ms=tuple(
                (index, at) for index, at in filled.items() if view.now_ms - at < self.delay_ms
            ),
        )

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert isinstance(state, HangingState)
        draft = self._delayed(draft, state)
        if not state.since_ms:
            return draft
        since = dict(state.since_ms)
        stay: list[str] = []
        over: list[str] = []
        for side in BOTH:
            mine = [c for c in view.open_orders if c.order_id in since and c.side is side]
            mine.sort(key=lambda c: (side.best_first(c.price), c.nonce))
            kept = 0
            for order in mine:
                why = self._over(view, draft, order, since[order.order_id])
                if not why and kept == self.levels:
                    why = "more than the levels of its side"
                kept += not why
                (over if why else stay).append(order.order_id)
                draft = draft.says(
                    self.name,
                    "{order_id} hangs at {price}" + (": goes, {why}" if why else ""),
                    side,
                    order_id=order.order_id,
                    price=order.price,
                    why=why,
                )
        if not (stay or over):
            return draft
        return changed(draft, hanging=Hanging(stay=frozenset(stay), over=frozenset(over)))

    def _over(self, view: View, draft: Draft, order: OpenOrder, since_ms: int) -> str:
        apart = multiply(abs(order.price - draft.reference).value, BPS)
        if apart > multiply(draft.reference.value, self.cancel_bps):
            return f"further than {self.cancel_bps} bps from the reference"
        if view.now_ms - since_ms > self.max_age_ms:
            return "too old"
        if order.side in draft.off:
            return "its side is not quoted"
        opposite = draft.ladder.get(order.side.opposite, ())
        if any(level.side.reaches(level.price, order.price) for level in opposite):
            return "a quote of the other side would reach it"
        return ""

    def _delayed(self, draft: Draft, state: HangingState) -> Draft:
        """Without the levels whose pair was filled just now."""
        if not state.filled_ms:
            return draft
        waiting = {index for index, _ in state.filled_ms}
        gaps = tuple(
            Missing(side=side, index=level.index, reason=FILLED_ORDER_DELAY)
            for side in BOTH
            for level in draft.ladder.get(side, ())
            if level.index in waiting
        )
        ladder = {
            side: tuple(level for level in levels if level.index not in waiting)
            for side, levels in draft.ladder.items()
        }
        return changed(draft, ladder=ladder, gaps=draft.gaps + gaps)

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, HangingState)
        sides = {c.order_id: c.side for c in view.open_orders}
        held = [sides.get(order_id) for order_id, _ in state.since_ms]
        return tuple(
            Measure(
                name=HANGING.name,
                labels=(side.value,),
                value=Decimal(held.count(side)),
            )
            for side in BOTH
        )

    def save(self, state: object) -> object:
        assert isinstance(state, HangingState)
        return dict(state.since_ms) or None


def _pairs(view: View, since: Mapping[str, int]) -> Iterator[Pair]:
    """The slots of both sides, rank by rank, where they were placed together."""
    bids, asks = (
        [c for c in standing(view.open_orders, side) if c.order_id not in since] for side in BOTH
    )
    for index, (bid, ask) in enumerate(zip(bids, asks, strict=False)):
        if abs(bid.created_ms - ask.created_ms) <= TOGETHER_MS:
            yield Pair(
                index=index,
                ids=(bid.order_id, ask.order_id),
                sizes=(bid.size, ask.size),
                seen_ms=view.now_ms,
            )


def _left_over(pair: Pair, done: set[str], there: Mapping[str, OpenOrder]) -> str | None:
    """The one of a pair whose partner is filled, among those `done`, while it is untouched."""
    for mine, other in ((0, 1), (1, 0)):
        order = there.get(pair.ids[mine])
        gone = pair.ids[other] in done and pair.ids[other] not in there
        if order is None or not gone:
            continue
        untouched = order.size == pair.sizes[mine] and not order.cancels
        if untouched and order.stage is not Stage.UNKNOWN:
            return order.order_id
    return None


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    if not options.switch(_ON):
        return None
    return HangingOrders(
        cancel_bps=options.number(_CANCEL_BPS),
        max_age_ms=options.ms(_MAX_AGE),
        delay_ms=options.ms(_DELAY),
        levels=quote.levels,
    )


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    if options.switch(_ON) and options.number(_CANCEL_BPS) <= quote.half_spread_bps:
        yield (
            _CANCEL_BPS,
            f"{_ON} is on, and nothing would hang: give more than MM_HALF_SPREAD_BPS, "
            f"{quote.half_spread_bps}",
        )


def _options() -> Iterator[Option]:
    yield Option(
        name=_ON,
        sort=Sort.SWITCH,
        meaning="An order whose partner of the other side was filled stays beside the new pair.",
        default="false",
    )
    yield Option(
        name=_CANCEL_BPS,
        sort=Sort.NUMBER,
        meaning="A hanging order further from the reference than this is cancelled.",
        default="1000",
        unit="basis points",
        above="0",
    )
    yield Option(
        name=_MAX_AGE,
        sort=Sort.SECONDS,
        meaning="How long an order may hang.",
        default="1800",
        least="1",
    )
    yield Option(
        name=_DELAY,
        sort=Sort.SECONDS,
        meaning="How long the slots of a filled pair wait for the next one.",
        default="0",
        least="0",
    )


FEATURE = Feature(
    name="hanging",
    step=HangingOrders,
    place=Place.LADDER,
    options=tuple(_options()),
    build=_build,
    contradictions=_contradictions,
)

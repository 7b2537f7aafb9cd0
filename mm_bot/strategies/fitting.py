"""The last two steps of every ladder: what bounds a side, and the levels that fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from mm_bot.core.again import again
from mm_bot.core.balances import Holdings
from mm_bot.core.changed import changed
from mm_bot.core.declared import StepReason
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size, multiply
from mm_bot.core.explained import Explanation, said
from mm_bot.core.instrument import BOTH, Instrument, Level, Margin, Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Bound, Missing, MissingReason, Reason, View
from mm_bot.core.room import Room
from mm_bot.strategies.draft import Draft, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds(Step):
    """What limits the sum of each side."""

    name = "bound"
    policy: QuotePolicy

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert view.holdings is not None, "asked only with balances"
        bounds = {}
        for side in BOTH:
            resting = view.resting.get(side, (NO_SIZE, NO_AMOUNT))
            own = _bounding(view.market, self.policy, side, view.holdings, resting)
            bounds[side] = own + draft.bounds.get(side, ())
        return changed(draft, bounds=bounds, said=(*draft.said, lambda: _bounds(bounds)))


@again(len(Side))
def _bounding(
    market: Instrument,
    policy: QuotePolicy,
    side: Side,
    holdings: Holdings,
    resting: tuple[Size, Amount],
) -> tuple[Bound, ...]:
    """The bounds of a side beside what rests there that is not managed by us."""
    resting_size, resting_notional = resting
    bounds = []
    if market.margin is not Margin.FUNDED:
        per = multiply(market.multiplier, market.margin_rate)
        if per:
            cash, priced = holdings.quote_available.value, market.margin is Margin.QUOTE
            bounds.append(
                Bound(reason=MissingReason.QUOTE_BALANCE, left=cash, per=per, priced=priced)
            )
    elif side is Side.BUY:
        left = holdings.quote_available.value
        bounds.append(Bound(reason=MissingReason.QUOTE_BALANCE, left=left, priced=True))
    else:
        left = holdings.base_available.value
        bounds.append(Bound(reason=MissingReason.BASE_BALANCE, left=left))
    if policy.max_notional_per_side is not None:
        room = policy.max_notional_per_side - resting_notional
        bounds.append(
            Bound(
                reason=MissingReason.NOTIONAL_LIMIT,
                left=room.value,
                per=market.multiplier,
                priced=True,
            )
        )
    if side is Side.BUY:
        head = policy.max_long - holdings.base_highest
    else:
        head = holdings.base_lowest - policy.max_short
    headroom = (head - resting_size).value
    bounds.append(Bound(reason=MissingReason.INVENTORY_LIMIT, left=headroom))
    return tuple(bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes(Step):
    """The levels: each as large as wanted or as the bounds leave, from the best outwards
    (invariants 4, 5 and 6)."""

    name = "size"

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        ladder: dict[Side, tuple[Level, ...]] = {}
        told, lasting, missing = list(draft.said), list(draft.lasting), list(draft.gaps)
        for side in BOTH:
            reason = _side_off(view, side)
            if reason is not None:
                draft = draft.without(side, Missing(side=side, index=None, reason=reason))
            if side in draft.off:
                why = _gap(draft.off[side])
                ladder[side] = ()
                told.append(why)
                lasting.append(why)
                continue
            wanted, bounds = draft.wanted(side), draft.bounds[side]
            ladder[side], tried, gaps = _fitted(
                view.market, side, draft.prices[side], wanted, bounds, draft.no_size
            )
            told.append(partial(_sizes, side, tried))
            lasting.extend(map(_gap, gaps))
            missing.extend(gaps)
        return changed(
            draft,
            ladder=ladder,
            gaps=tuple(missing),
            said=tuple(told),
            lasting=tuple(lasting),
        )


@again(len(Side))
def _fitted(
    market: Instrument,
    side: Side,
    prices: tuple[Price, ...],
    each_wanted: tuple[Size, ...],
    bounds: tuple[Bound, ...],
    no_size: StepReason | None,
) -> tuple[tuple[Level, ...], tuple[_Try, ...], tuple[Missing, ...]]:
    """The levels, how each was tried, and the first that fell away with all behind it."""
    room = Room(market, bounds)
    ample = room.is_ample(prices, each_wanted)
    levels: list[Level] = []
    tried: list[_Try] = []
    gaps: tuple[Missing, ...] = ()
    cut: Bound | None = None
    for index, (price, wanted) in enumerate(zip(prices, each_wanted, strict=False)):
        if price.value <= 0:
            tried.append((price, NO_SIZE, wanted, None, False))
            gaps = (Missing(side=side, index=index, reason=MissingReason.PRICE_TOO_LOW),)
            break
        size, binding = (market.floor_size(wanted), None) if ample else room.fit(price, wanted)
        notional = market.notional(price, size)
        # The last one gets what is left: behind a level that was cut there is none, though
        # its lower price may make room for a lot more.
        fits = market.reaches_least(size, notional) and cut is None
        binding = binding or cut
        tried.append((price, size, wanted, binding, fits))
        if not fits:
            # what does not fit here fits no outer level either (invariant 5)
            reason: Reason = binding.reason if binding else MissingReason.PRICE_TOO_LOW
            if binding is None and no_size is not None:
                reason = no_size
            numbers = _numbers(binding, wanted, size, price)
            gaps = (Missing(side=side, index=index, reason=reason, numbers=numbers),)
            break
        levels.append(Level(side=side, index=index, price=price, size=size, notional=notional))
        if not ample:
            room.use(price, size)
        cut = binding
    return tuple(levels), tuple(tried), gaps


_Try = tuple[Price, Size, Size, Bound | None, bool]
"""A level's price, its size, the one wanted, what cut it, and whether it can be traded."""


def _bounds(bounds: Mapping[Side, tuple[Bound, ...]]) -> Iterator[Explanation]:
    for side in BOTH:
        for bound in bounds[side]:
            yield said(
                f"bound {bound.reason.value}",
                _PRICED if bound.priced else _PLAIN,
                side,
                left=bound.left,
                per=bound.per,
            )


def _gap(missing: Missing) -> Explanation:
    what = "side" if missing.index is None else f"level {missing.index}"
    numbers = "".join(f", {name} {{{name}}}" for name, _ in missing.numbers)
    says = f"{what} not quoted: {missing.reason.value}{numbers}"
    return Explanation(step=Sizes.name, says=says, numbers=missing.numbers, side=missing.side)


def _sizes(side: Side, tried: Iterable[_Try]) -> Iterator[Explanation]:
    for index, (price, size, wanted, binding, fits) in enumerate(tried):
        name = f"size level {index}"
        if price.value <= 0:
            yield said(name, "no price, no order", side, price=price)
            continue
        sentence = f"{_WANTED}, cut by {binding.reason.value}" if binding else _WANTED
        if not fits:
            sentence += _TOO_SMALL
        yield said(name, sentence, side, size=size, wanted=wanted, price=price)


_PLAIN = "{left} left for the whole side, {per} for each unit of size"
_PRICED = "{left} left for the whole side, {per} x price for each unit of size"
_WANTED = "{size} of {wanted} wanted"
_TOO_SMALL = ": below the smallest order, so this level and all behind it fall away"


def _side_off(view: View, side: Side) -> MissingReason | None:
    if not view.mode.wants(side):
        return MissingReason.OPERATOR_MODE
    if not view.market.is_open(view.now_ms):
        return MissingReason.MARKET_CLOSED
    return None


def _numbers(
    binding: Bound | None, wanted: Size, size: Size, price: Price
) -> tuple[tuple[str, str], ...]:
    numbers = [("wanted_size", str(wanted)), ("allowed_size", str(size)), ("price", str(price))]
    if binding is not None:
        numbers.append(("left", str(Size(binding.left))))
    return tuple(numbers)

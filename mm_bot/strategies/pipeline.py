"""A strategy made of steps: each shapes the draft that the one before it left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import add

from mm_bot.core.declared import Declared, Measure, MeasureKind
from mm_bot.core.exact import Price, Size
from mm_bot.core.explained import Explained, Explanation, Told
from mm_bot.core.instrument import Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import NONE_HANGS, Kept, Ladder, Missing, Quotes, View
from mm_bot.strategies.draft import SIDES, Draft, Step

States = Mapping[str, object]
HALF_SPREAD = MeasureKind(
    name="mm_bot_half_spread_bps",
    help="From the reference to the best level of that side, without the skew.",
    labels={"side": SIDES},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The steps in the order in which they see the draft."""

    policy: QuotePolicy
    steps: tuple[Step, ...]

    @property
    def levels(self) -> int:
        return self.policy.levels

    @property
    def state_kinds(self) -> Mapping[str, type]:
        return {step.name: step.state for step in self.steps if step.state is not None}

    @property
    def declared(self) -> Declared:
        own = Declared(measures=(HALF_SPREAD,))
        return reduce(add, (step.declared() for step in self.steps), own)

    def quote(self, view: View, kept: Kept) -> Quotes:
        states = self._states(view, kept)
        halts = tuple(h for step in self.steps for h in step.halts(view, states.get(step.name)))
        measures = tuple(
            m for step in self.steps for m in step.measures(view, states.get(step.name))
        )
        forced = (step.reduction(view, states.get(step.name)) for step in self.steps)
        ladder = Ladder()
        said: tuple[Told, ...] = ()
        lasting: tuple[Explanation, ...] = ()
        hanging = NONE_HANGS
        price = view.half_known if view.reference is None else view.reference
        if price is not None and view.holdings is not None:
            draft = self._draft(view, price, states)
            ladder, said, lasting = _ladder(draft), draft.said, draft.lasting
            hanging = draft.hanging
            measures += tuple(
                Measure(name=HALF_SPREAD.name, labels=(side.value,), value=half)
                for side, half in draft.half_bps.items()
            )
        return Quotes(
            ladder=ladder,
            explanations=Explained(said),
            lasting=lasting,
            halts=halts,
            hanging=hanging,
            reduction=next((found for found in forced if found is not None), None),
            kept=self._kept(states),
            measures=measures,
        )

    def _states(self, view: View, kept: Kept) -> States:
        known = kept.value
        found: dict[str, object] = {}
        for step in self.steps:
            if known is not None:
                state = known.get(step.name)
            else:
                saved = {**kept.saved, **kept.durable}
                state = step.begin(saved.get(step.name), view.now_ms)
            state = step.look(view, state)
            if state is not None:
                found[step.name] = state
        return found

    def _draft(self, view: View, price: Price, states: States) -> Draft:
        draft = self._first_draft(price)
        for step in self.steps:
            draft = step.shape(view, draft, states.get(step.name))
        return draft

    def _first_draft(self, price: Price) -> Draft:
        policy = self.policy
        each: list[Size] = []
        for _ in range(policy.levels):
            each.append(each[-1].times(policy.level_size_mult) if each else policy.order_size)
        return Draft(
            reference=price,
            half_bps=dict.fromkeys(Side, policy.half_spread_bps),
            step_bps=policy.level_step_bps,
            levels=policy.levels,
            sizes=dict.fromkeys(Side, tuple(each)),
            size_factor=dict.fromkeys(Side, Decimal(1)),
        )

    def _kept(self, states: States) -> Kept:
        saved: dict[bool, dict[str, object]] = {False: {}, True: {}}
        for step in self.steps:
            value = step.save(states.get(step.name))
            if value is not None:
                saved[step.durable][step.name] = value
        return Kept(value=states, saved=saved[False], durable=saved[True])


def _ladder(draft: Draft) -> Ladder:
    missing: list[Missing] = []
    for side in Side:
        off = draft.off.get(side)
        missing.extend((off,) if off else (gap for gap in draft.gaps if gap.side is side))
    return Ladder(
        bids=draft.ladder[Side.BUY],
        asks=draft.ladder[Side.SELL],
        missing=tuple(missing),
        skew_bps=draft.shift_bps,
        bounds=draft.bounds,
    )

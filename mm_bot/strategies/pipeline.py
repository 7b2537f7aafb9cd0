"""A strategy made of steps: each shapes the draft that the one before it left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial, reduce
from operator import add

from mm_bot.core.changed import changed
from mm_bot.core.declared import Declared, Measure, Measured, MeasureKind
from mm_bot.core.exact import Price
from mm_bot.core.explained import Explained
from mm_bot.core.instrument import BOTH, Side
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
    """The steps in the order in which they see the draft; made by `of`."""

    steps: tuple[Step, ...]
    first: Draft
    """What the first step sees, but for the reference."""
    remembering: tuple[Step, ...]
    """Those of them that have something to do in every cycle; the like below. Most have not, and
    a decision is made often."""
    halting: tuple[Step, ...]
    reducing: tuple[Step, ...]
    shaping: tuple[Step, ...]
    measuring: tuple[Step, ...]
    saving: tuple[Step, ...]

    @classmethod
    def of(cls, policy: QuotePolicy, steps: Iterable[Step]) -> Pipeline:
        every = tuple(steps)
        return cls(
            steps=every,
            first=_first_draft(policy),
            remembering=tuple(s for s in every if _does(s, "begin") or _does(s, "look")),
            halting=tuple(s for s in every if _does(s, "halts")),
            reducing=tuple(s for s in every if _does(s, "reduction")),
            shaping=tuple(s for s in every if _does(s, "shape")),
            measuring=tuple(s for s in every if _does(s, "measures")),
            saving=tuple(s for s in every if _does(s, "save")),
        )

    @property
    def levels(self) -> int:
        return self.first.levels

    @property
    def state_kinds(self) -> Mapping[str, type]:
        return {step.name: step.state for step in self.steps if step.state is not None}

    @property
    def declared(self) -> Declared:
        own = Declared(measures=(HALF_SPREAD,))
        return reduce(add, (step.declared() for step in self.steps), own)

    def quote(self, view: View, kept: Kept) -> Quotes:
        states = self._states(view, kept)
        halts = [h for step in self.halting for h in step.halts(view, states.get(step.name))]
        forced = (step.reduction(view, states.get(step.name)) for step in self.reducing)
        price = view.half_known if view.reference is None else view.reference
        draft: Draft | None = None
        if price is not None and view.holdings is not None:
            draft = changed(self.first, reference=price)
            for step in self.shaping:
                draft = step.shape(view, draft, states.get(step.name))
        return Quotes(
            ladder=Ladder() if draft is None else _ladder(draft),
            explanations=Explained(() if draft is None else draft.said),
            lasting=() if draft is None else draft.lasting,
            halts=tuple(halts),
            hanging=NONE_HANGS if draft is None else draft.hanging,
            reduction=next((found for found in forced if found is not None), None),
            kept=self._kept(states),
            measures=Measured(partial(self._measures, view, states, draft)),
        )

    def _states(self, view: View, kept: Kept) -> States:
        known = kept.value
        found: dict[str, object] = {}
        for step in self.remembering:
            if known is not None:
                state = known.get(step.name)
            else:
                saved = {**kept.saved, **kept.durable}
                state = step.begin(saved.get(step.name), view.now_ms)
            state = step.look(view, state)
            if state is not None:
                found[step.name] = state
        return found

    def _kept(self, states: States) -> Kept:
        saved: dict[bool, dict[str, object]] = {False: {}, True: {}}
        for step in self.saving:
            value = step.save(states.get(step.name))
            if value is not None:
                saved[step.durable][step.name] = value
        return Kept(value=states, saved=saved[False], durable=saved[True])

    def _measures(self, view: View, states: States, draft: Draft | None) -> Iterator[Measure]:
        for step in self.measuring:
            yield from step.measures(view, states.get(step.name))
        for side, half in draft.half_bps.items() if draft is not None else ():
            yield Measure(name=HALF_SPREAD.name, labels=(side.value,), value=half)


def _does(step: Step, what: str) -> bool:
    """Whether it is more than a step that does nothing there."""
    return getattr(type(step), what) is not getattr(Step, what)


def _first_draft(policy: QuotePolicy) -> Draft:
    each = [policy.order_size]
    for _ in range(1, policy.levels):
        each.append(each[-1].times(policy.level_size_mult))
    return Draft(
        reference=Price(Decimal(0)),
        half_bps=dict.fromkeys(BOTH, policy.half_spread_bps),
        step_bps=policy.level_step_bps,
        levels=policy.levels,
        sizes=dict.fromkeys(BOTH, tuple(each)),
        size_factor=dict.fromkeys(BOTH, Decimal(1)),
    )


def _ladder(draft: Draft) -> Ladder:
    missing: list[Missing] = []
    for side in BOTH:
        off = draft.off.get(side)
        missing.extend((off,) if off else (gap for gap in draft.gaps if gap.side is side))
    return Ladder(
        bids=draft.ladder[Side.BUY],
        asks=draft.ladder[Side.SELL],
        missing=tuple(missing),
        skew_bps=draft.shift_bps,
        bounds=draft.bounds,
    )

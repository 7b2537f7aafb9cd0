"""One price out of several sources: `MedianSource`.

Every member is read at its own pace behind its own guard; a read of the median looks at what they
last said and waits for nobody but for the first reading of each.

1. Members count while their value is fresh, by its own age limit where it has one. Fewer than
   `quorum`: no price.
2. The price is the weighted median. A member further than `outlier_bps` from it is an outlier: it
   is dropped and named, the quorum must hold without it, and the median is taken anew.
3. The price lies within the prices it was made from, and none of those is further from it than
   `widening_bps` says.
4. Time and age limit are those of the value that is the quorum-th to grow stale: so many sources
   are fresh for at least as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce

from mm_bot.clock import Clock
from mm_bot.core.exact import BPS, Price, add, ceil_to_step, multiply, plain
from mm_bot.prices.build import build_guarded
from mm_bot.prices.guarded import GuardPolicy, fresh_until_ms
from mm_bot.prices.runner import AnchorRunner
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from mm_bot.prices.spec import SourceContext, SourceSpec
from mm_bot.prices.witness import deviation_bps

HALF = Decimal("0.5")
WIDENING_STEP_BPS = Decimal("0.01")
FIRST_WAIT_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSpec:
    """One of a median's sources, behind a guard of its own, which must have a maximum age."""

    name: str
    """What metrics and logs call it; unique in its median."""
    source: SourceSpec
    guard: GuardPolicy
    weight: Decimal = Decimal(1)

    def build(self, median: MedianSpec, context: SourceContext) -> Member:
        assert self.guard.max_age_ms is not None, f"{self.name} needs a maximum age"
        own = replace(context, moved=asyncio.Event())
        guarded = build_guarded(self.source, self.guard, median.timeout_ms, own, name=self.name)
        runner = AnchorRunner(
            guarded, interval_ms=median.interval_ms, clock=context.clock, moved=own.moved
        )
        runner.on_update = context.moved.set
        return Member(runner=runner, weight=self.weight, max_age_ms=self.guard.max_age_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianSpec:
    """`median`: see `MedianSource`. The members are read at the given pace."""

    members: tuple[MemberSpec, ...]
    quorum: int
    outlier_bps: Decimal
    interval_ms: int
    timeout_ms: int

    def build(self, context: SourceContext) -> MedianSource:
        return MedianSource(
            [member.build(self, context) for member in self.members],
            quorum=self.quorum,
            outlier_bps=self.outlier_bps,
            clock=context.clock,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One source of the median; the runner's name is the member's."""

    runner: AnchorRunner
    weight: Decimal
    max_age_ms: int
    """Of values that have no limit of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """A fresh value of one member."""

    name: str
    price: Price
    weight: Decimal
    as_of_ms: int
    max_age_ms: int


class MedianSource:
    """The weighted median of fresh members. Owns and closes their runners."""

    name = "median"
    min_interval_ms = 0

    def __init__(
        self, members: Sequence[Member], *, quorum: int, outlier_bps: Decimal, clock: Clock
    ) -> None:
        assert 1 <= quorum <= len(members), (quorum, len(members))
        assert all(member.weight > 0 for member in members)
        names = [member.runner.name for member in members]
        assert len(set(names)) == len(names), f"members need different names: {names}"
        self._members = tuple(members)
        self._quorum = quorum
        self._outlier_bps = outlier_bps
        self._clock = clock
        self._started = False

    async def read(self) -> Reading:
        if not self._started:
            self._started = True
            for member in self._members:
                member.runner.start()
        runners = [member.runner for member in self._members]
        await asyncio.gather(*(r.first_reading(FIRST_WAIT_MS) for r in runners))
        votes, refused = self._votes()
        self._require_quorum(votes, refused)
        middle = weighted_median(votes)
        kept = []
        for vote in votes:
            off_bps = deviation_bps(vote.price, middle)
            if off_bps <= self._outlier_bps:
                kept.append(vote)
                continue
            detail = f"{vote.price} is {plain(off_bps)} bps from {middle}"
            refused.append(AnchorError(vote.name, RejectReason.OUTLIER, detail))
        self._require_quorum(kept, refused)
        price = weighted_median(kept)
        last_stale_first = sorted(
            kept, key=lambda vote: fresh_until_ms(vote.as_of_ms, vote.max_age_ms), reverse=True
        )
        timed = last_stale_first[self._quorum - 1]
        return Reading(
            price=price,
            as_of_ms=timed.as_of_ms,
            max_age_ms=timed.max_age_ms,
            widening_bps=disagreement_bps(kept, price),
            used=tuple(vote.name for vote in kept),
            refused=tuple(refused),
        )

    async def aclose(self) -> None:
        for member in self._members:
            await member.runner.aclose()

    def _votes(self) -> tuple[list[Vote], list[AnchorError]]:
        now_ms = self._clock.now_ms()
        votes, refused = [], []
        for member in self._members:
            name, quote = member.runner.name, member.runner.latest()
            limit_ms = member.max_age_ms if quote.max_age_ms is None else quote.max_age_ms
            if quote.price is None or quote.as_of_ms is None:
                refusal = member.runner.last_refusal or RejectReason.NO_PRICE
                refused.append(AnchorError(name, refusal, quote.error or "never read"))
            elif now_ms - quote.as_of_ms > limit_ms:
                detail = f"{now_ms - quote.as_of_ms} ms, limit {limit_ms} ms"
                refused.append(AnchorError(name, RejectReason.STALE, detail))
            else:
                votes.append(
                    Vote(
                        name=name,
                        price=quote.price,
                        weight=member.weight,
                        as_of_ms=quote.as_of_ms,
                        max_age_ms=limit_ms,
                    )
                )
        return votes, refused

    def _require_quorum(self, votes: Sequence[Vote], refused: Sequence[AnchorError]) -> None:
        if len(votes) >= self._quorum:
            return
        reasons = "; ".join(str(error) for error in refused)
        detail = f"{len(votes)} of {len(self._members)}, needs {self._quorum}; {reasons}"
        raise AnchorError(self.name, RejectReason.NO_QUORUM, detail, parts=tuple(refused))


def weighted_median(votes: Sequence[Vote]) -> Price:
    """The price with half of the weight on either side; between two such prices, their middle."""
    assert votes
    ranked = sorted(votes, key=lambda vote: (vote.price.value, vote.name))
    total = reduce(add, (vote.weight for vote in ranked))
    below = Decimal(0)
    for index, vote in enumerate(ranked):
        below = add(below, vote.weight)
        if add(below, below) == total:
            return (vote.price + ranked[index + 1].price).times(HALF)
        if add(below, below) > total:
            return vote.price
    raise AssertionError("weights are positive, so half of them is passed")


def disagreement_bps(votes: Sequence[Vote], price: Price) -> Decimal:
    """How far the furthest vote is from `price`, rounded up to a hundredth."""
    furthest = max(abs(vote.price - price).value for vote in votes)
    return ceil_to_step(multiply(furthest, BPS), price.value, WIDENING_STEP_BPS)

"""Target inventory: the skew is by what is held beyond a target, per side of the room left.

`shift = skew x clamp(q, -R, R) / R`, an exact fraction, with `q = I - T` and the room `R` from the
target to the limit on that side. `T` is a size, or on spot a percentage of all that is owned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.exact import NO_SIZE, Price, Size, add, clamp, floor_to_step, multiply, subtract
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.strategies.draft import Draft, Step, skew_bps
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort

TARGET_SIZE, TARGET_PCT = "MM_TARGET_INVENTORY", "MM_TARGET_BASE_PCT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`size`, or on spot `pct` percent of everything owned: `floor_lot(pct/100 x (I + Q/m))`."""

    size: Size = NO_SIZE
    pct: Decimal | None = None

    def at(self, view: View, price: Price) -> Size:
        """The target as a size while the price is that."""
        if self.pct is None or not view.market.is_spot:
            return self.size
        assert view.holdings is not None, "asked only with balances"
        m, held = price.value, view.holdings
        owned = add(multiply(held.base_total.value, m), held.quote_total.value)
        step = view.market.size_step.value
        return Size(floor_to_step(multiply(self.pct, owned), multiply(Decimal(100), m), step))


ZERO_TARGET = Target()


def target_of(options: Options) -> Target:
    """0 where none is set."""
    if options.given(TARGET_PCT):
        return Target(pct=options.number(TARGET_PCT))
    return Target(size=Size(options.number(TARGET_SIZE)) if options.given(TARGET_SIZE) else NO_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSkew(Step):
    name = "target"

    target: Target
    skew_bps: Decimal
    max_long: Size
    max_short: Size

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert view.holdings is not None, "asked only with balances"
        if self.target.pct is not None and not view.market.is_spot:
            return draft.says(self.name, "a percentage is for spot alone: not used")
        target = self.target.at(view, draft.reference)
        excess = subtract(view.holdings.base_total.value, target.value)
        limit = self.max_long if excess > 0 else self.max_short
        room = (limit - target if excess > 0 else target - limit).value
        if room > 0:
            held, per = clamp(excess, -room, room), room
        else:
            held, per = Decimal((excess > 0) - (excess < 0)), Decimal(1)
        shift = multiply(held, self.skew_bps)
        said = draft.told(
            self.name,
            "excess {excess} over the target {target}, room {room}: skew {skew_bps} of {full_bps} "
            "bps",
            excess=excess,
            target=target,
            room=room,
            skew_bps=skew_bps(shift, per),
            full_bps=self.skew_bps,
        )
        return changed(draft, shift=shift, shift_per=per, said=said)


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    if not options.given(TARGET_SIZE) and not options.given(TARGET_PCT):
        return None
    return TargetSkew(
        target=target_of(options),
        skew_bps=quote.skew_bps,
        max_long=quote.max_long,
        max_short=quote.max_short,
    )


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    if options.given(TARGET_SIZE) and options.given(TARGET_PCT):
        yield TARGET_PCT, f"{TARGET_SIZE} says the target already: give one of the two"
    if options.given(TARGET_SIZE):
        target = Size(options.number(TARGET_SIZE))
        if not quote.max_short <= target <= quote.max_long:
            yield (
                TARGET_SIZE,
                "it is outside of MM_MAX_SHORT_INVENTORY and MM_MAX_LONG_INVENTORY: keep it inside",
            )


FEATURE = Feature(
    name="target",
    step=TargetSkew,
    place=Place.SHIFT,
    options=(
        Option(
            name=TARGET_SIZE,
            sort=Sort.NUMBER,
            meaning="The inventory to come back to; quotes lean by what is held beyond it.",
            default=None,
            absent="0, with the skew by the larger limit",
            unit="the base (spot) or contracts",
        ),
        Option(
            name=TARGET_PCT,
            sort=Sort.NUMBER,
            meaning="The same as a percentage of all that is owned; spot alone.",
            default=None,
            unit="percent",
            least="0",
            most="100",
        ),
    ),
    build=_build,
    contradictions=_contradictions,
    strategies=("founding",),
)


def inventory_target(texts: Mapping[str, str]) -> Size:
    """The target that is a size, for limits that know no price; 0 where there is none."""
    return target_of(Options(FEATURE.options, texts)).size

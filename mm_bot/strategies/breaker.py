"""Daily-loss breaker: what trading lost today beyond a limit stops it, over restarts too.

The result is attributed to trading: our fills' flows since the day's first reference, and the
excess over the target at that reference's price, so that a deposit is no profit and revaluing the
operator's own stock no loss. Days are UTC dates of the clock and only grow.

State: the day's base, how often it tripped, and until when it holds. All of it survives a restart,
on disk before the cycle that changed it is reported; a restart grants no new budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from mm_bot.core.changed import changed
from mm_bot.core.declared import Measure, MeasureKind
from mm_bot.core.exact import Amount, Price, Size, add, exact, multiply, subtract
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.core.risk import Halt, HaltReason
from mm_bot.strategies.draft import Step, too_far_ahead
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort
from mm_bot.strategies.target import FEATURE as TARGET
from mm_bot.strategies.target import ZERO_TARGET, Target, target_of

DAILY_PNL = MeasureKind(
    name="mm_bot_daily_pnl",
    help="Result of trading since the day's first reference, in the quote.",
)
BREAKER_HALTED = MeasureKind(
    name="mm_bot_breaker_halted",
    help="1 while the daily-loss breaker holds, else 0.",
    off=Decimal(0),
)
DAY_MS = 86_400_000
_LOSS, _USD, _COOLDOWN = (
    "MM_MAX_DAILY_LOSS",
    "MM_MAX_DAILY_LOSS_USD",
    "MM_BREAKER_COOLDOWN_SECONDS",
)
_RESUME, _TRIPS = "MM_BREAKER_RESUME", "MM_BREAKER_MAX_TRIPS"
NEXT_DAY, COOLDOWN = "next_day", "cooldown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What the result is counted from."""

    price: Price
    excess: Size
    cash: Amount
    position: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    day: int = -1
    """Since 1970; -1 before the first."""
    base: Base | None = None
    trips: int = 0
    tripped: bool = False
    """Whether it holds now: by the cooldown, or by the loss that is still there."""
    halted_until_ms: int = 0
    pnl: Amount | None = None
    """Of today, as last known; not saved."""
    refused: str = ""
    """What of a saved state was not believed."""

    def stepped(self, step_ms: int) -> Breaker:
        held = self.halted_until_ms and self.halted_until_ms + step_ms
        return changed(self, halted_until_ms=held)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossBreaker(Step):
    name = "breaker"
    durable = True
    state = Breaker
    measured = (DAILY_PNL, BREAKER_HALTED)

    max_loss: Amount | None
    max_loss_usd: Decimal | None
    cooldown_ms: int
    resume: str
    max_trips: int
    target: Target = ZERO_TARGET

    def begin(self, saved: object, now_ms: int) -> Breaker:
        return _loaded(saved, now_ms, self.cooldown_ms)

    def look(self, view: View, state: object) -> Breaker:
        assert isinstance(state, Breaker)
        price = view.reference
        if price is None or view.holdings is None:
            return state
        day = max(state.day, view.now_ms // DAY_MS)
        if day > state.day:
            held = state.tripped and view.now_ms < state.halted_until_ms
            base = self._base(view, price)
            state = changed(state, day=day, base=base, trips=0, tripped=held)
        elif state.base is None:  # the books were lost, but not what held
            state = changed(state, base=self._base(view, price))
        assert state.base is not None
        pnl = _pnl(view, price, state.base)
        state = changed(state, pnl=pnl)
        if state.tripped:
            return self._after_trip(view, price, state)
        if not self._lost(pnl, price):
            return state
        return changed(
            state,
            tripped=True,
            trips=state.trips + 1,
            halted_until_ms=max(state.halted_until_ms, view.now_ms + self.cooldown_ms),
        )

    def _after_trip(self, view: View, price: Price, state: Breaker) -> Breaker:
        over = view.now_ms >= state.halted_until_ms
        again = self.resume == COOLDOWN and state.trips < self.max_trips
        # after a new day's base the loss is gone: only the cooldown can still hold
        fresh = state.pnl is not None and not self._lost(state.pnl, price) and not state.trips
        if over and (again or fresh):
            return changed(state, tripped=False, base=self._base(view, price))
        return state

    def _base(self, view: View, price: Price) -> Base:
        assert view.holdings is not None, "asked only with balances"
        return Base(
            price=price,
            excess=view.holdings.base_total - self.target.at(view, price),
            cash=view.fill_totals.cash,
            position=view.fill_totals.position,
        )

    def _lost(self, pnl: Amount, price: Price) -> bool:
        if self.max_loss is not None and (-pnl).value >= self.max_loss.value:
            return True
        usd = self.max_loss_usd
        return usd is not None and (-pnl).value >= multiply(usd, price.value)

    def halts(self, view: View, state: object) -> tuple[Halt, ...]:
        assert isinstance(state, Breaker)
        if not state.tripped:
            return ()
        cooling = view.now_ms < state.halted_until_ms
        reason = HaltReason.BREAKER_COOLDOWN if cooling else HaltReason.DAILY_LOSS
        numbers = (
            ("pnl_today", "unknown" if state.pnl is None else str(state.pnl)),
            ("limit", str(self.max_loss or f"{self.max_loss_usd} USD")),
            ("trips", str(state.trips)),
            ("cooldown_ms", str(max(0, state.halted_until_ms - view.now_ms))),
            *((("refused", state.refused),) if state.refused else ()),
        )
        return (Halt(reason=reason, numbers=numbers),)

    def measures(self, view: View, state: object) -> tuple[Measure, ...]:
        assert isinstance(state, Breaker)
        return (
            Measure(
                name=DAILY_PNL.name,
                value=None if state.pnl is None else state.pnl.value,
            ),
            Measure(
                name=BREAKER_HALTED.name,
                value=Decimal(state.tripped),
            ),
        )

    def save(self, state: object) -> object:
        assert isinstance(state, Breaker)
        base = state.base
        return {
            "day": state.day,
            "trips": state.trips,
            "tripped": state.tripped,
            "halted_until_ms": state.halted_until_ms,
            "base": None
            if base is None
            else [str(base.price), str(base.excess), str(base.cash), str(base.position)],
        }


def _pnl(view: View, price: Price, base: Base) -> Amount:
    """`(C - C0) + (q m - q0 m0) x contract size`, with `q = q0 + P - P0`; exact."""
    excess = add(base.excess.value, subtract(view.fill_totals.position.value, base.position.value))
    stock = subtract(multiply(excess, price.value), multiply(base.excess.value, base.price.value))
    cash = view.fill_totals.cash - base.cash
    return cash + Amount(multiply(stock, view.market.multiplier))


def _loaded(saved: object, now_ms: int, cooldown_ms: int) -> Breaker:
    """A saved state; where it cannot be ours the safe side holds: as long as a trip would."""
    if saved is None:
        return Breaker()
    refused = "the state file's breaker cannot be read: it holds as after a loss"
    try:
        assert isinstance(saved, dict)
        until_ms, base = int(saved["halted_until_ms"]), saved["base"]
        latest_ms = max(until_ms - cooldown_ms, int(saved["day"]) * DAY_MS)
        if latest_ms > now_ms + DAY_MS:
            refused = too_far_ahead(latest_ms, now_ms)
            raise ValueError(refused)
        return Breaker(
            day=int(saved["day"]),
            trips=int(saved["trips"]),
            tripped=bool(saved["tripped"]),
            halted_until_ms=until_ms,
            base=None
            if base is None
            else Base(
                price=Price.of(base[0]),
                excess=Size(exact(base[1])),
                cash=Amount(exact(base[2])),
                position=Size(exact(base[3])),
            ),
        )
    except (AssertionError, KeyError, TypeError, ValueError, IndexError, InvalidOperation):
        return Breaker(tripped=True, halted_until_ms=now_ms + cooldown_ms, refused=refused)


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    loss, usd = options.number(_LOSS), options.number(_USD)
    if not loss and not usd:
        return None
    return LossBreaker(
        max_loss=Amount(loss) if loss else None,
        max_loss_usd=usd or None,
        cooldown_ms=options.ms(_COOLDOWN),
        resume=options.word(_RESUME),
        max_trips=options.whole(_TRIPS),
        target=target_of(options),
    )


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    if options.number(_LOSS) and options.number(_USD):
        yield _USD, f"{_LOSS} says the limit already: give one of the two"


FEATURE = Feature(
    name="breaker",
    step=LossBreaker,
    place=Place.LIMITS,
    options=(
        *TARGET.options,
        Option(
            name=_LOSS,
            sort=Sort.NUMBER,
            meaning="Halts when trading lost this much since midnight UTC; 0 is off.",
            unit="the quote",
            least="0",
        ),
        Option(
            name=_USD,
            sort=Sort.NUMBER,
            meaning="The same in USD at the reference; 0 is off.",
            unit="USD",
            least="0",
        ),
        Option(
            name=_COOLDOWN,
            sort=Sort.SECONDS,
            meaning="Least time without quotes after the loss.",
            default="300",
            least="0",
        ),
        Option(
            name=_RESUME,
            sort=Sort.WORD,
            meaning="When it quotes again: next_day, or cooldown with a new budget.",
            default=NEXT_DAY,
            words=(NEXT_DAY, COOLDOWN),
        ),
        Option(
            name=_TRIPS,
            sort=Sort.WHOLE,
            meaning="With cooldown: how often a day, the last one until the next day.",
            default="3",
            least="1",
        ),
    ),
    build=_build,
    contradictions=_contradictions,
)

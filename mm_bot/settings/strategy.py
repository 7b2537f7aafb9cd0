"""What makes the quotes: `MM_STRATEGY`, and the options of its features.

The options are declared beside their steps in `mm_bot.strategies`; here each becomes a variable
whose text is checked by its sort and kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, cast

from pydantic import create_model

from mm_bot import strategies
from mm_bot.core.exact import Price, exact
from mm_bot.core.policy import QuotePolicy
from mm_bot.fields.kinds import BOOLEAN, Kind, Range, decimal, one_of, seconds, token, whole
from mm_bot.fields.model import Model, Reading, variable
from mm_bot.strategies.options import Option, Options, Sort
from mm_bot.strategies.price_band import CEILING, FLOOR

_BUILT_IN = ", ".join(strategies.BUILT_IN)


class StrategySettings(Model, title="Strategy"):
    strategy: Annotated[
        str,
        token(
            f"{_BUILT_IN}, or an import path `package.module:Name`",
            r"[A-Za-z0-9_.-]{1,200}(:\w{1,80})?",
        ),
    ] = variable("MM_STRATEGY", "What makes the quotes.", default=strategies.FOUNDING)

    @property
    def options(self) -> dict[str, str]:
        """What is set of the options, by the variable's name."""
        texts = {name: getattr(self, _field(name)) for name in _NAMES}
        return {name: text for name, text in texts.items() if text is not None}


def _field(name: str) -> str:
    return name.removeprefix("MM_").lower()


def _kind(option: Option) -> Kind[str]:
    """Of the option's sort, giving the text that was checked."""
    kind: Kind[Any]
    if option.sort is Sort.SWITCH:
        kind = BOOLEAN
    elif option.sort is Sort.WORD:
        kind = one_of(*option.words)
    elif option.sort is Sort.WHOLE:
        kind = whole(option.unit, least=int(option.least or 0))
    elif option.sort is Sort.SECONDS:
        above = None if option.above is None else Decimal(option.above)
        kind = seconds(at_least=int(option.least or 0), above=above)
    else:
        kind = decimal(option.unit, _range(option))

    def checked(text: str) -> str:
        kind.parse(text)
        return text.lower() if option.sort is Sort.WORD else text

    return Kind(takes=kind.takes, parse=checked, show=kind.show)


def _range(option: Option) -> Range:
    bounds = (option.least, option.above, option.most)
    least, above, most = (None if each is None else Decimal(each) for each in bounds)
    return Range(at_least=least, above=above, at_most=most)


_NAMES = tuple(option.name for option in strategies.options())
STRATEGY_MODEL: type[StrategySettings] = cast(Any, create_model)(
    "Strategy",
    __base__=StrategySettings,
    **{
        _field(option.name): (
            Annotated[str | None, _kind(option)],
            variable(option.name, option.meaning, default=option.default, absent=option.absent),
        )
        for option in strategies.options()
    },
)


def check_strategy(reading: Reading, given: StrategySettings) -> None:
    """The strategy of that name can be loaded."""
    try:
        strategies.find(given.strategy)
    except strategies.UnknownStrategyError as error:
        reading.fault("MM_STRATEGY", str(error))


def check_band(
    reading: Reading, given: StrategySettings, low: Price | None, high: Price | None
) -> None:
    """The price band and the bounds of every reference meet: outside of each other the quotes of a
    side would rest where no reference can be."""
    texts = given.options
    ceiling, floor = (exact(texts.get(name) or "0") for name in (CEILING, FLOOR))
    if ceiling and low is not None and ceiling < low.value:
        reading.fault(CEILING, f"MM_ANCHOR_MIN_PRICE is {low}: give a price above it")
    if floor and high is not None and floor > high.value:
        reading.fault(FLOOR, f"MM_ANCHOR_MAX_PRICE is {high}: give a price below it")


def unused(reading: Reading, given: StrategySettings, quote: QuotePolicy) -> Iterator[str]:
    """Options that are set while everything that reads them is off."""
    texts = given.options
    used = set(strategies.used(given.strategy, texts, quote))
    for option in strategies.options():
        name = option.name
        if name not in used and reading.is_set(name) and texts.get(name) != option.default:
            yield f"{name} is set, and nothing that is on uses it"


def too_slow(given: StrategySettings, poll_ms: int) -> Iterator[str]:
    """Features that compare readings which may be further apart than they look back."""
    options = Options(strategies.options(), given.options)
    for switch, name, times, what in (
        ("MM_SHOCK_BPS", "MM_SHOCK_WINDOW_SECONDS", 1, "sees no two prices to compare"),
        ("MM_SHOCK_BPS", "MM_SHOCK_PAUSE_SECONDS", 1, "hears no two prices that say it is calm"),
        (
            "MM_VOLATILITY_SPREAD_MULT",
            "MM_VOLATILITY_HALF_LIFE_SECONDS",
            3,
            "finds every sample too old",
        ),
    ):
        if options.number(switch) and times * options.ms(name) < poll_ms:
            yield (
                f"{name} with MM_POLL_INTERVAL_MS={poll_ms}: where nothing wakes a cycle between, "
                f"{switch} {what}; give at least as long"
            )


def check_contradictions(reading: Reading, given: StrategySettings, quote: QuotePolicy) -> None:
    """A fault for each two options that cannot both be meant."""
    for name, remedy in strategies.contradictions(given.strategy, given.options, quote):
        reading.fault(name, remedy)

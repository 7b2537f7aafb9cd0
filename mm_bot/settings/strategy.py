"""What makes the quotes: `MM_STRATEGY`."""

from __future__ import annotations

from typing import Annotated

from mm_bot import strategies
from mm_bot.fields.kinds import token
from mm_bot.fields.model import Model, Reading, variable


class StrategySettings(Model, title="Strategy"):
    strategy: Annotated[
        str,
        token(
            "founding, or an import path `package.module:Name`", r"[A-Za-z0-9_.]{1,200}(:\w{1,80})?"
        ),
    ] = variable("MM_STRATEGY", "What makes the quotes.", default=strategies.FOUNDING)


def check_strategy(reading: Reading, given: StrategySettings) -> None:
    """It is there."""
    try:
        strategies.find(given.strategy)
    except strategies.UnknownStrategyError as error:
        reading.fault("MM_STRATEGY", str(error))

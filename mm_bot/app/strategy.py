"""The strategy of a process, or a fault of its settings."""

from __future__ import annotations

from mm_bot import strategies
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Strategy
from mm_bot.errors import SettingsError


def strategy_of(policy: Policy) -> Strategy:
    """Raises SettingsError where `MM_STRATEGY` names none that can be made."""
    try:
        return strategies.build(policy)
    except strategies.UnknownStrategyError as error:
        raise SettingsError([f"MM_STRATEGY is {error}"]) from None

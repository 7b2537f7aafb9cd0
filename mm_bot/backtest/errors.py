"""What can end a backtest beside faults of its settings."""

from __future__ import annotations

from mm_bot.errors import BotError


class EngineFaultError(BotError):
    """The engine ended for another reason than the end of its data: no result can be believed."""

    exit_code = 1


class BooksDifferError(BotError):
    """The ledger, the fills and the bot's own totals do not say the same."""

    exit_code = 1

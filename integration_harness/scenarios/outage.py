"""`outage`: each part of the exchange stops and comes back.

Orders are cancelled where they can be (the API and its own database are there), and afterwards
nothing is doubled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from integration_harness.bot_process import BotProcess
from integration_harness.context import Context
from integration_harness.database_proxy import DatabaseProxy, Line
from integration_harness.registry import Scenario
from integration_harness.stack.up import Part

_MARKET_DATA_SECONDS: Final = 2
_BALANCES_SECONDS: Final = 4
_MARKET_DATA: Final = "exchange market data stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One part: how it goes and comes back, what the bot must say, and whether it can cancel."""

    name: str
    stop: Callable[[], object]
    start: Callable[[], object]
    reason: str
    can_cancel: bool


def run(context: Context) -> None:
    """Postgres, API and node each stop and come back; nothing is doubled afterwards."""
    database = DatabaseProxy(context.exchange.database_url, "unused")
    database.start()
    context.keep(database.close)
    context.phase("starting the bot")
    bot = context.bot(
        MM_DATABASE_URL=database.url,
        MM_STALE_MARKET_DATA_TIMEOUT_SECONDS=str(_MARKET_DATA_SECONDS),
        MM_STALE_BALANCE_TIMEOUT_SECONDS=str(_BALANCES_SECONDS),
        MM_MAX_CANCELS_PER_MINUTE="0",
    )
    line = Outage(
        name="line_to_postgres",
        stop=lambda: database.turn(Line.CUT),
        start=lambda: database.turn(Line.LIVE),
        reason=_MARKET_DATA,
        can_cancel=True,
    )
    for outage in (
        line,
        _outage(context, "postgres", _MARKET_DATA, can_cancel=False),
        _outage(context, "api", _MARKET_DATA, can_cancel=False),
        _outage(context, "node", "balances stale", can_cancel=True),
    ):
        _away(context, bot, outage)


def _outage(context: Context, part: Part, reason: str, *, can_cancel: bool) -> Outage:
    exchange = context.exchange

    def start() -> None:
        if not exchange.running(part):
            exchange.start(part)

    context.keep(start)
    return Outage(
        name=part,
        stop=lambda: exchange.stop(part),
        start=start,
        reason=reason,
        can_cancel=can_cancel,
    )


def _away(context: Context, bot: BotProcess, outage: Outage) -> None:
    context.ladder(bot)
    context.phase(f"{outage.name} goes")
    outage.stop()
    gone_at = time.monotonic()
    context.halted(bot, outage.reason)
    context.figure(f"{outage.name}_halt_seconds", time.monotonic() - gone_at)
    if outage.can_cancel:
        context.none_live(bot)
        context.verified(f"without {outage.name} every order was cancelled")
    context.phase(f"{outage.name} comes back")
    outage.start()
    back_at = time.monotonic()
    context.ladder(bot)
    context.cycles(bot, 3)
    context.figure(f"{outage.name}_recovery_seconds", time.monotonic() - back_at)
    context.verified(f"after the outage of {outage.name} the quotes are back, each once")


SCENARIO = Scenario(name="outage", run=run, local_only=True, levels=(3,))

"""`stale_sources`: book, node, database and anchor freeze one after the other, still answering.

Each time the bot halts by name within its limit, says so in `/readyz`, takes its quotes out of the
market, and recovers by itself. Book and database carry no time of their own: they are found out by
contradicting each other about our own orders, so the reference moves after they froze.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httpx

from integration_harness.bot_process import BotProcess
from integration_harness.context import Context
from integration_harness.database_proxy import DatabaseProxy, Line
from integration_harness.frozen_database import COPY_NAME, drop_copy, make_copy
from integration_harness.registry import Scenario
from integration_harness.waiting import Limits

_MARKET_DATA_SECONDS: Final = 2
_BALANCES_SECONDS: Final = 4
_ANCHOR_SECONDS: Final = 2
_SLACK_SECONDS: Final = 2.5
"""For the requote that shows the contradiction, one block, and the bot's own poll."""
_MOVE_BPS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source: how it freezes, how it thaws, and what the bot must say by when."""

    name: str
    freeze: Callable[[], object]
    thaw: Callable[[], object]
    reason: str
    limit_seconds: float
    move: bool


def run(context: Context) -> None:
    """Each source that freezes halts the bot by name, within its limit, and it recovers."""
    database = DatabaseProxy(context.exchange.database_url, COPY_NAME)
    database.start()
    context.keep(database.close)
    context.phase("starting the bot")
    bot = context.bot(
        MM_DATABASE_URL=database.url,
        MM_STALE_MARKET_DATA_TIMEOUT_SECONDS=str(_MARKET_DATA_SECONDS),
        MM_STALE_BALANCE_TIMEOUT_SECONDS=str(_BALANCES_SECONDS),
        MM_STALE_ANCHOR_TIMEOUT_SECONDS=str(_ANCHOR_SECONDS),
        MM_MAX_CANCELS_PER_MINUTE="0",
    )
    for source in _sources(context, database):
        _frozen(context, bot, source)


def _sources(context: Context, database: DatabaseProxy) -> tuple[Source, ...]:
    exchange, anchor = context.exchange, context.anchor
    assert anchor is not None, "the scenario is registered with an anchor of its own"

    def freeze_database() -> None:
        make_copy(exchange.admin_database_url)
        context.keep(lambda: drop_copy(exchange.admin_database_url))
        database.turn(Line.COPY)

    def book(frozen: bool) -> None:
        body = {"freeze_book": frozen}
        httpx.post(f"{exchange.api_url}/debug/faults", json=body).raise_for_status()

    def mine(seconds: int) -> None:
        context.view.chain.request("evm_setIntervalMining", seconds)

    market_data = "exchange market data stale"
    context.keep(lambda: book(False))
    context.keep(lambda: mine(exchange.options.block_time_seconds))
    return (
        Source(
            name="book",
            freeze=lambda: book(True),
            thaw=lambda: book(False),
            reason=market_data,
            limit_seconds=_MARKET_DATA_SECONDS,
            move=True,
        ),
        Source(
            name="node",
            freeze=lambda: mine(0),
            thaw=lambda: mine(exchange.options.block_time_seconds),
            reason="balances stale",
            limit_seconds=_BALANCES_SECONDS,
            move=False,
        ),
        Source(
            name="database",
            freeze=freeze_database,
            thaw=lambda: database.turn(Line.LIVE),
            reason=market_data,
            limit_seconds=_MARKET_DATA_SECONDS,
            move=True,
        ),
        Source(
            name="anchor",
            freeze=anchor.freeze,
            thaw=anchor.thaw,
            reason="anchor data stale",
            limit_seconds=_ANCHOR_SECONDS,
            move=False,
        ),
    )


def _frozen(context: Context, bot: BotProcess, source: Source) -> None:
    context.ladder(bot)
    context.phase(f"freezing the {source.name}")
    frozen_at = time.monotonic()
    source.freeze()
    if source.move:
        # What the bot reads next is already old; then something of ours changes.
        context.cycles(bot, 2)
        frozen_at = time.monotonic()
        context.move_reference(_MOVE_BPS)
    limits = Limits(
        timeout_seconds=source.limit_seconds + _SLACK_SECONDS,
        poll_seconds=context.limits.poll_seconds,
    )
    context.halted(bot, source.reason, limits)
    context.figure(f"{source.name}_halt_seconds", time.monotonic() - frozen_at)
    context.none_live(bot)
    context.phase(f"thawing the {source.name}")
    source.thaw()
    thawed_at = time.monotonic()
    context.ladder(bot)
    context.figure(f"{source.name}_recovery_seconds", time.monotonic() - thawed_at)
    context.verified(f"a frozen {source.name} halts with {source.reason!r}, and it recovers")


SCENARIO = Scenario(name="stale_sources", run=run, own_anchor=True, local_only=True, levels=(3,))

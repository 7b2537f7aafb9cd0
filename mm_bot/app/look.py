"""One decision about the world as it is now, without a bot."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

from mm_bot.app.anchors import started_anchors
from mm_bot.app.state import read_only_state_file
from mm_bot.app.strategy import strategy_of
from mm_bot.app.venue import venue_of
from mm_bot.clock import SystemClock
from mm_bot.core.decide import Decision, decide
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import Snapshot
from mm_bot.core.watching import fills_after, watch
from mm_bot.host.kill_switch import KillSwitch
from mm_bot.host.mode_file import ModeFile
from mm_bot.host.persistence import first_memory
from mm_bot.settings import Settings


async def fresh_decision(settings: Settings) -> tuple[Decision, Instrument]:
    """What a bot that starts now would decide, by its state file; nothing is sent or written, no
    lock is taken.

    Raises:
        BotError: where the exchange cannot be opened or the state file cannot be read, as at the
            bot's own start.
    """
    clock = SystemClock()
    known = read_only_state_file(settings).load(clock.now_ms()).state
    async with AsyncExitStack() as cleanup:
        exchange = venue_of(settings.model_copy(update={"dry_run": True}), clock)
        cleanup.push_async_callback(exchange.aclose)
        await exchange.open()
        market = exchange.instrument
        anchor, external = await started_anchors(settings, exchange, clock, cleanup)
        # Not a start-up: then the guards against churn hold, by the age of each row.
        memory = replace(first_memory(known, clock.now_ms()), startup=False)
        seen = await exchange.observe(
            watch(
                memory.open_orders,
                memory.settlements,
                fills_after=fills_after(memory),
                first=False,
            )
        )
        snapshot = Snapshot(
            now_ms=clock.now_ms(),
            venue=seen,
            anchor=anchor.latest() if anchor else None,
            external=external.latest() if external else None,
            kill_switch=KillSwitch(settings.kill_switch_file).active(),
        )
        mode = ModeFile(settings.operator_mode_file, settings.mode).look()
        policy = replace(settings.policy(market), mode=mode)
        return decide(snapshot, memory, policy, market, strategy_of(policy)), market

"""`why bid|ask`: the price and size of that side, or why there is none, step by step.

The world is read anew, with everything that the bot reads, and the bot's own `decide` is asked;
nothing is sent, no lock is taken. What only a running bot knows (outcomes under way, its budget of
cancels, when it last replaced) is missing from that, so where one answers its own word is the last
step, and wins where the two differ.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mm_bot import strategies
from mm_bot.app import FIRST_ANCHOR_WITHIN_MS
from mm_bot.cli.call import Call
from mm_bot.cli.probe import Status, ask_if_there, bot_url, entries, same_bot
from mm_bot.clock import SystemClock
from mm_bot.core.decide import Decision, decide
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderId
from mm_bot.core.snapshot import Snapshot
from mm_bot.core.watching import watch
from mm_bot.errors import SettingsError
from mm_bot.host.kill_switch import KillSwitch
from mm_bot.host.mode_file import ModeFile
from mm_bot.observe.explain import Line, explain, name
from mm_bot.prices_from_settings import build_anchors
from mm_bot.settings import Settings


def run(call: Call) -> int:
    """Exit 0 whether the side is quoted or not: the answer is the point."""
    words = call.text("side") or ""
    if words not in ("bid", "ask"):
        return _order(call, words)
    settings = call.settings()
    side = Side.BUY if call.text("side") == "bid" else Side.SELL
    url = bot_url(call.environment, call.text("url"))
    decision, market = asyncio.run(fresh_decision(settings))
    status = ask_if_there(url)
    if status is not None and not _of(settings, status):
        status = None
    steps = (*explain(decision, side), _running(status, url, side))
    output = call.output
    if output.as_json:
        output.json(
            {
                "market": market.symbol,
                "side": name(side),
                "steps": [
                    {"step": step.step, "says": step.says, "numbers": step.numbers}
                    for step in steps
                ],
                "verdict": steps[-2].says,
                "running_bot": steps[-1].says,
            }
        )
        return 0
    output.line(f"why this {name(side)} on {market.symbol}", "bold")
    width = max(len(step.step) for step in steps)
    for step in steps:
        style = {"verdict": "bold", "halt": "bad"}.get(step.step, "")
        numbers = [f"{each} {value}" for each, value in step.numbers.items() if each in _ALSO]
        more = f"  [{', '.join(numbers)}]" if numbers else ""
        output.line(f"  {step.step.ljust(width)}  {step.says}{more}", style)
    return 0


_ALSO = ("price", "local", "deviation_bps", "limit_bps", "age_ms", "limit_ms", "source", "limit")
"""Numbers that the sentence does not say already."""


def _order(call: Call, order_id: str) -> int:
    """The life of one order, from the journal."""
    from mm_bot.journal.life import life
    from mm_bot.journal.reader import cycles

    if OrderId.parse(order_id) is None:
        raise SettingsError([f"{order_id!r}: say bid, ask, or an order's id mm:MARKET:SIDE:NONCE"])
    folder = call.text("journal") or call.environment.get("MM_JOURNAL_DIR", "")
    if not folder:
        raise SettingsError(["MM_JOURNAL_DIR is not set: give the journal with --journal PATH"])
    events = list(life(order_id, cycles(Path(folder))))
    output = call.output
    if output.as_json:
        told = [{"at_ms": e.at_ms, "what": e.what, "says": e.says} for e in events]
        output.json({"order_id": order_id, "events": told})
        return 0
    output.line(order_id, "bold")
    if not events:
        output.line(f"the journal at {folder} does not name it")
        return 0
    output.table(("time (UTC)", "what", "how"), ((_time(e.at_ms), e.what, e.says) for e in events))
    return 0


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


async def fresh_decision(settings: Settings) -> tuple[Decision, Instrument]:
    """What the bot would decide now, with an empty memory.

    Raises:
        BotError: where the exchange cannot be opened, as at the bot's own start.
    """
    clock = SystemClock()
    async with AsyncExitStack() as cleanup:
        exchange = settings.model_copy(update={"dry_run": True}).venue_of(clock)
        cleanup.push_async_callback(exchange.aclose)
        await exchange.open()
        market = exchange.instrument
        anchors = build_anchors(settings, market, exchange.eth_call, clock, cleanup)
        for runner in anchors:
            if runner is not None:
                runner.start()
                cleanup.push_async_callback(runner.aclose)
        running = [runner for runner in anchors if runner is not None]
        await asyncio.gather(*(each.first_reading(FIRST_ANCHOR_WITHIN_MS) for each in running))
        # Not a start-up: then the guards against churn hold, by the age of each row.
        memory = Memory(started_ms=clock.now_ms(), startup=False)
        seen = await exchange.observe(watch((), fills_after=None, first=False))
        anchor, external = anchors
        snapshot = Snapshot(
            now_ms=clock.now_ms(),
            venue=seen,
            anchor=anchor.latest() if anchor else None,
            external=external.latest() if external else None,
            kill_switch=KillSwitch(settings.kill_switch_file).active(),
        )
        mode = ModeFile(settings.operator_mode_file, settings.mode).look()
        policy = replace(settings.policy(market), mode=mode)
        return decide(snapshot, memory, policy, market, strategies.build(policy)), market


def _of(settings: Settings, status: Status) -> bool:
    return same_bot(
        status,
        chain_id=settings.chain_id,
        market=settings.market_symbol,
        subaccount_id=settings.subaccount_id,
    )


def _running(status: Status | None, url: str, side: Side) -> Line:
    if status is None:
        return Line(step="running bot", says=f"none of this market and subaccount at {url}")
    live = [
        f"{each.get('size')} at {each.get('price')}"
        for each in entries(status.get("live"))
        if each.get("side") == side.value
    ]
    parts = [f"rests {', '.join(live)}" if live else "rests nothing on this side"]
    halts = [str(halt.get("reason")) for halt in entries(status.get("halts"))]
    gaps = [
        str(gap.get("reason"))
        for gap in entries(status.get("missing"))
        if gap.get("side") == side.value
    ]
    if halts:
        parts.append(f"halted by {', '.join(halts)}")
    elif gaps:
        parts.append(f"lacks a level by {', '.join(gaps)}")
    return Line(step="running bot", says=f"at {url}, mode {status.get('mode')}: {'; '.join(parts)}")

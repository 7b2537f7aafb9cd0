"""`why bid|ask`: the price and size of that side, or why there is none, step by step.

Where the bot of these settings runs, it tells its last decision itself, with all that it alone
knows: pauses, what hangs, outcomes under way. Where none answers the world is read anew and decided
as a start would now, from the state file; nothing is sent, no lock is taken. The last step says
which.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from mm_bot.app.look import fresh_decision
from mm_bot.cli.call import Call
from mm_bot.cli.probe import Status, ask_if_there, bot_url, entries, members, same_bot
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderId
from mm_bot.errors import SettingsError
from mm_bot.observe.explain import Line, explain, name
from mm_bot.settings import Settings


def run(call: Call) -> int:
    """Exit 0 whether the side is quoted or not: the answer is the point."""
    words = call.text("side") or ""
    if words not in ("bid", "ask"):
        return _order(call, words)
    settings = call.settings()
    side = Side.BUY if call.text("side") == "bid" else Side.SELL
    url = bot_url(call.environment, call.text("url"))
    status = ask_if_there(url)
    if status is not None and not _of(settings, status):
        status = None
    told = () if status is None else _told(url, side)
    if not told:
        decision, _ = asyncio.run(fresh_decision(settings))
        told = explain(decision, side)
    steps = (*told, _running(status, url, side))
    output = call.output
    if output.as_json:
        output.json(
            {
                "market": settings.market_symbol,
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
    output.line(f"why this {name(side)} on {settings.market_symbol}", "bold")
    width = max(len(step.step) for step in steps)
    for step in steps:
        style = {"verdict": "bold", "halt": "bad"}.get(step.step, "")
        numbers = [
            f"{each} {value}"
            for each, value in step.numbers.items()
            if step.step == "halt" or each in _ALSO
        ]
        more = f"  [{', '.join(numbers)}]" if numbers else ""
        output.line(f"  {step.step.ljust(width)}  {step.says}{more}", style)
    return 0


_ALSO = ("price", "local", "deviation_bps", "limit_bps", "age_ms", "limit_ms", "source", "limit")
"""Numbers that the sentence does not say already; of a halt all."""


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


def _told(url: str, side: Side) -> tuple[Line, ...]:
    """What the bot there says of that side; nothing before its first cycle."""
    page = ask_if_there(url, needed=name(side), page="/why") or {}
    return tuple(
        Line(
            step=str(each.get("step")),
            says=str(each.get("says")),
            numbers={key: str(value) for key, value in members(each.get("numbers")).items()},
        )
        for each in entries(page.get(name(side)))
    )


def _of(settings: Settings, status: Status) -> bool:
    return same_bot(
        status,
        chain_id=settings.chain_id,
        market=settings.market_symbol,
        subaccount_id=settings.subaccount_id,
    )


def _running(status: Status | None, url: str, side: Side) -> Line:
    if status is None:
        says = f"none of this market and subaccount at {url}: so would a start decide now"
        return Line(step="running bot", says=says)
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

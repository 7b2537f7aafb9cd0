"""`kill_switch`: the file appears under load: all is cancelled at once; it goes: they return.

The time measured is from the file's appearance to the API's last acknowledgement, as the proxy in
front of the API saw it, without what a loaded machine kept the bot or us waiting.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from integration_harness.api_proxy import ApiProxy
from integration_harness.bot_process import BotProcess
from integration_harness.context import Context
from integration_harness.registry import Rounds, Scenario
from integration_harness.starvation import Starvation
from integration_harness.waiting import require, wait_until

_REASON: Final = "kill switch active"
_LIMIT_SECONDS: Final = 0.25
"""Beside one round trip."""
_LOAD_PAUSE_SECONDS: Final = 0.2
_HELD_SECONDS: Final = 0.5


def run(context: Context) -> None:
    """A kill switch under load cancels everything at once; without it the quotes return."""
    switch = context.folder / f"{context.findings.slug}.kill"
    proxy = context.api_proxy()
    context.phase("starting the bot")
    bot = context.bot(
        MM_API_BASE_URL=proxy.url,
        MM_KILL_SWITCH_FILE=str(switch),
        MM_MAX_CANCELS_PER_MINUTE="0",
    )
    took: list[float] = []
    for number in range(context.rounds):
        context.ladder(bot)
        context.phase(f"throwing the switch under load, {number + 1} of {context.rounds}")
        took.append(_thrown(context, bot, switch, proxy))
        switch.unlink()
        context.ladder(bot)
        context.verified("removing the file brings the quotes back")
    category = 'mm_bot_order_cancels_total_by_category{category="kill_switch"}'
    require(bot.metrics()[category] > 0, "the cancels count as kill_switch")
    context.figure("slowest_ms", max(took) * 1000)
    context.figure("fastest_ms", min(took) * 1000)


def _thrown(context: Context, bot: BotProcess, switch: Path, proxy: ApiProxy) -> float:
    with context.nibbler(_LOAD_PAUSE_SECONDS):
        time.sleep(context.random.uniform(0.3, 0.9))
        known = len(proxy.cancels())
        starved, thrown_at = Starvation(bot.pid), time.monotonic()
        switch.touch()
        context.none_live(bot)
        context.cycles(bot, 2)  # an order that was under way may come after the others went
        context.none_live(bot)
        kept_waiting = starved.seconds
        until = time.monotonic() + _HELD_SECONDS
        while time.monotonic() < until:
            live = context.view.live(context.target.bot)
            require(not live, "nothing is live while the switch is on", live)
            time.sleep(0.02)
    context.halted(bot, _REASON)
    seen = bot.metrics()
    require(seen["mm_bot_halted"] == 1, "mm_bot_halted is 1")
    reason = f'mm_bot_halt_reason{{reason="{_REASON}"}}'
    require(seen[reason] == 1, f"{reason} is 1", seen.get(reason))
    wait_until(
        "the halt in the state file",
        lambda: bot.state().get("last_halt_reason"),
        lambda found: found == _REASON,
        context.limits,
    )
    done = [sent for sent in proxy.cancels()[known:] if sent.status == 200]
    require(bool(done), "the switch cancelled something")
    round_trip = max(sent.answered_at - sent.sent_at for sent in done)
    took = max(sent.answered_at for sent in done) - thrown_at
    took -= min(kept_waiting, took)
    context.phase(f"last acknowledgement {took * 1000:.0f} ms after the file")
    require(
        took <= _LIMIT_SECONDS + round_trip,
        f"all is cancelled within {_LIMIT_SECONDS} s and one round trip of {round_trip:.3f} s",
        f"{took:.3f} s",
    )
    context.verified("every order was cancelled, by name, and none came back under the switch")
    return took


SCENARIO = Scenario(name="kill_switch", run=run, rounds=Rounds(quick=1, full=5))

"""`two_writers`: of two processes on one market and subaccount only one may write."""

from __future__ import annotations

from typing import Final

from integration_harness.bot_process import BotProcess
from integration_harness.context import Context
from integration_harness.registry import Scenario
from integration_harness.scenarios import steps
from integration_harness.waiting import require, wait_until

_WRONG_IDENTITY: Final = 3


def run(context: Context) -> None:
    """A second process refuses to start; one that waits takes over by adoption."""
    context.phase("starting the first")
    first = context.bot()
    ladder = context.ladder(first)
    context.phase("starting a second")
    second = context.bot(state="second")
    _refuses(context, first, second)
    context.ladder(first)

    context.phase("starting one that waits")
    waiting = context.bot(state="waiting", MM_WAIT_FOR_LOCK="true")
    ready, reasons = wait_until(
        "the waiting process to say what it waits for",
        waiting.ready,
        lambda seen: any("lock" in reason for reason in seen[1]),
        context.limits,
        alive=waiting.why_over,
    )
    require(not ready, "a process that waits is not ready", reasons)
    context.verified("a process that waits for the lock says so and is not ready")
    context.phase("killing the first")
    first.kill()
    after = context.ladder(waiting)
    require(steps.ids(after) == steps.ids(ladder), "the same orders rest", after)
    startup = context.startup(waiting)
    require(sorted(startup.adopted) == steps.ids(ladder), "all are adopted", startup)
    require(not waiting.placed_ids(), "nothing was placed", waiting.placed_ids())
    context.verified("the waiting process took over by adoption")


def _refuses(context: Context, first: BotProcess, second: BotProcess) -> None:
    code = wait_until(
        "the second process to end",
        lambda: second.exit_code,
        lambda found: found is not None,
        context.limits,
    )
    words = "\n".join(line.fields["error"] for line in second.log("exit")) or second.log_tail()
    require(code == _WRONG_IDENTITY, f"it exits with {_WRONG_IDENTITY}", f"{code}: {words}")
    require(f"pid={first.pid}" in words, f"it names the first, process {first.pid}", words)
    require(not second.placed_ids(), "it placed nothing", second.placed_ids())
    context.figure("refusal", words)
    context.verified("a second process refuses to start and names the first")


SCENARIO = Scenario(name="two_writers", run=run)

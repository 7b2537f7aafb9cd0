"""How a process of ours runs and ends: its log, its secrets, its event loop, its exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable

from mm_bot.errors import BotError
from mm_bot.host.ending import REST_WITHIN_S, Ending
from mm_bot.observe.log import Level, Log
from mm_bot.observe.log_bridge import install
from mm_bot.observe.log_queue import queued_stderr

DRAIN_WITHIN_S = 0.5
"""How long an exit waits for whoever reads the log."""


def run_process(
    work: Callable[[Log], Coroutine[object, object, None]],
    *,
    log_level: str,
    secrets: Iterable[str],
    as_json: bool | None = None,
    ending: Ending | None = None,
) -> int:
    """Runs `work` to its end; the exit code. None of `secrets` is ever written.

    Log lines never wait for whoever reads them: they go through a bounded queue, which drops and
    counts. The reason of an exit is written whatever `log_level` is. `as_json` None logs JSON
    anywhere but on a terminal. `ending` learns the exit code once the work is over, and sees to it
    that no thread that still waits for something keeps the process.
    """
    stream = queued_stderr()
    log = Log(level=Level[log_level], as_json=as_json, stream=stream)
    for secret in secrets:
        log.redactor.add(secret)
    install(log)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(_to_its_end(work(log), log))
            stream.drain(DRAIN_WITHIN_S)
            if ending is not None:
                ending.code = code
                ending.within(REST_WITHIN_S)
    except KeyboardInterrupt:
        return 130
    return code


async def _to_its_end(work: Coroutine[object, object, None], log: Log) -> int:
    """The exit code, and the reason for it written."""
    try:
        await work
    except BotError as error:
        log.write(Level.CRITICAL, "exit", {"code": error.exit_code, "error": str(error)})
        return error.exit_code
    except Exception as error:
        log.exception("exit", error, code=1)
        return 1
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: the tail of a cycle is a third shorter."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop

"""`python -m mm_bot` and `mm-bot`: one bot from the environment alone.

Exit codes: 0 clean, 2 bad settings, 3 wrong identity or permission, 4 a dependency unreachable at
start, 5 could not prove that our orders are gone when asked to cancel them, 1 a bug.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from mm_bot.errors import BotError, SettingsError
from mm_bot.settings import load


def main() -> int:
    """Run until stopped; the exit code."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(f"mm-bot: {error}", file=sys.stderr)
        return error.exit_code
    # What the run needs is imported only now: faults in the settings answer at once.
    from mm_bot.app import run, secrets
    from mm_bot.ops.log import Level, Log
    from mm_bot.ops.log_bridge import install

    log = Log(level=Level[settings.log_level])
    for secret in secrets(settings):
        log.redactor.add(secret)
    install(log)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(settings, log))
    except BotError as error:
        log.error("exit", code=error.exit_code, error=str(error))
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


if __name__ == "__main__":
    sys.exit(main())

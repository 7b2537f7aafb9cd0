"""`python -m fair_anchor` and `fair-anchor`: the price service, from the environment alone.

Exit codes: 0 clean, 2 bad settings (a taken address too), 1 a bug.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from fair_anchor.settings import load
from mm_bot.errors import BotError, SettingsError


def main() -> int:
    """Serve until stopped; the exit code."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(f"fair-anchor: {error}", file=sys.stderr)
        return error.exit_code
    # What serving needs is imported only now: faults in the settings answer at once.
    from fair_anchor.wiring import run
    from mm_bot.ops.log import Level, Log
    from mm_bot.ops.log_bridge import install

    log = Log(level=Level[settings.log_level])
    for secret in settings.secrets:
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
    """uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())

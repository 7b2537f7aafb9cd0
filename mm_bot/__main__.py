"""`python -m mm_bot` and `mm-bot`: without a command one bot from the environment alone.

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
    """The command of the command line, `run` where there is none; the exit code."""
    words = sys.argv[1:]
    if not words or words == ["run"]:
        return run()
    if words in (["run", "--json"], ["--json"]):
        return run(as_json=True)
    # Only now, so that a bot starts without the parser and the commands.
    from mm_bot.cli.main import main as command
    from mm_bot.cli.main import parser

    if words[0] == "run":
        parser().error(f"run takes no argument but --json, not {' '.join(words[1:])!r}")
    if words[0].startswith("-") and words[0] not in ("-h", "--help"):
        parser().error(f"name a command before {words[0]!r}; mm-bot --help lists them")
    return command(words)


def run(*, as_json: bool | None = None) -> int:
    """Run until stopped; the exit code. `as_json` None logs JSON anywhere but on a terminal."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(f"mm-bot: {error}", file=sys.stderr)
        return error.exit_code
    # What the run needs is imported only now: faults in the settings answer at once.
    from mm_bot.app import run as run_bot
    from mm_bot.app import secrets
    from mm_bot.ops.log import Level, Log
    from mm_bot.ops.log_bridge import install

    log = Log(level=Level[settings.log_level], as_json=as_json)
    for secret in secrets(settings):
        log.redactor.add(secret)
    install(log)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run_bot(settings, log))
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


if __name__ == "__main__":
    sys.exit(main())

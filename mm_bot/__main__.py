"""`python -m mm_bot` and `mm-bot`: without a command one bot from the environment alone.

Exit codes: 0 clean, 2 bad settings, 3 wrong identity or permission, 4 a dependency unreachable at
start, 5 could not prove that our orders are gone when asked to cancel them, 6 a replay differs from
its journal, 7 a journal cannot be read, 1 a bug.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Final

from mm_bot import kept_modules

if TYPE_CHECKING:
    from mm_bot.observe.log import Log

SETTLED_S: Final = 3
"""After a start everything that it imports is there."""


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
    # What is imported stays: to look through it for what is not is a tenth of a start, and a pause
    # in each later collection.
    gc.disable()
    # pydantic would look through every installed package for plugins, and there is none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    modules = kept_modules.of_this_package()
    modules.begin()
    # From here on what is imported comes out of that file, and what is compiled out of another.
    from mm_bot import generated_code

    code = generated_code.of_this_package()
    code.begin()
    import asyncio

    from mm_bot.errors import SettingsError
    from mm_bot.settings import load, process_environment, secrets

    try:
        environment = process_environment()
        settings = load(environment)
    except SettingsError as error:
        print(f"mm-bot: {error}", file=sys.stderr)
        return error.exit_code
    # What the run needs is imported only now: faults in the settings answer at once.
    from mm_bot.app.run import run as run_bot
    from mm_bot.host.ending import Ending
    from mm_bot.host.notify import from_environment
    from mm_bot.host.process import run_process

    ending = Ending()

    def keep() -> None:
        code.end()
        modules.end()

    async def work(log: Log) -> None:
        loop = asyncio.get_running_loop()

        def settle() -> None:
            gc.freeze()
            gc.enable()
            loop.run_in_executor(None, keep)  # the first start of a version writes some megabytes

        loop.call_later(SETTLED_S, settle)
        await run_bot(settings, log, ending, from_environment(environment))

    return run_process(
        work,
        ending=ending,
        log_level=settings.log_level,
        secrets=secrets(environment, settings),
        as_json=as_json,
    )


if __name__ == "__main__":
    sys.exit(main())

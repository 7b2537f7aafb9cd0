"""`mm-backtest` and `python -m mm_bot.backtest`: backtests from the command line.

Exit codes: 0 done, 2 a fault in what was asked for, 4 something does not answer, 130 interrupted
with nothing to keep, 1 a bug of ours or of the engine.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from mm_bot.errors import BotError

_COMMANDS = {
    "run": "trade a tape and say what was earned and why",
    "report": "the page of a result that was written before",
    "sweep": "try many settings on many days, and judge the best on days it was not chosen on",
    "worker": "work on a sweep's trials, here or anywhere",
    "tape": "the market of a journal without our orders, or a generated one, as a file",
    "parity": "how far the backtest of a journal is from what really happened",
    "convert": "public market data as a tape",
    "fit": "the models that agree best with journals",
    "bench": "how fast a run is, against the engine driven by nobody",
}


class _Command(Protocol):
    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, given: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    top = argparse.ArgumentParser(prog="mm-backtest", description="Backtests of the whole bot.")
    commands = top.add_subparsers(dest="command", metavar="command", required=True)
    words = sys.argv[1:] if argv is None else argv
    try:
        for name, about in _COMMANDS.items():
            made = commands.add_parser(name, help=about, description=about)
            if words[:1] == [name]:
                _module(name).arguments(made)
        given = top.parse_args(words)
        return _module(given.command).run(given)
    except BotError as error:
        print(f"mm-backtest: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read is gone
        return 0
    except OSError as error:  # of a file that is read or written; servers have their own errors
        where = "" if error.filename is None else f"{error.filename}: "
        remedy = "" if error.filename is None else "; name another file or folder"
        print(f"mm-backtest: {where}{error.strerror or error}{remedy}", file=sys.stderr)
        return 2


def _module(name: str) -> _Command:
    return cast(_Command, import_module(f"mm_bot.backtest.command_{name}"))


if __name__ == "__main__":
    sys.exit(main())

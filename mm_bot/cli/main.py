"""From the words on the command line to one command and its exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from mm_bot.cli.call import Call
from mm_bot.cli.output import Output
from mm_bot.errors import BotError, EdgeError, SettingsError
from mm_bot.observe.redact import Redactor
from mm_bot.settings import process_environment, secrets

_MODULES = {
    "check": "check",
    "status": "status",
    "watch": "watch",
    "orders": "orders",
    "fills": "fills",
    "why": "why",
    "replay": "replay",
    "cancel-all": "cancel_all",
    "pause": "switch",
    "resume": "switch",
    "accept-reference": "accept_reference",
    "config": "config",
    "fleet": "fleet",
    "demo": "demo",
}
_CODES = (
    "exit codes: 0 done, 2 bad settings, 3 wrong identity or permission, 4 something does not "
    "answer, 5 orders may still be live, 6 a replay differs, 7 a journal cannot be read, 1 a bug"
)


class _Command(Protocol):
    def run(self, call: Call) -> int: ...


def main(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = parser().parse_args(argv)
    redactor = Redactor()
    try:
        environment = process_environment() if environment is None else environment
    except SettingsError as error:
        Output(as_json=arguments.json, redactor=redactor).error(str(error), error.exit_code)
        return error.exit_code
    for secret in secrets(environment):
        redactor.add(secret)
    output = Output(as_json=arguments.json, redactor=redactor)
    call = Call(arguments=arguments, environment=environment, output=output)
    command = cast(_Command, import_module(f"mm_bot.cli.{_MODULES[arguments.command]}"))
    try:
        return command.run(call)
    except EdgeError as error:
        output.error(f"{error}; is it reachable from here?", 4)
        return 4
    except BotError as error:
        output.error(str(error), error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read is gone
        return 0


def parser() -> argparse.ArgumentParser:
    """Every command and its options."""
    top = argparse.ArgumentParser(
        prog="mm-bot",
        description="Market maker for one market, from MM_* variables.",
        epilog=_CODES,
    )
    commands = top.add_subparsers(dest="command", metavar="command")

    def add(name: str, about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about, epilog=_CODES)
        made.add_argument("--json", action="store_true", help="for programs")
        return made

    add("run", "run the bot; the default")
    check = add("check", "verify settings, connections, keys, balances and clocks; sends nothing")
    check.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS")
    for name, about in (
        ("status", "what a running bot does and why"),
        ("watch", "the same as a live table"),
    ):
        made = add(name, about)
        made.add_argument("--url", default=None, help="of the bot; default MM_METRICS_ADDR")
        if name == "watch":
            made.add_argument("--every", type=float, default=1.0, metavar="SECONDS")
            made.add_argument("--times", type=int, default=0, help="end after so many looks")
    add("orders", "own live orders in this market, with whose each is; as the exchange has them")
    fills = add("fills", "own last fills in this market, newest first; as the exchange has them")
    fills.add_argument("--last", type=int, default=20, metavar="N")
    why = add("why", "why a side is quoted as it is, or is not, or what became of an order")
    why.add_argument("side", metavar="bid|ask|ORDER_ID", help="of an order by the journal")
    why.add_argument("--journal", default=None, metavar="PATH", help="default MM_JOURNAL_DIR")
    why.add_argument("--url", default=None, help="of a running bot; default MM_METRICS_ADDR")
    again = add("replay", "make every decision of a journal again; fails at the first difference")
    again.add_argument("journal", metavar="PATH", help="a journal file, or a folder of them")
    cancel = add("cancel-all", "cancel every order of this bot and prove that none is live")
    cancel.add_argument("--force", action="store_true", help="also while a bot quotes here")
    cancel.add_argument("--within", type=float, default=15.0, metavar="SECONDS")
    for name, about in (
        ("pause", "create MM_KILL_SWITCH_FILE: the bot cancels everything and holds"),
        ("resume", "remove it: the bot quotes again in its next cycle"),
    ):
        made = add(name, about)
        made.add_argument("--url", default=None, help="of the bot; default MM_METRICS_ADDR")
        made.add_argument("--within", type=float, default=5.0, metavar="SECONDS")
    accept = add(
        "accept-reference",
        "believe a price that a source jumped to, further than repetition may confirm",
    )
    accept.add_argument("price", metavar="PRICE", help="human, as the bot names it")
    config = add("config", "the settings in force, where each comes from; secrets masked")
    config.add_argument("--set", action="store_true", help="only what the environment sets")
    fleet = add(
        "fleet", "many markets from one file, one process each, supervised and stopped as one"
    )
    fleet.add_argument(
        "words",
        nargs="*",
        metavar="[run|status|check|render] [FILE]",
        help="what to do, by default run; by default with fleet.toml",
    )
    fleet.add_argument("--out", default="fleet-manifests", metavar="FOLDER", help="of render")
    fleet.add_argument(
        "--base", default="deployments/kubernetes/base", metavar="FOLDER", help="of render"
    )
    demo = add("demo", "bots, takers and a price path on the local exchange")
    demo.add_argument("--seconds", type=float, default=None)
    return top

"""`demo`: the bots on the local exchange, where that is installed beside the bot."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from mm_bot.cli.call import Call
from mm_bot.errors import SettingsError


def run(call: Call) -> int:
    """The demo's own exit code."""
    try:
        there = find_spec("integration_harness.demo") is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise SettingsError(
            ["demo: integration_harness is not installed here; run it from the repository"]
        )
    words = [sys.executable, "-m", "integration_harness.demo"]
    if getattr(call.arguments, "seconds", None) is not None:
        words += ["--seconds", str(call.number("seconds"))]
    # With --json stdout belongs to the one object at the end.
    ended = subprocess.run(words, stdout=sys.stderr if call.output.as_json else None, check=False)
    if call.output.as_json:
        call.output.json({"demo": "ended", "exit_code": ended.returncode})
    return ended.returncode

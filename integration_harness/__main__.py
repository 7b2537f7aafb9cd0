"""`python -m integration_harness` and `mm-bot-integration`: live scenarios, on any exchange.

Progress goes to standard error, one JSON summary a scenario to standard output, a table to
standard error at the end. Exit codes: 0 all passed, 1 some failed, 2 bad arguments or settings,
3 the stack was refused, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from integration_harness.report import Findings, table
from integration_harness.run import Runner, run_all
from integration_harness.scenarios import SCENARIOS
from integration_harness.settings import read_options
from integration_harness.target import RefusedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = read_options(given, os.environ, tuple(SCENARIOS))
    before = signal.signal(signal.SIGTERM, _interrupt)
    found: list[Findings] = []
    try:
        with Runner(options, dict(os.environ)) as runner:
            chosen = [SCENARIOS[name] for name in options.scenarios]
            for findings in run_all(options, chosen, runner):
                found.append(findings)
                print(findings.to_json(), flush=True)
    except RefusedError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted; the market was cleared", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
        if found:
            print(table(found), file=sys.stderr, flush=True)
    return 0 if found and all(each.passed for each in found) else 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

"""`python -m fair_anchor` and `fair-anchor`: the price service, from the environment alone.

Exit codes: 0 clean, 2 bad settings (a taken address too), 1 a bug.
"""

from __future__ import annotations

import os
import sys

from fair_anchor.settings import load
from mm_bot.errors import SettingsError


def main() -> int:
    """Serve until stopped; the exit code."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(f"fair-anchor: {error}", file=sys.stderr)
        return error.exit_code
    # What serving needs is imported only now: faults in the settings answer at once.
    from fair_anchor.wiring import run
    from mm_bot.host.process import run_process

    return run_process(
        lambda log: run(settings, log), log_level=settings.log_level, secrets=settings.secrets
    )


if __name__ == "__main__":
    sys.exit(main())

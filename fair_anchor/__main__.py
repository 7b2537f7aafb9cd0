"""`python -m fair_anchor` and `fair-anchor`: the price service, from the environment alone.

`fair-anchor accept-reference PRICE` is the operator's word where a source jumped too far to be
believed: from the same environment, into a control file beside `FAIR_ANCHOR_STATE_FILE`.

Exit codes: 0 clean, 2 bad settings (a taken address too), 1 a bug.
"""

from __future__ import annotations

import os
import sys
import time

from fair_anchor.settings import Settings, load
from mm_bot.errors import SettingsError

_ACCEPT = "accept-reference"


def main() -> int:
    """Serve until stopped; the exit code."""
    words = sys.argv[1:]
    try:
        if words and words[0] != _ACCEPT:
            raise SettingsError([f"{words[0][:40]!r}: there is only `fair-anchor {_ACCEPT} PRICE`"])
        settings = load(os.environ)
        if words:
            return _accept(settings, words[1:])
    except SettingsError as error:
        print(f"fair-anchor: {error}", file=sys.stderr)
        return error.exit_code
    # What serving needs is imported only now: faults in the settings answer at once.
    from fair_anchor.wiring import run
    from mm_bot.host.ending import Ending
    from mm_bot.host.process import run_process

    ending = Ending()
    return run_process(
        lambda log: run(settings, log, ending),
        log_level=settings.log_level,
        secrets=settings.secrets,
        ending=ending,
    )


def _accept(settings: Settings, words: list[str]) -> int:
    from mm_bot.host.accepted_file import AcceptedFile, price_in

    price = price_in(words[0]) if len(words) == 1 else None
    if price is None:
        given = " ".join(words)
        raise SettingsError([f"PRICE={given[:40]!r}: give one price above 0, such as 1600"])
    low, high = settings.guard.low, settings.guard.high
    if not low <= price <= high:
        raise SettingsError([f"PRICE={price}: no spot is outside {low} .. {high}"])
    if settings.state_file is None:
        raise SettingsError(["FAIR_ANCHOR_STATE_FILE: set it, here and for the service: a path"])
    file = AcceptedFile(settings.state_file)
    print(file.write(price, time.time_ns() // 1_000_000, reader="service"))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`replay PATH`: every decision of a journal made again and compared. Exit 0 where all are the
same, 6 at the first difference, which it names.
"""

from __future__ import annotations

from pathlib import Path

from mm_bot.cli.call import Call
from mm_bot.errors import DifferentError, SettingsError
from mm_bot.journal.replay import replay
from mm_bot.strategies import UnknownStrategyError


def run(call: Call) -> int:
    path = Path(call.text("journal") or ".")
    count = 0
    try:
        for found in replay(path):
            if found is not None:
                raise DifferentError(
                    f"{found.where}: {found.field} was {found.written!r} when it was decided and "
                    f"is {found.again!r} now; was the journal written by another version?"
                )
            count += 1
    except UnknownStrategyError as error:
        raise SettingsError([f"{path}: the strategy that decided it is {error}"]) from None
    if not count:
        raise SettingsError([f"{path}: no decision is in it, so none can be made again"])
    if call.output.as_json:
        call.output.json({"decisions": count, "different": 0})
    else:
        call.output.line(f"{count} decisions made again, all the same", "good")
    return 0

"""`replay PATH`: every decision of a journal made again and compared. Exit 0 where all are the
same, 6 at the first difference, which it names, 7 where the journal cannot be read.
"""

from __future__ import annotations

from pathlib import Path

from mm_bot.cli.call import Call
from mm_bot.errors import DifferentError, JournalError, SettingsError
from mm_bot.journal.replay import replay
from mm_bot.strategies import UnknownStrategyError


def run(call: Call) -> int:
    path = Path(call.text("journal") or ".")
    count = 0
    endless: list[Path] = []
    try:
        for found in replay(path, endless.append):
            if found is not None:
                raise DifferentError(
                    f"{found.where}: {found.field} was {found.written!r} when it was decided and "
                    f"is {found.again!r} now; was the journal written by another version?"
                )
            count += 1
    except UnknownStrategyError as error:
        raise SettingsError([f"{path}: the strategy that decided it is {error}"]) from None
    if not count:
        raise JournalError(f"{path}: no decision is in it, so none can be made again")
    if call.output.as_json:
        names = [file.name for file in endless]
        call.output.json({"decisions": count, "different": 0, "without_end": names})
        return 0
    call.output.line(f"{count} decisions made again, all the same", "good")
    for file in endless:
        why = "a crash, a full disk, or it is written to"
        call.output.line(f"{file.name} has no end ({why}): what is whole of it was read", "warn")
    return 0

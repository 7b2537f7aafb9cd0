"""Every error that ends a process or is caught at an edge, as one tree.

    BotError
    ├── SettingsError      exit 2   the configuration; nothing was contacted
    ├── IdentityError      exit 3   wrong chain, address, subaccount, key, market, a second writer
    ├── UnreachableError   exit 4   a dependency does not answer at start
    ├── NotProvenError     exit 5   asked to cancel, and could not prove that the orders are gone
    ├── DifferentError     exit 6   a decision made again is not what the journal says
    ├── JournalError       exit 7   a journal is damaged, empty, or another version's
    └── EdgeError          caught   an outside system failed now; tried again (exit 4 at a start)

A message names the thing, the value (never a secret) and the remedy.
"""

from __future__ import annotations

from datetime import UTC, datetime


class BotError(Exception):
    """An expected failure. `exit_code` is what the process ends with where it is not caught."""

    exit_code = 1


class SettingsError(BotError):
    """The configuration has faults; `faults` lists all of them."""

    exit_code = 2

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        count = f"{len(faults)} fault" + ("" if len(faults) == 1 else "s")
        super().__init__(f"{count} in the settings:\n" + "\n".join(f"  - {f}" for f in faults))


class IdentityError(BotError):
    """We are not who or where the configuration says."""

    exit_code = 3


class UnreachableError(BotError):
    """A dependency does not answer at start; the message says which and where."""

    exit_code = 4


class NotProvenError(BotError):
    """Orders may still be live although we were asked to cancel them."""

    exit_code = 5


def executable_until(until_ms: int) -> str:
    """In words, until when (unix milliseconds) what was signed can still be filled."""
    until = datetime.fromtimestamp(until_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"what was signed stays executable on chain until {until} UTC"


class DifferentError(BotError):
    """A decision made again from a journal differs from what was written."""

    exit_code = 6


class JournalError(BotError):
    """A journal cannot be read; the message names the file and, where it is known, the line."""

    exit_code = 7


class EdgeError(BotError):
    """An outside system did not do what was asked this time. `source` names it: api, postgres,
    node or an anchor's name. One that nobody catches came at the start."""

    exit_code = 4

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class DeniedError(EdgeError):
    """An outside system answered that it does not take us for whom we say we are: the same again
    ends the same way."""

    exit_code = 3

"""Our order ids and those that an exchange gives, for exchanges that give their own."""

from __future__ import annotations

from typing import Final

FOREIGN: Final = "venue:"
"""Begins the id we give to an order without one of ours: the exchange's own follows."""
NAMES_KEPT: Final = 5_000


class Names:
    """Our order ids and the exchange's for them."""

    def __init__(self) -> None:
        self.ours: dict[str, str] = {}
        """By the exchange's id."""
        self._theirs: dict[str, str] = {}

    def note(self, ours: str, theirs: str) -> None:
        self.ours[theirs], self._theirs[ours] = ours, theirs
        while len(self._theirs) > NAMES_KEPT:
            self.ours.pop(self._theirs.pop(next(iter(self._theirs))), None)

    def theirs(self, ours: str) -> str | None:
        if ours.startswith(FOREIGN):
            return ours.removeprefix(FOREIGN)
        return self._theirs.get(ours)

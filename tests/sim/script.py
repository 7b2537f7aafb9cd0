"""What goes wrong in a run, as a script: each fault and each deed of others by name, in order.

A seed draws the script while it runs. The same run can be asked for with only some lines of it:
then those happen and no others, which is how the shortest script is found that still fails. A line
is `site.n`, the n-th time that something could have happened there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from random import Random


class Script:
    """Draws with the run's own randomness, whether or not a draw counts, so that a run without
    `only` is the same with and without a script being kept."""

    def __init__(self, only: Collection[str] | None = None) -> None:
        self.lines: list[str] = []
        """What happened."""
        self._only = None if only is None else frozenset(only)
        self._count: Counter[str] = Counter()

    def strikes(self, site: str, random: Random, chance: float) -> bool:
        """Whether a fault that is this likely happens now."""
        return self._goes(site, random.random() < chance, chance > 0)

    def happens(self, site: str) -> bool:
        """Whether a deed that was drawn already is done."""
        return self._goes(site, True, True)

    def _goes(self, site: str, struck: bool, possible: bool) -> bool:
        number = self._count[site]
        self._count[site] = number + 1
        if self._only is not None:
            struck = possible and f"{site}.{number}" in self._only
        if struck:
            self.lines.append(f"{site}.{number}")
        return struck

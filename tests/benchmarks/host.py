"""How much of the CPU time that was asked for the machine's host gave to others (`steal`)."""

from __future__ import annotations

from pathlib import Path

_COUNTS = Path("/proc/stat")


class Host:
    """Of all cores, since it was last asked."""

    def __init__(self) -> None:
        self._worked, self._stolen = _ticks()

    def took(self) -> float | None:
        """A share of 1; None where nothing was asked for, or the kernel does not say."""
        worked, stolen = _ticks()
        wanted = worked - self._worked + stolen - self._stolen
        share = (stolen - self._stolen) / wanted if wanted else None
        self._worked, self._stolen = worked, stolen
        return share


def _ticks() -> tuple[int, int]:
    """What all cores worked since the machine's start, and what the host kept from them."""
    try:
        words = _COUNTS.read_text().split("\n", 1)[0].split()
    except OSError:
        return 0, 0
    user, nice, system, _, _, irq, softirq, steal = map(int, words[1:9])
    return user + nice + system + irq + softirq, steal

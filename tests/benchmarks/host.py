"""How much of the CPU time that was asked for the machine's host gave to others (`steal`)."""

from __future__ import annotations

from integration_harness.starvation import processor_ticks


class Host:
    """Of all cores, since it was last asked."""

    def __init__(self) -> None:
        self._worked, self._stolen = processor_ticks()

    def took(self) -> float | None:
        """A share of 1; None where nothing was asked for, or the kernel does not say."""
        worked, stolen = processor_ticks()
        wanted = worked - self._worked + stolen - self._stolen
        share = (stolen - self._stolen) / wanted if wanted else None
        self._worked, self._stolen = worked, stolen
        return share

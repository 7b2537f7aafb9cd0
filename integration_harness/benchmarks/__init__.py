"""Benchmarks: each prints its figures beside those of a stated baseline from the same run."""

from __future__ import annotations

from collections.abc import Sequence


def quantile(ordered: Sequence[float], share: float) -> float:
    """The figure that this share of the sorted ones lies below."""
    return ordered[int(len(ordered) * share)]

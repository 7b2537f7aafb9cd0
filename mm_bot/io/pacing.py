"""How what comes in a stream shares the loop: taken apart in pieces, with pauses between them.

A stranger may send lines, events or frames of one byte without end. A read of 256 KB of those is a
second of work in which nothing else has a turn, and the next read is there at once.
"""

from __future__ import annotations

from typing import Final

PIECE_BYTES: Final = 4096
"""What is taken apart at a time: some 1,300 frames at the most, where each is empty or one byte."""
_LONG_S: Final = 0.001
_SHARE: Final = 9
_LONGEST_S: Final = 0.1


def pause_s(took_s: float) -> float:
    """How long the next piece waits after one that took so long: not at all, but for one turn of
    everybody else, where that was short."""
    return min(_SHARE * took_s, _LONGEST_S) if took_s > _LONG_S else 0.0

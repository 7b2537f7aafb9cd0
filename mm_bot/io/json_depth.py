"""Refuses JSON that is nested too deep before the standard library's parser sees it.

That parser recurses in C. Python's recursion limit protects it, but a library that is imported
along with a keystore raises the limit for the whole process, and then fifty thousand brackets from
a stranger end the process.
"""

from __future__ import annotations

DEEPEST = 64
"""Nothing that we read is nested deeper than five."""


def is_too_deep(text: str) -> bool:
    """Whether arrays and objects nest deeper than `DEEPEST`. Brackets inside strings count too,
    so a text may be refused that need not be; none is let through that should not be."""
    depth = 0
    for character in text:
        if character in "[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif character in "]}":
            depth = max(0, depth - 1)
    return False

"""numpy and the layout of the engine's events, untyped: types are checked without the extra too."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

np: Final[Any] = import_module("numpy")
Array = Any
"""A numpy array."""

EVENT: Final = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
"""One event of the engine. Times are unix nanoseconds: at the exchange, and where we saw it."""

DEPTH: Final = 1
TRADE: Final = 2
CLEAR: Final = 3
SNAPSHOT: Final = 4
AT_EXCHANGE: Final = 1 << 31
AT_US: Final = 1 << 30
BUY: Final = 1 << 29
"""A bid of the book, or a trade whose taker bought."""
SELL: Final = 1 << 28
SEEN: Final = AT_EXCHANGE | AT_US


def events(rows: list[tuple[int, int, int, float, float]]) -> Array:
    """(kind and flags, exchange ns, local ns, price, quantity) as the engine's array."""
    made = np.zeros(len(rows), EVENT)
    for name, values in zip(
        ("ev", "exch_ts", "local_ts", "px", "qty"), zip(*rows, strict=True), strict=False
    ):
        made[name] = values
    return made

"""What nobody says did not happen: the defaults of the core's values."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from importlib import import_module

import mm_bot.core
from mm_bot.core.reference import ReferenceSource

SOMETHING = {
    "Bound.per": Decimal(1),
    "Capabilities.book_names_orders": True,
    "Capabilities.fills_with_orders": True,
    "Memory.startup": True,
    "OpenOrder.sends": 1,
    "Policy.strategy": "founding",
    "View.source": ReferenceSource.NONE,
}
"""The only ones that say something, and what."""


def defaults() -> Iterator[tuple[str, object]]:
    for module in pkgutil.iter_modules(mm_bot.core.__path__):
        found = vars(import_module(f"mm_bot.core.{module.name}"))
        for kind in {each for each in found.values() if isinstance(each, type)}:
            for member in fields(kind) if is_dataclass(kind) else ():
                if member.default is not MISSING:
                    yield f"{kind.__name__}.{member.name}", member.default
                elif member.default_factory is not MISSING:
                    yield f"{kind.__name__}.{member.name}", member.default_factory()


def says_nothing(value: object) -> bool:
    """No flag, no count, no time, no text, no members; or a value of defaults alone."""
    if is_dataclass(value) and not isinstance(value, type):
        return value == type(value)()
    if isinstance(value, Iterable):
        return not tuple(value)
    return not value and not isinstance(value, Enum)


def test_a_default_says_nothing_but_where_it_is_named() -> None:
    """An order that nobody called refused is not, an amount that nobody told is none."""
    told = {name: value for name, value in defaults() if not says_nothing(value)}
    assert told == SOMETHING

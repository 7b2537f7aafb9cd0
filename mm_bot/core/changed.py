"""Frozen slotted dataclasses made and changed past their `__setattr__`, in half of its time.

A decision makes some hundred values, and as many out of others. Both take their time in setting one
field after the other: `dataclasses.replace` by looking at each in Python, a class's own maker by
`object.__setattr__` with its name. `changed` and `made_directly` set the slots themselves, in code
that is written for the class, as `dataclasses` does: a loop takes as long as what it saves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

__all__ = ["changed", "made_directly"]

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import replace as changed
else:

    def changed(instance: T, /, **changes: object) -> T:
        """The same but for `changes`, by field. To a type checker it is `replace`, so that names
        and types of fields are checked as there.

        Raises:
            TypeError: for a name that is no field, and for a class with a life of its own when it
                is made (`__post_init__`, fields that its maker does not take).
        """
        kind = type(instance)
        copied, puts = _COPIERS.get(kind) or _copier(kind)
        made = copied(instance)
        for name, value in changes.items():
            if name not in puts:
                raise TypeError(f"{kind.__name__} has no field {name!r}")
            puts[name](made, value)
        return made


def made_directly(kind: type[T]) -> type[T]:
    """The class with a maker that sets its slots itself. Above `dataclass`, for values of which
    every decision makes many.

    Raises:
        TypeError: as `changed`; and for a class whose fields are given by position, or have a
            default that is made for each value.
    """
    puts, every = _puts(kind), fields(cast(Any, kind))
    if not all(each.kw_only and each.default_factory is MISSING for each in every):
        raise TypeError(f"{kind.__name__} takes more than values by keyword")
    usual, head = vars(kind)["__init__"], f"made, *, {', '.join(puts)}"
    maker = _setting(puts, head, first="pass", value="{}", result="None")
    maker.__kwdefaults__, maker.__annotations__ = usual.__kwdefaults__, usual.__annotations__
    maker.__name__, maker.__qualname__ = usual.__name__, usual.__qualname__
    type.__setattr__(kind, "__init__", maker)
    return kind


Put = Callable[[object, object], None]
Copier = tuple[Callable[[Any], Any], Mapping[str, Put]]
_COPIERS: dict[type, Copier] = {}


def _copier(kind: type) -> Copier:
    """What copies a value of that class, and what sets each of its fields; told once."""
    puts, first = _puts(kind), "made = new(known.__class__)"
    copied = _setting(puts, "known", first=first, value="known.{}", result="made")
    return _COPIERS.setdefault(kind, (copied, puts))


def _puts(kind: type) -> dict[str, Put]:
    """What sets each field past `__setattr__`."""
    every = fields(cast(Any, kind))
    if hasattr(kind, "__post_init__") or not all(each.init for each in every):
        raise TypeError(f"{kind.__name__} does more than take its fields: use dataclasses.replace")
    return {each.name: getattr(kind, each.name).__set__ for each in every}


def _setting(puts: Mapping[str, Put], head: str, *, first: str, value: str, result: str) -> Any:
    """A function that sets every field of `made` to `value`, in which {} is the field's name."""
    each = (f"put_{name}(made, {value.format(name)})" for name in puts)
    text = "\n    ".join((f"def setting({head}):", first, *each, f"return {result}"))
    scope: dict[str, Any] = {"new": object.__new__}
    exec(text, scope | {f"put_{name}": put for name, put in puts.items()}, scope)
    return scope["setting"]

"""What a declared variable is, and the groups they are declared in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mm_bot.fields.kinds import Kind

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Generic[T]):
    """One environment variable; `T` is the type of its value."""

    name: str
    kind: Kind[Any]
    meaning: str
    default_text: str | None = None
    absent: str = ""
    """What holds where neither the environment nor a default gives a value."""
    required: bool = False

    @property
    def default(self) -> str:
        """The default as the README names it."""
        if self.required:
            return "required"
        return self.absent if self.default_text is None else f"`{self.default_text}`"


class Group:
    """Variables that belong together, in the order in which they are declared."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.variables: list[Variable[Any]] = []

    def required(self, name: str, kind: Kind[T], meaning: str) -> Variable[T]:
        """A variable without which nothing starts."""
        variable: Variable[T] = Variable(name=name, kind=kind, meaning=meaning, required=True)
        self.variables.append(variable)
        return variable

    def optional(
        self, name: str, kind: Kind[T], meaning: str, *, absent: str = "unset"
    ) -> Variable[T | None]:
        """A variable whose value is None where it is not set."""
        variable: Variable[T | None] = Variable(
            name=name, kind=kind, meaning=meaning, absent=absent
        )
        self.variables.append(variable)
        return variable

    def default(self, name: str, kind: Kind[T], default: str, meaning: str) -> Variable[T]:
        """A variable with a default."""
        variable: Variable[T] = Variable(
            name=name, kind=kind, meaning=meaning, default_text=default
        )
        self.variables.append(variable)
        return variable

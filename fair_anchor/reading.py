"""From the environment's text to checked values, with every fault on the way collected.

`read` never raises: a value that cannot be used is a fault and then not `sound`, so that the
checks of several variables together can leave out what is broken already. An empty or blank
value is an unset one. The values of unknown names are never shown: a key may be among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from fair_anchor.variable import Variable
from mm_bot.fields.texts import hide_keys

T = TypeVar("T")


class Reading:
    """The values of all variables, and the faults found so far."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._values: dict[str, object] = {}
        self.faults: list[str] = []

    def __getitem__(self, variable: Variable[T]) -> T:
        """The value of a sound variable."""
        return cast(T, self._values[variable.name])

    def __repr__(self) -> str:
        return f"Reading({len(self._texts)} variables set, {len(self.faults)} faults)"

    def is_set(self, variable: Variable[Any]) -> bool:
        """Whether the environment gives it, well or badly."""
        return variable.name in self._texts

    def sound(self, *variables: Variable[Any]) -> bool:
        """Whether all of them can be used: valid, or unset and not required."""
        return all(variable.name in self._values for variable in variables)

    def shown(self, variable: Variable[Any]) -> str:
        """The text in force, without a secret; empty where there is none."""
        text = self._texts.get(variable.name, variable.default_text)
        return "" if text is None else str(variable.kind.show(text))

    def fault(self, variable: Variable[Any], remedy: str) -> None:
        """Record that this variable, as it is, cannot stay."""
        state = f"is {self.shown(variable)!r}" if self.shown(variable) else "is not set"
        fault = f"{variable.name} {state}: {hide_keys(remedy)}"
        if fault not in self.faults:  # two addresses may come from one broken file
            self.faults.append(fault)

    def take(self, variable: Variable[Any]) -> None:
        """Read one variable: its value, or a fault."""
        text = self._texts.get(variable.name, variable.default_text)
        if text is None:
            if variable.required:
                self.fault(variable, f"give {variable.kind.takes}")
            else:
                self._values[variable.name] = None
            return
        try:
            self._values[variable.name] = variable.kind.parse(text)
        except ValueError as error:
            self.fault(variable, str(error))

"""From the environment's text to checked values, with every fault on the way collected.

`read` never raises: a value that cannot be used is a fault and then not `sound`, so that the
checks of several variables together can leave out what is broken already. An empty or blank
value is an unset one. The values of unknown names are never shown: a key may be among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar, cast

from mm_bot.settings.table_run import GROUPS, scenarios
from mm_bot.settings.types import hide_keys
from mm_bot.settings.variable import Variable

T = TypeVar("T")

VARIABLES: dict[str, Variable[Any]] = {v.name: v for group in GROUPS for v in group.variables}
_RULE = "| --- | --- | --- | --- |"
_NOT_OURS = frozenset(v.name for v in scenarios.variables)


class EffectiveValue(NamedTuple):
    """What a variable is and why; the value has no secret in it."""

    name: str
    value: str
    origin: str
    """`environment` or `default`."""


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

    def effective(self) -> tuple[EffectiveValue, ...]:
        """Every variable of the bot in the order of its declaration."""
        return tuple(
            EffectiveValue(
                name=variable.name,
                value=self.shown(variable) or variable.absent.replace("`", ""),
                origin="environment" if self.is_set(variable) else "default",
            )
            for variable in VARIABLES.values()
            if variable.name not in _NOT_OURS
        )

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


def read(environment: Mapping[str, str], *, with_scenarios: bool = False) -> Reading:
    """Everything the environment says, with a fault for each value or name that is not valid.

    The bot itself does not read the values of `MM_INT_*`; it knows their names, so that a typo in
    one is seen.
    """
    stripped = {name: environment[name].strip() for name in VARIABLES if name in environment}
    reading = Reading({name: text for name, text in stripped.items() if text})
    for name in sorted(environment):
        if name.startswith("MM_") and name not in VARIABLES:
            reading.faults.append(_unknown(name))
    for variable in VARIABLES.values():
        if with_scenarios or variable.name not in _NOT_OURS:
            reading.take(variable)
    return reading


def markdown() -> str:
    """The README's table of variables."""
    parts = []
    for group in GROUPS:
        rows = [
            f"| `{v.name}` | {v.kind.takes} | {v.default} | {v.meaning} |" for v in group.variables
        ]
        head = (f"### {group.title}", "", "| variable | valid | default | meaning |", _RULE)
        parts.append("\n".join((*head, *rows)))
    return "\n\n".join(parts) + "\n"


def _unknown(name: str) -> str:
    close = get_close_matches(name, VARIABLES, n=1, cutoff=0.75)
    advice = f"did you mean {close[0]}?" if close else "take it out of the environment"
    return f"{name} is not a variable of the bot: {advice}"

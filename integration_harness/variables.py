"""Environment variables as pydantic models: `poll_ms` under the prefix STACK_ is STACK_POLL_MS.

Every fault of an environment is told at once: the variable, its value and what to give instead. An
empty variable counts as unset. No key is ever part of a message, whichever variable it is in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar, get_args

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic_core import ErrorDetails

_KEY_LIKE = re.compile(r"(0x)?[0-9a-fA-F]{62,66}")


class VariablesError(ValueError):
    """The text has every fault, one a line."""


class Variables(BaseModel):
    """Of one part; an alias is the name behind the prefix where the field has another."""

    model_config = ConfigDict(
        frozen=True, validate_by_name=True, validate_by_alias=True, hide_input_in_errors=True
    )

    @classmethod
    def names(cls, prefix: str) -> dict[str, str]:
        """Field to variable."""
        fields = cls.model_fields.items()
        return {field: f"{prefix}{info.alias or field.upper()}" for field, info in fields}


M = TypeVar("M", bound=Variables)


class Reading:
    """One reading of an environment: models out of it, and what is wrong with it in `faults`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self._environment = environment

    def read(self, model: type[M], prefix: str) -> M | None:
        """The model; None where one of its variables has a fault."""
        names = model.names(prefix)
        texts = {f: t for f, name in names.items() if (t := self._environment.get(name, ""))}
        try:
            return model.model_validate(texts)
        except ValidationError as error:
            by_alias = {info.alias: field for field, info in model.model_fields.items()}
            for each in error.errors():
                where = str(each["loc"][0]) if each["loc"] else ""
                field = by_alias.get(where, where)
                self.faults.append(_fault(model, field, names.get(field, ""), each))
            return None

    def look_for_unknown(self, prefix: str, *known: str) -> None:
        """A variable that begins like ours and is none of them has a typing mistake in it."""
        for name in sorted(self._environment):
            if name.startswith(prefix) and name not in known:
                near = get_close_matches(name, known, 1)
                remedy = f"did you mean {near[0]}?" if near else "take it away"
                self.faults.append(f"{name} is not known: {remedy}")

    def end(self) -> None:
        """Raises VariablesError where there was a fault."""
        if self.faults:
            raise VariablesError("\n".join(self.faults))


def _fault(model: type[Variables], field: str, name: str, error: ErrorDetails) -> str:
    remedy = error["msg"].removeprefix("Value error, ")
    if not field:  # of several variables: its text names them
        return remedy
    info = model.model_fields[field]
    if error["type"] == "missing":
        return f"{name} is not set" + (f": give {info.description}" if info.description else "")
    shown = "***" if _is_secret(info.annotation) else _KEY_LIKE.sub("***", str(error["input"]))
    return f"{name}={shown!r}: {remedy[0].lower()}{remedy[1:]}"


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))

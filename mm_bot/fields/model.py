"""A subsystem's settings as one frozen pydantic model whose fields are variables.

    class Quotes(Model, title="Quotes"):
        levels: Annotated[int, whole(least=1)] = variable("MM_QUOTE_LEVELS", "Orders.", default="1")

The kind reads and shows the text, the default is text too. A field whose type is secret is known
to every redactor. `Section` says under which prefix a model is read, `Reading` reads: it collects
faults instead of raising, and a field that has one raises `UnsoundError` when it is looked at, so
that a check of several variables ends where one of them is broken already.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, Secret, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from mm_bot.fields.kinds import Kind
from mm_bot.fields.texts import hide_keys

T = TypeVar("T")
_RULE = "| --- | --- | --- | --- |"


class UnsoundError(AttributeError):
    """The field's variable has a fault."""


class Model(BaseModel):
    """Of variables. No value ever shows in its repr."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        validate_by_name=True,
        validate_by_alias=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        defer_build=True,  # many are only declared: their validators are made by the first reading
    )

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        """Each field by its kind, said in pydantic's own terms: what it would find out by itself,
        in ten times as long (`tests/settings/test_types.py`)."""
        fields = {}
        for name, info in cls.model_fields.items():
            kind = _kind(info)
            if kind is None or not isinstance(info.alias, str):
                return handler(source)
            checked = core_schema.with_default_schema(kind.schema, default=info.default)
            fields[name] = core_schema.model_field(checked, validation_alias=info.alias)
        return core_schema.model_schema(
            cls,
            core_schema.model_fields_schema(fields, model_name=cls.__name__),
            config=core_schema.CoreConfig(
                title=cls.model_config.get("title") or cls.__name__,
                extra_fields_behavior="forbid",
                validate_default=True,
                validate_by_name=True,
                validate_by_alias=True,
                hide_input_in_errors=True,
            ),
        )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise UnsoundError(name)
            return super().__getattr__(name)


M = TypeVar("M", bound=Model)


def variable(
    name: str,
    meaning: str,
    *,
    default: str | None = None,
    absent: str = "unset",
    required: bool = False,
) -> Any:
    """A field that is read from `name`; `absent` says what holds where there is no default."""
    text = "" if required else default
    return Field(
        default=text,
        alias=name,
        description=meaning,
        json_schema_extra={"absent": absent, "required": required},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A field of a model under its section's prefix."""

    name: str
    field: str
    kind: Kind[Any]
    meaning: str
    default_text: str | None
    absent: str
    required: bool
    secret: bool

    @property
    def default(self) -> str:
        """The default as the documentation names it."""
        if self.required:
            return "required"
        return self.absent if self.default_text is None else f"`{self.default_text}`"


@dataclass(frozen=True, kw_only=True)
class Section(Generic[M]):
    """A model and the prefix that all its names have; `titled` is another title than its own."""

    model: type[M]
    prefix: str = ""
    titled: str = ""

    @property
    def title(self) -> str:
        return self.titled or self.model.model_config.get("title") or self.model.__name__

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        fields = self.model.model_fields
        return tuple(_variable(self.prefix, name, info) for name, info in fields.items())


def _kind(info: FieldInfo) -> Kind[Any] | None:
    return next((each for each in info.metadata if isinstance(each, Kind)), None)


def _variable(prefix: str, field: str, info: FieldInfo) -> Variable:
    extra = info.json_schema_extra
    assert isinstance(extra, dict), f"{field} is not made by `variable`"
    kind = _kind(info)
    assert kind is not None, f"{field} has no kind"
    return Variable(
        name=f"{prefix}{info.alias}",
        field=field,
        kind=kind,
        meaning=info.description or "",
        default_text=info.default or None,
        absent=str(extra["absent"]),
        required=bool(extra["required"]),
        secret=is_secret(info.annotation),
    )


def is_secret(annotation: object) -> bool:
    """Whether a type, or a member of a union, is one of pydantic's secret types."""
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, Secret | SecretStr):
        return True
    return any(is_secret(each) for each in get_args(annotation))


class EffectiveValue(NamedTuple):
    """What a variable is and why; the value has no secret in it."""

    name: str
    value: str
    origin: str
    """`environment`, `.env` or `default`."""


class Reading:
    """One environment, read section by section, and the faults found so far. Never raises.

    An empty or blank value is an unset one. The value of an unknown name is never shown: a key may
    be in it. Of a `ChainMap` the first map is the environment, the second a file.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        sections: Iterable[Section[Any]],
        *,
        own: str,
        whose: str,
        beside: Iterable[Variable] = (),
    ) -> None:
        """Names with the prefix `own` must be known; those `beside` are, and others read them."""
        self.variables = {v.name: v for section in sections for v in section.variables}
        self._environment = environment
        stripped = {n: environment[n].strip() for n in self.variables if n in environment}
        self._texts = {name: text for name, text in stripped.items() if text}
        self.faults: list[str] = []
        known = [*self.variables, *(each.name for each in beside)]
        for name in sorted(environment):
            if name.startswith(own) and name not in known:
                from difflib import get_close_matches  # only where there is a fault

                words = sorted(name.split("_"))
                close = [each for each in known if sorted(each.split("_")) == words]
                close += get_close_matches(name, known, n=1, cutoff=0.75)
                advice = f"did you mean {close[0]}?" if close else "take it out of the environment"
                self.faults.append(f"{name} is not a variable of {whose}: {advice}")

    def __repr__(self) -> str:
        return f"Reading({len(self._texts)} variables set, {len(self.faults)} faults)"

    def read(self, section: Section[M]) -> M:
        """The section's model, without the fields that have faults."""
        texts = {v.field: t for v in section.variables if (t := self._texts.get(v.name))}
        refused: dict[str, str] = {}
        model = section.model.model_validate(texts, context=refused)
        for each in section.variables:
            if each.field in refused:
                del model.__dict__[each.field]
                self.fault(each.name, refused[each.field])
        return model

    def is_set(self, name: str) -> bool:
        """Whether the environment gives it, well or badly."""
        return name in self._texts

    def text(self, name: str) -> str:
        """The text in force; empty where there is none."""
        return self._texts.get(name) or self.variables[name].default_text or ""

    def shown(self, name: str) -> str:
        """The same without a secret."""
        text = self.text(name)
        return self.variables[name].kind.show(text) if text else ""

    def takes(self, name: str) -> str:
        """What would be valid."""
        return self.variables[name].kind.takes

    def fault(self, name: str, remedy: str) -> None:
        """Record that this variable, as it is, cannot stay."""
        state = f"is {self.shown(name)!r}" if self.shown(name) else "is not set"
        fault = f"{name} {state}: {hide_keys(remedy)}"
        if fault not in self.faults:  # two addresses may come from one broken file
            self.faults.append(fault)

    def check(self, check: Callable[[], T]) -> T | None:
        """What `check` gives; None where it looks at something that has a fault."""
        try:
            return check()
        except UnsoundError:
            return None

    def effective(self) -> tuple[EffectiveValue, ...]:
        """Every variable in the order of its declaration."""
        return tuple(
            EffectiveValue(
                name=name,
                value=self.shown(name) or each.absent.replace("`", ""),
                origin=self._origin(name) if self.is_set(name) else "default",
            )
            for name, each in self.variables.items()
        )

    def _origin(self, name: str) -> str:
        layers = self._environment.maps if isinstance(self._environment, ChainMap) else []
        return ".env" if layers and name not in layers[0] else "environment"


def markdown(sections: Iterable[Section[Any]]) -> str:
    """The table of variables for the documentation."""
    rows: dict[str, list[str]] = {}
    for section in sections:
        rows.setdefault(section.title, []).extend(
            f"| `{v.name}` | {v.kind.takes} | {v.default} | {v.meaning} |"
            for v in section.variables
        )
    head = ("", "| variable | valid | default | meaning |", _RULE)
    return "\n\n".join("\n".join((f"### {title}", *head, *rows[title])) for title in rows) + "\n"

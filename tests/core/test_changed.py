"""`changed` is `dataclasses.replace`, only faster."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, astuple, dataclass, field, fields, replace
from inspect import signature
from typing import Any

import pytest

from mm_bot.core.changed import changed, made_directly
from tests.core.builders import POLICY, anchor


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    only: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    left: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    given: int
    made: int = field(init=False, default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Three:
    one: int
    two: int = 2
    three: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreeAgain:
    one: int
    two: int = 2
    three: int | None = None


@dataclass(frozen=True, slots=True)
class ByPosition:
    one: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    one: int
    each: dict[str, int] = field(default_factory=dict)


@pytest.mark.parametrize(
    "known",
    [POLICY, POLICY.quote, POLICY.risk, anchor(), Single(only=1), Pair(left=1, right=2)],
)
def test_it_is_replace(known: Any) -> None:
    """Field by field, and nothing else of it moves; what it makes is frozen like what it is of."""
    assert changed(known) == known
    for each in fields(known):
        made = changed(known, **{each.name: "other"})
        assert made == replace(known, **{each.name: "other"})
        assert getattr(made, each.name) == "other"
        with pytest.raises(FrozenInstanceError):
            setattr(made, each.name, None)


def test_a_class_that_is_made_directly_is_made_as_it_was() -> None:
    """By keyword, with its defaults; a name too many or too few is refused, and it is frozen."""
    usual: Any = Three
    direct: Any = made_directly(ThreeAgain)
    for given in ({"one": 1}, {"one": 1, "two": 2}, {"one": 1, "two": 2, "three": 3}):
        assert astuple(direct(**given)) == astuple(usual(**given))
    assert signature(direct) == signature(usual)
    assert direct(one=1) == direct(one=1) != direct(one=2)
    wrong: tuple[dict[str, Any], ...] = ({}, {"one": 1, "four": 4})
    for given in wrong:
        for kind in (usual, direct):
            with pytest.raises(TypeError, match=r"__init__\(\)"):
                kind(**given)
    with pytest.raises(FrozenInstanceError):
        direct(one=1).one = 2
    with pytest.raises(TypeError, match=r"__init__\(\) takes 1 positional"):
        direct(1)


@pytest.mark.parametrize("kind", [ByPosition, Fresh, Made])
def test_a_class_that_takes_more_than_values_by_keyword_is_not_made_directly(kind: type) -> None:
    """By position, with a default of its own for each, or not all of them."""
    usual = vars(kind)["__init__"]
    with pytest.raises(TypeError, match=kind.__name__):
        made_directly(kind)
    assert vars(kind)["__init__"] is usual


def test_what_is_no_field_is_refused_and_so_is_a_class_that_makes_fields_itself() -> None:
    """As `replace` refuses the one; the other would be skipped without a word."""
    unknown: dict[str, Any] = {"pirce": 1}
    with pytest.raises(TypeError, match="AnchorQuote has no field 'pirce'"):
        changed(anchor(), **unknown)
    with pytest.raises(TypeError, match=r"use dataclasses\.replace"):
        changed(Made(given=1))

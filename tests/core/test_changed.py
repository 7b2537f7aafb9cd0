"""`changed` is `dataclasses.replace`, only faster."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from mm_bot.core.changed import changed
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


def test_what_is_no_field_is_refused_and_so_is_a_class_that_makes_fields_itself() -> None:
    """As `replace` refuses the one; the other would be skipped without a word."""
    unknown: dict[str, Any] = {"pirce": 1}
    with pytest.raises(TypeError, match="AnchorQuote has no field 'pirce'"):
        changed(anchor(), **unknown)
    with pytest.raises(TypeError, match=r"use dataclasses\.replace"):
        changed(Made(given=1))

"""Code of dataclasses that is kept from start to start (mm_bot/generated_code.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

from mm_bot.generated_code import GeneratedCode


@contextmanager
def _within(path: Path) -> Iterator[GeneratedCode]:
    code = GeneratedCode(path)
    code.begin()
    try:
        yield code
    finally:
        code.end()


def _made() -> Any:
    @dataclass(frozen=True, slots=True, kw_only=True, order=True)
    class Row:
        name: str
        size: int = 3
        tags: tuple[str, ...] = field(default_factory=tuple, compare=False)

    return Row


def _told(row_type: Any) -> object:
    """Everything that the generated methods of a class do."""
    one, other = row_type(name="a"), row_type(name="b", size=1, tags=("t",))
    with pytest.raises(FrozenInstanceError):
        one.size = 4
    with pytest.raises(TypeError, match="name"):
        row_type()
    shown = repr(one).replace(row_type.__qualname__, "Row")
    same = row_type(name="a", tags=("t",))
    return (
        shown, one == same, hash(one) == hash(same), one == other, one < other,
        [(f.name, f.type) for f in fields(one)], row_type.__init__.__annotations__,
        row_type.__match_args__, row_type.__slots__,
    )  # fmt: skip


def test_a_class_made_of_kept_code_is_the_class_that_dataclass_makes(tmp_path: Path) -> None:
    """Oracle: the same class without any of this. The second start compiles nothing."""
    plain = _told(_made())
    with _within(tmp_path / "code") as first:
        assert _told(_made()) == plain
    with _within(tmp_path / "code") as second:
        assert _told(_made()) == plain
    assert (first.compiled > 0, second.compiled) == (True, 0)
    assert "exec" not in vars(dataclasses), "outside all is as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["code"]


@pytest.mark.parametrize("harm", ["cut", "turned", "foreign", "gone"])
def test_a_file_that_is_broken_in_any_way_is_as_none(tmp_path: Path, harm: str) -> None:
    """It is written anew, whole."""
    path = tmp_path / "code"
    with _within(path) as first:
        _made()
    whole = path.read_bytes()
    broken = {
        "cut": whole[:-7],
        "turned": whole[:99] + bytes([whole[99] ^ 1]) + whole[100:],
        "foreign": b"\0\0\0\0" + whole[4:],
    }
    path.unlink()
    if harm in broken:
        path.write_bytes(broken[harm])
    with _within(path) as again:
        _told(_made())
    assert again.compiled == first.compiled
    assert path.read_bytes() == whole


def test_where_nothing_can_be_written_everything_is_compiled_as_ever(tmp_path: Path) -> None:
    """A package in a folder of somebody else's, or without its `__pycache__`."""
    with _within(tmp_path / "missing" / "code") as code:
        _told(_made())
    assert code.compiled > 0
    assert list(tmp_path.iterdir()) == []

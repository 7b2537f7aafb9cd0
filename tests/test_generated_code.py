"""Code of dataclasses, types and patterns that is kept (mm_bot/generated_code.py)."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, dataclass, field, fields
from pathlib import Path
from typing import Any, ForwardRef, TypedDict, get_type_hints

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
    (tmp_path / "code.4711").write_bytes(b"of a killed writer")
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


PATTERNS: tuple[tuple[str | bytes, int], ...] = (
    (r"(?P<word>[a-z]+)\s*(\d{2,})?(?(2)!|\?)", 0),
    (r"(?P<word>[a-z]+)\s*(\d{2,})?(?(2)!|\?)", re.IGNORECASE),
    (rb"(?x) (?P<word>[a-z]+) [0-9]* # words", re.DOTALL),
    (r"(?i:é+)|^\w(?<!x)\b", re.MULTILINE | re.ASCII),
)
TEXTS = ("abc 12!", "ABC?", "xx 1", "éÉ\nab", "a\nb", "")


def _matches() -> list[object]:
    """Everything that is seen of patterns, compiled anew."""
    re.purge()
    found: list[object] = []
    for text, flags in PATTERNS:
        pattern: Any = re.compile(text, flags)
        found += [pattern.pattern, pattern.flags, pattern.groups, dict(pattern.groupindex)]
        for each in TEXTS:
            given = each.encode() if isinstance(text, bytes) else each
            found += [(m.span(), m.groups(), m.groupdict()) for m in pattern.finditer(given)]
    return found


def test_a_kept_pattern_matches_what_the_compiled_one_does(tmp_path: Path) -> None:
    """Oracle: `re` without any of this, flags and names and groups included."""
    plain = _matches()
    with _within(tmp_path / "code") as first:
        assert _matches() == plain
    with _within(tmp_path / "code") as second:
        assert _matches() == plain
    assert (first.compiled, second.compiled) == (len(PATTERNS), 0)
    assert _matches() == plain, "outside all is as it was"


def test_patterns_that_two_threads_compile_at_once_are_not_mixed_up(tmp_path: Path) -> None:
    """Each is kept under its own text."""
    texts = [rf"(?P<n{n}>{n}+)[a-z]{{2,{n + 3}}}|x{{{n}}}" for n in range(200)]
    halves = (texts[::2], texts[1::2])
    switched_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with _within(tmp_path / "code"), ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda half: [re.compile(text) for text in half], halves))
    finally:
        sys.setswitchinterval(switched_s)
    re.purge()
    with _within(tmp_path / "code") as again:
        for n, text in enumerate(texts):
            assert list(re.compile(text).groupindex) == [f"n{n}"]
    assert again.compiled == 0


def test_a_kept_type_in_quotes_is_the_type(tmp_path: Path) -> None:
    """What `typing` compiles for a forward reference; a text that is no type is still refused."""

    def told() -> object:
        class Row(TypedDict):
            size: int | None
            tags: tuple[str, ...]

        with pytest.raises(SyntaxError):
            ForwardRef("no type")
        return get_type_hints(Row)

    plain = told()
    with _within(tmp_path / "code") as first:
        assert told() == plain
    with _within(tmp_path / "code") as second:
        assert told() == plain
    assert (first.compiled > 0, second.compiled) == (True, 0)

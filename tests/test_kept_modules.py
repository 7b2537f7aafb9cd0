"""Modules that are kept from start to start in one file (mm_bot/kept_modules.py)."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from mm_bot.kept_modules import KeptModules

NAMES = ("kept_one", "kept_one.inner", "kept_two")
FILES = {
    "kept_one/__init__.py": "HERE = 1\n",
    "kept_one/inner.py": "def where():\n    return 'inner'\n",
    "kept_two.py": "HERE = 2\n",
}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """Two folders of the path; modules are in the second."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    for name, text in FILES.items():
        (second / name).parent.mkdir(parents=True, exist_ok=True)
        (second / name).write_text(text)
    monkeypatch.syspath_prepend(second)
    monkeypatch.syspath_prepend(first)
    yield first, second
    _forget()


def _forget() -> None:
    for name in NAMES:
        sys.modules.pop(name, None)


def _imported(kept: KeptModules | None) -> dict[str, object]:
    """Everything that can be seen of the modules; None for one that is not there."""
    _forget()
    if kept is not None:
        kept.begin()
    found: dict[str, object] = {}
    for name in NAMES:
        try:
            module = import_module(name)
        except ImportError:
            found[name] = None
            continue
        spec = module.__spec__
        assert spec is not None
        where = getattr(module, "where", None)
        found[name] = (
            getattr(module, "HERE", None), module.__file__, module.__cached__, module.__name__,
            module.__package__, list(getattr(module, "__path__", ())), spec.origin, spec.cached,
            spec.parent, spec.has_location, inspect.getsource(module),
            where and (where(), where.__code__.co_filename),
        )  # fmt: skip
    if kept is not None:
        kept.end()
    return found


def _of(tmp_path: Path) -> KeptModules:
    return KeptModules(str(tmp_path / "kept"), roots=(str(tmp_path),))


def _which(path: Path) -> tuple[int, int]:
    """Its number and when it was written; its reading changes more than that."""
    seen = path.stat()
    return seen.st_ino, seen.st_mtime_ns


def test_a_kept_module_is_the_module_that_python_finds(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    """Oracle: the same modules without any of this. The second start opens none of their files,
    and writes nothing."""
    plain = _imported(None)
    first, second = _of(tmp_path), _of(tmp_path)
    assert _imported(first) == plain
    written = _which(tmp_path / "kept")
    assert _imported(second) == plain
    assert (first.taken, second.taken) == (0, len(NAMES))
    assert _which(tmp_path / "kept") == written
    assert not any(isinstance(finder, KeptModules) for finder in sys.meta_path)


def _edited(first: Path, second: Path) -> None:
    (second / "kept_two.py").write_text("HERE = 33\n")


def _edited_to_the_same_size(first: Path, second: Path) -> None:
    (second / "kept_two.py").write_text("HERE = 3\n")
    os.utime(second / "kept_two.py", (1, 1))


def _shadowed(first: Path, second: Path) -> None:
    (first / "kept_two.py").write_text("HERE = 4\n")


def _became_a_package(first: Path, second: Path) -> None:
    """What Python prefers to the file beside it."""
    (second / "kept_two").mkdir()
    (second / "kept_two" / "__init__.py").write_text("HERE = 5\n")


def _shadowed_package(first: Path, second: Path) -> None:
    shutil.copytree(second / "kept_one", first / "kept_one")
    (first / "kept_one" / "inner.py").write_text("def where():\n    return 'other'\n")


def _gone(first: Path, second: Path) -> None:
    (second / "kept_two.py").unlink()


@pytest.mark.parametrize(
    "change",
    [
        _edited, _edited_to_the_same_size, _shadowed, _became_a_package, _shadowed_package, _gone,
    ],
)  # fmt: skip
def test_a_module_that_python_would_now_find_elsewhere_or_otherwise_is_not_taken(
    tmp_path: Path, folders: tuple[Path, Path], change: Callable[[Path, Path], None]
) -> None:
    """Whatever changed is seen at the very next start, and kept from then on."""
    _imported(_of(tmp_path))
    change(*folders)
    seen = _imported(_of(tmp_path))
    assert seen == _imported(None)
    third = _of(tmp_path)
    assert _imported(third) == seen
    assert third.taken == sum(each is not None for each in seen.values())


@pytest.mark.parametrize("harm", ["cut", "index", "code", "foreign", "empty"])
def test_a_file_that_is_broken_in_any_way_is_as_none(
    tmp_path: Path, folders: tuple[Path, Path], harm: str
) -> None:
    """Every module is found as ever."""
    plain = _imported(_of(tmp_path))
    file = tmp_path / "kept"
    whole = file.read_bytes()
    at = whole.index(b"kept_one")
    broken = {
        "cut": whole[:-7],
        "index": whole[:at] + b"K" + whole[at + 1 :],
        "code": whole[:-300] + bytes(300),
        "foreign": b"\0\0\0\0" + whole[4:],
        "empty": b"",
    }
    file.write_bytes(broken[harm])
    assert _imported(_of(tmp_path)) == plain


def test_what_a_killed_writer_left_is_removed_by_the_next(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    """Each would stay there as large as the file."""
    (tmp_path / "kept.4711").write_bytes(b"half")
    _imported(_of(tmp_path))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["first", "kept", "second"]


def test_where_nothing_can_be_written_modules_are_found_as_ever(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    """A package in a folder of somebody else's, or without its `__pycache__`."""
    kept = KeptModules(str(tmp_path / "missing" / "kept"), roots=(str(tmp_path),))
    assert _imported(kept) == _imported(None)
    assert not (tmp_path / "missing").exists()

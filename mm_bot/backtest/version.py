"""Which code made a result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def code_digest(strategies: tuple[str, ...] = ()) -> str:
    """Of everything that decides what a run comes to: two results with one digest compare. Of a
    strategy by its import path, `mypackage.quotes:Mine`, all of its package."""
    root = Path(__file__).parents[1]
    files = list(root.glob("*.py"))
    for folder in ("core", "strategies", "settings", "backtest"):
        files += (root / folder).rglob("*.py")
    told = [(file.relative_to(root).as_posix(), file) for file in sorted(files)]
    for path in sorted({each for each in strategies if ":" in each}):
        told += _of(path.partition(":")[0])
    digest = hashlib.sha256()
    for name, file in told:
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _of(module: str) -> Iterator[tuple[str, Path]]:
    """(name, file) of what is imported with a module: itself, or all of the package it is in."""
    top = module.partition(".")[0]
    found = None if top == "mm_bot" else find_spec(top)
    if found is None:
        return  # ours, or not there: who runs it says so
    for folder in found.submodule_search_locations or ():
        for file in sorted(Path(folder).rglob("*.py")):
            yield f"{top}/{file.relative_to(folder).as_posix()}", file
    if not found.submodule_search_locations and found.has_location and found.origin is not None:
        yield f"{top}.py", Path(found.origin)

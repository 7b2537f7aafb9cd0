"""The contracts of the local exchange, compiled from source once and then read from a cache.

`load(name)` gives the creation code and the ABI. The cache lies in `build/`, its key is the hash of
the source and the compiler's version, so an edited contract is compiled again and a warm cache
never imports the compiler.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

COMPILER_VERSION = "0.4.3"
_FOLDER = Path(__file__).parent
_BUILD = _FOLDER / "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What is needed to deploy a contract and to call it."""

    name: str
    creation_code: bytes
    abi: tuple[dict[str, Any], ...]


def names() -> tuple[str, ...]:
    """Every contract there is a source of."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.vy")))


@cache
def load(name: str) -> Contract:
    """The compiled contract, from the cache or else from the compiler."""
    source = (_FOLDER / f"{name}.vy").read_text()
    key = hashlib.sha256(f"{COMPILER_VERSION}\n{source}".encode()).hexdigest()[:16]
    cached = _BUILD / f"{name}-{key}.json"
    if not cached.exists():
        _write_whole(cached, json.dumps(_compile(source)))
    built = json.loads(cached.read_text())
    return Contract(
        name=name,
        creation_code=bytes.fromhex(built["bytecode"].removeprefix("0x")),
        abi=tuple(built["abi"]),
    )


def compile_all() -> tuple[Contract, ...]:
    """Fill the cache with every contract there is."""
    return tuple(load(name) for name in names())


def _compile(source: str) -> dict[str, Any]:
    # Imported here, since it takes longer than the whole deployment.
    vyper = importlib.import_module("vyper")
    if vyper.__version__.split("+")[0] != COMPILER_VERSION:
        raise RuntimeError(f"vyper {COMPILER_VERSION} is needed, found {vyper.__version__}")
    built = vyper.compile_code(source, output_formats=["bytecode", "abi"])
    return {"bytecode": built["bytecode"], "abi": built["abi"]}


def _write_whole(path: Path, text: str) -> None:
    """Write beside and rename, so that no reader running at the same time sees half a file."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)

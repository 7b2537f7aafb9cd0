"""Starts the bot as its users do, and waits for how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

ENDS_WITHIN_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended and everything it wrote."""

    exit_code: int
    output: str


def start(
    environment: Mapping[str, str], *, files_limit_bytes: int | None = None
) -> subprocess.Popen[str]:
    """`python -m mm_bot` with that environment and nothing else but PATH. `files_limit_bytes` is
    the most that a file may grow to: what is written beyond it fails, as on a full disk."""
    limit = [] if files_limit_bytes is None else ["prlimit", f"--fsize={files_limit_bytes}"]
    return subprocess.Popen(
        [*limit, sys.executable, "-m", "mm_bot"],
        env={"PATH": os.environ.get("PATH", ""), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait(process: subprocess.Popen[str]) -> Ended:
    output, _ = process.communicate(timeout=ENDS_WITHIN_S)
    return Ended(exit_code=process.returncode, output=output)


def run(environment: Mapping[str, str], *, files_limit_bytes: int | None = None) -> Ended:
    return wait(start(environment, files_limit_bytes=files_limit_bytes))

"""Which Python `make install` takes (deployments/python.sh)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SCRIPT = Path(__file__).parents[2] / "deployments" / "python.sh"


def _chosen(first_on_path: Path) -> str:
    path = f"{first_on_path}{os.pathsep}/usr/bin{os.pathsep}/bin"
    done = subprocess.run(["sh", _SCRIPT], env={"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _python(folder: Path, *, built_with: str) -> None:
    """One that says so of itself."""
    folder.mkdir()
    (folder / "sysconfig.py").write_text(
        f"get_config_var = {{'CONFIG_ARGS': {built_with!r}}}.get\n"
    )
    python = folder / "python3"
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH={folder} exec {os.path.realpath("/proc/self/exe")} "$@"\n'
    )
    python.chmod(0o755)


def test_python3_is_taken_where_it_was_built_with_its_optimisation(tmp_path: Path) -> None:
    _python(tmp_path / "bin", built_with="'--enable-shared' '--enable-optimizations'")
    assert _chosen(tmp_path / "bin") == "python3"


def test_the_systems_is_taken_instead_of_one_without_where_it_will_do(tmp_path: Path) -> None:
    _python(tmp_path / "bin", built_with="'--enable-shared'")
    system = "/usr/bin/python3"
    wanted = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    try:
        will_do = subprocess.run([system, "-c", wanted], capture_output=True).returncode == 0
    except FileNotFoundError:
        will_do = False
    assert _chosen(tmp_path / "bin") == (system if will_do else "python3")

"""The option that a change is checked with: what cannot be tried fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("options", "body", "code"),
    [
        (["--fail-on-skip"], "import pytest; pytest.skip('no browser')", 1),
        (["--fail-on-skip"], "pass", 0),
        ([], "import pytest; pytest.skip('no browser')", 0),
    ],
)
def test_a_skip_fails_where_it_may_not_be(
    tmp_path: Path, options: list[str], body: str, code: int
) -> None:
    """With `--fail-on-skip` a skipped test fails the session; without, or with none skipped, it
    does not."""
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n")
    words = ["-p", "tests.conftest", "-c", "/dev/null", "--rootdir", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *words, *options, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    if code:
        assert "1 skipped, and nothing may be skipped here" in ended.stdout

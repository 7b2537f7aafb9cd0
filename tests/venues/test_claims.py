"""The table of docs/venues.md that says who tries what nobody could verify."""

from __future__ import annotations

import re
from pathlib import Path

from integration_harness.conformance.claims import CLAIMS

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


def test_what_the_table_names_is_there() -> None:
    """Each line of an uncertain claim names tests that exist in its venue's folder, claims of the
    kit by their numbers, or a line of `mm-bot check`."""
    text = (_ROOT / "docs" / "venues.md").read_text()
    table = text.split("## What nobody could verify")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][2:]
    numbers = {claim.number for claim in CLAIMS}
    assert len(lines) > 20
    for venue, claim, _, witness in lines:
        source = "".join(path.read_text() for path in (_HERE / venue.strip()).glob("test_*.py"))
        for name in re.findall(r"`(test_\w+)`", witness):
            assert f"def {name}(" in source, (claim, name)
        assert {int(number) for number in re.findall(r"kit (\d+)", witness)} <= numbers, claim
        proving = _ROOT / "mm_bot" / "venues" / venue.strip() / "proving.py"
        for told in re.findall(r'check "([^"]+)"', witness):
            assert f'"{told}"' in proving.read_text(), (claim, told)

"""The sections of the runbook, by the anchor that a link to them has."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs" / "runbook.md"


def anchor(heading: str) -> str:
    """What a heading is linked to as: lower case, spaces to dashes, other signs gone."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def sections(file: Path = RUNBOOK) -> dict[str, str]:
    """Anchor to the text under each heading, up to the next heading of any depth."""
    found: dict[str, str] = {}
    here = ""
    fenced = False
    for line in file.read_text().splitlines():
        fenced ^= line.startswith("```")
        heading = None if fenced else re.match(r"#+ (.*)", line)
        if heading is not None:
            here = anchor(heading[1])
            assert here not in found, f"two sections {here!r}"
            found[here] = ""
        elif here:
            found[here] += line + "\n"
    return found

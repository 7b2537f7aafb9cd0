"""The example of docs/add-a-venue.md trades, and the guide says of it what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from integration_harness.conformance.__main__ import Result, try_claim
from integration_harness.conformance.claims import CLAIMS
from mm_bot.errors import SettingsError
from mm_bot.settings import load
from tests.toy.driver import ToyDriver

_GUIDE = Path(__file__).parents[2] / "docs" / "add-a-venue.md"
_HERE = Path(__file__).parent
_SELECTED = ("lost_reply_never_doubles", "unknown_found_by_our_id")


def test_the_example_passes_a_selection_of_the_kit() -> None:
    """The toy exchange's adapter holds claims of the conformance kit, in bad weather."""
    driver = ToyDriver()
    try:
        for claim in (each for each in CLAIMS if each.name in _SELECTED):
            result = Result(claim=claim)
            try_claim(driver, claim, seed=1, result=result)
            assert result.word == "PASS", result.line()
    finally:
        driver.close()


def test_the_guide_counts_right() -> None:
    """Its table names each file of the example with its lines, to the nearest ten."""
    told = dict(re.findall(r"\| `(\w+\.py)` \| (\d+) \|", _GUIDE.read_text()))
    assert set(told) == {"settings.py", "venue.py", "wire.py", "server.py", "driver.py"}
    for name, lines in told.items():
        found = len((_HERE / name).read_text().splitlines())
        assert abs(found - int(lines)) <= 5, f"{name} has {found} lines"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nome", "numo, derive"),
        ("tests.toy.nowhere", "No module named"),
        ("tests.toy.server", "with SECTION, resolve, build"),
    ],
)
def test_a_venue_that_is_none_is_a_fault(name: str, told: str) -> None:
    """A misspelt exchange, a module that is not there, and one that is no venue are faults of the
    settings that say what would be valid."""
    with pytest.raises(SettingsError) as caught:
        load({"MM_VENUE": name})
    assert "MM_VENUE" in str(caught.value)
    assert told in str(caught.value)

"""What the venue brings into a process: start-up time is decided here."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("web3", "eth_account", "eth_abi", "pydantic", "integration_harness", "mm_bot.settings")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("mm_bot.venues.numo.exchange", HEAVY),
        ("mm_bot.venues.numo.market_data", (*HEAVY, "psycopg", "coincurve", "Crypto")),
    ],
)
def test_imports_stay_light(module: str, absent: tuple[str, ...]) -> None:
    """The running path imports neither web3 nor eth_account; public reads neither keys nor
    Postgres."""
    program = f"import sys, {module}; print(*[m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []

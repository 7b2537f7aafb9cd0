"""Claims about numbers as people are shown them."""

from __future__ import annotations

import orjson
import pytest

from mm_bot.observe.render import rounded, to_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("299.99999999999984132", "300"),
        ("-0.00000049999", "0"),
        ("1600.1234565", "1600.123456"),
        ("1600.1234575", "1600.123458"),
        ("123456789012345678901234567890.1234567", "123456789012345678901234567890.123457"),
        ("1600.25", "1600.25"),
        ("wanted 99.99999999, had 0.10000000", "wanted 100, had 0.1"),
        ("0x1.12345678 and 1.2.34567890", "0x1.12345678 and 1.2.34567890"),
    ],
)
def test_people_see_six_decimals(text: str, shown: str) -> None:
    """Numbers of more than six decimals are rounded, half to even; everything else stays."""
    assert rounded(text) == shown


def test_a_number_that_parsers_would_damage_is_text() -> None:
    """An integer beyond 64 bits comes back as its digits; a shorter one stays a number."""
    content = to_json({"trade_id": 33124785717097105096306317437857, "nonce": 2**63})
    assert orjson.loads(content) == {
        "trade_id": "33124785717097105096306317437857",
        "nonce": 2**63,
    }

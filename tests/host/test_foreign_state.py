"""A state file that is not what we write, in whatever way, is set aside like a torn one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mm_bot.core.fills import FillTotals
from mm_bot.core.memory import Memory
from mm_bot.host.persistence import first_memory, to_state, usable
from mm_bot.host.persistent import StateIdentity
from mm_bot.host.state_file import StateFile
from mm_bot.host.state_text import encode

IDENTITY = StateIdentity(chain_id=1, owner="0x" + "ab" * 20, market="M", subaccount_id=7)
NOW_MS = 1_800_000_000_000
GOOD = encode(
    to_state(
        Memory(started_ms=NOW_MS, fill_totals=FillTotals(cursor=5, seen=frozenset({(5, "mm:a")})))
    ),
    IDENTITY,
)

Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, Change] = {
    "position is not a number": lambda s: s["books"].update(position="NaN"),
    "cash is infinite": lambda s: s["books"].update(cash="-Infinity"),
    "cost is a number, not text": lambda s: s["books"].update(cost=1.5),
    "bought is a list": lambda s: s["books"].update(bought=["1"]),
    "realised is no text": lambda s: s["books"].update(realised=None),
    "sold has an exponent beyond bounds": lambda s: s["books"].update(sold="1e999999999999"),
    "buys are text": lambda s: s["books"].update(buys="3"),
    "sells are negative": lambda s: s["books"].update(sells=-1),
    "seen is no list": lambda s: s["books"].update(seen=7),
    "seen holds numbers": lambda s: s["books"].update(seen=[1, 2]),
    "seen holds triples": lambda s: s["books"].update(seen=[[1, "a", "b"]]),
    "seen holds the wrong kinds": lambda s: s["books"].update(seen=[["x", 1]]),
    "a nonce of 2^256": lambda s: s.update(nonce_reserved_until=1 << 256),
    "a next nonce of 2^256": lambda s: s.update(next_buy_nonce=1 << 256),
    "live orders are no list": lambda s: s.update(live_orders={"a": 1}),
    "a live order without a nonce that is one": lambda s: s.update(
        live_orders=[{"order_id": "mm:M:buy:1", "nonce": 1 << 300, "expiry_s": 1}]
    ),
    "an expiry beyond all time": lambda s: s.update(
        live_orders=[{"order_id": "mm:M:buy:1", "nonce": 1, "expiry_s": 1 << 300}]
    ),
    "the cursor is text": lambda s: s.update(fills_cursor="5"),
    "books are a list": lambda s: s.update(books=[]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_set_aside_and_the_start_goes_on(change: str, tmp_path: Path) -> None:
    """Under another name, with the reason; memory begins empty."""
    fields = json.loads(GOOD)
    CHANGES[change](fields)
    path = tmp_path / "state.json"
    path.write_text(json.dumps(fields))
    loaded = StateFile(path, IDENTITY, usable=usable).load(NOW_MS)
    assert loaded.set_aside is not None
    assert not path.exists()
    (aside,) = tmp_path.iterdir()
    assert aside.name in loaded.set_aside
    assert first_memory(loaded.state, NOW_MS).fill_totals == FillTotals()


def test_what_we_write_is_taken(tmp_path: Path) -> None:
    """The unchanged file is read back, books and all."""
    path = tmp_path / "state.json"
    path.write_bytes(GOOD)
    loaded = StateFile(path, IDENTITY, usable=usable).load(NOW_MS)
    assert loaded.set_aside is None
    assert first_memory(loaded.state, NOW_MS).fill_totals == FillTotals(
        cursor=5, seen=frozenset({(5, "mm:a")})
    )

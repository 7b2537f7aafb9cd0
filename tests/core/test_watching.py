"""What the next read must answer, and when it is due."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mm_bot.core.exact import Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.settlement import Settlement
from mm_bot.core.watching import SETTLING_ASKED, VERIFY_AFTER_MS, fills_after, next_due_ms, watch
from tests.core.builders import NOW_MS, open_order, running

LIVE = open_order(Side.BUY, "1600", nonce=1)
PENDING = Settlement(
    nonce=7,
    side=Side.BUY,
    price=Price.of(1600),
    lot=Size.of(1),
    filled=5,
    settled=0,
    asked=True,
    since_ms=NOW_MS,
    since_block_ms=NOW_MS,
    expiry_ms=NOW_MS,
    booked=5,
)
DONE = replace(PENDING, settled=5)


def test_every_order_is_asked_for_and_the_chain_about_its_fills() -> None:
    """Rows of what may be live and of what has fills; who holds the nonce that met a conflict; and
    on chain all of them but one that may be another's, first those whose fills it lacks."""
    conflict = replace(LIVE, order_id="c", nonce=2, conflict=True)
    again = replace(conflict, order_id="d", nonce=3, sends=2)
    audited = (f"{LIVE.order_id}99", "not an id")
    found = watch(
        (LIVE, conflict, again),
        {"done": DONE, "pending": PENDING, LIVE.order_id: PENDING},
        audited,
        fills_after=4,
        first=True,
    )
    assert found.order_ids == (LIVE.order_id, "c", "d", "done", "pending")
    assert found.settling == (
        ("pending", 7), (LIVE.order_id, 7), ("d", 3), ("done", 7), (audited[0], 199)
    )  # fmt: skip
    assert (found.nonces, found.fills_after, found.include_unexpired) == ((2, 3), 4, True)


def test_the_chain_is_asked_about_a_hundred_orders_a_read() -> None:
    """Those whose fills it lacks come first, and the audited always."""
    entries = {str(number): DONE for number in range(SETTLING_ASKED)} | {"pending": PENDING}
    audited = tuple(f"mm:X-SPOT:buy:{number}" for number in range(4))
    found = watch((), entries, audited, fills_after=None, first=False)
    asked = [order_id for order_id, _ in found.settling]
    assert asked == ["pending", *map(str, range(95)), *audited]
    assert len(asked) == 100


def test_fills_are_read_from_far_back_while_one_is_owed() -> None:
    """Of any order; else from the cursor on."""
    books = replace(running(), fill_totals=FillTotals(cursor=50, past=(20, 40)))
    owed = replace(PENDING, booked=4)
    for entries, after in (
        ({}, 50),
        ({"a": PENDING}, 50),
        ({"a": owed}, 20),
        ({"a": PENDING, "b": owed}, 20),
    ):
        assert fills_after(replace(books, settlements=entries)) == after


@pytest.mark.parametrize(
    ("changes", "due_in_ms"),
    [
        ({}, None),
        ({"stage": Stage.UNKNOWN}, 70),
        ({"next_send_ms": NOW_MS + 1}, None),
        ({"cancels": 1}, 30),
        ({"cancels": 9, "next_cancel_ms": NOW_MS - 170}, 92),
        ({"cancels": 1, "stage": Stage.UNKNOWN, "next_send_ms": NOW_MS + 20}, 20),
        ({"cancels": 1, "cancel_acked_ms": NOW_MS - 60}, 40),
        ({"cancels": 1, "cancel_acked_ms": NOW_MS - VERIFY_AFTER_MS}, None),
        ({"stage": Stage.UNKNOWN, "next_send_ms": NOW_MS}, None),
        ({"stage": Stage.UNKNOWN, "next_send_ms": NOW_MS + 1}, 1),
    ],
)
def test_what_waits_is_due_when_its_pause_ends(
    changes: dict[str, Any], due_in_ms: int | None
) -> None:
    """Bytes to send again, a cancel to send again (one that counts waits longer), an acknowledged
    cancel to look after 0.1 s later, a refused slot. What is past waits for the poll."""
    order = replace(LIVE, next_send_ms=NOW_MS + 70, next_cancel_ms=NOW_MS + 30)
    memory = running(replace(order, **changes))
    expected = None if due_in_ms is None else NOW_MS + due_in_ms
    assert next_due_ms(memory, NOW_MS) == expected
    refused = replace(memory, refused_until_ms={(Side.BUY, 0): NOW_MS + 15, (Side.SELL, 0): NOW_MS})
    assert next_due_ms(refused, NOW_MS) == NOW_MS + min(15, due_in_ms or 15)

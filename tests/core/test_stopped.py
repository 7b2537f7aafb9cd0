"""What one look says of a bot that is not to quote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.stopped import stopped
from tests.core.builders import NOW_MS, open_order, own_orders, row, running, snapshot
from tests.core.decisions import ASK, BID, decided, unread


def test_a_read_that_shows_nothing_of_ours_proves_the_stop() -> None:
    """With the block it was seen at and until when a signature can still be executed."""
    look = decided(snapshot(own_orders()), running())
    memory = replace(running(), signatures=decided(snapshot(own_orders(BID, ASK))).signatures)
    seen = stopped(look, memory)
    assert seen.proven
    assert (seen.rows_seen, seen.may_be_live, seen.block_number) == (0, (), 1)
    assert seen.executable_until_ms == BID.expiry_ms
    assert stopped(look, running()).executable_until_ms is None
    part = replace(look.snapshot.venue.balances, value=None)
    blind = replace(look.snapshot, venue=replace(look.snapshot.venue, balances=part))
    assert stopped(decided(blind, running()), running()).block_number is None


@pytest.mark.parametrize("stage", Stage)
def test_an_order_that_may_be_live_disproves_it(stage: Stage) -> None:
    """Whether its row is read or not."""
    known = open_order(Side.BUY, "1596", stage=stage)
    absent = stopped(decided(snapshot(own_orders()), running(known)), running())
    assert (absent.proven, absent.may_be_live, absent.rows_seen) == (False, (known.order_id,), 0)
    shown = stopped(decided(snapshot(own_orders(row(Side.BUY, "1596"))), running()), running())
    assert (shown.proven, shown.may_be_live, shown.rows_seen) == (False, (known.order_id,), 1)


def test_a_look_that_brought_no_rows_proves_nothing() -> None:
    """Not even where nothing is known to be live; it says why there are none."""
    memory = replace(running(), orders_read_ms=NOW_MS)
    failed = stopped(decided(unread(snapshot()), memory), memory)
    assert (failed.proven, failed.unread, failed.rows_seen) == (False, "down", 0)
    part = replace(snapshot().venue.orders, value=None, as_of_ms=None)
    silent = replace(snapshot(), venue=replace(snapshot().venue, orders=part))
    never = stopped(decided(silent, memory), memory)
    assert (never.proven, never.unread) == (False, "the order table was not read")

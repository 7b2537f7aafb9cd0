"""Claims about the last hour as the page draws it."""

from __future__ import annotations

from dataclasses import replace

from mm_bot.core.exact import Size
from mm_bot.core.instrument import Side
from mm_bot.core.remember import Report
from mm_bot.observe.history import EVERY_MS, SPAN_MS, History
from mm_bot.observe.view import NotedFill, View
from tests.core.builders import NOW_MS, SPOT, fill, open_order, running, snapshot
from tests.core.decisions import decided


def view(at_ms: int, *, fills: tuple[NotedFill, ...] = ()) -> View:
    """A cycle in which a bid rests and no ask."""
    memory = replace(
        running(open_order(Side.BUY, "1596"), open_order(Side.BUY, "1595", nonce=2)),
        inventory=Size.of("12.5"),
    )
    return View(
        decision=decided(snapshot(now_ms=at_ms)),
        report=Report(),
        memory=memory,
        market=SPOT,
        ended_ms=float(at_ms),
        new_fills=fills,
    )


def points(history: History) -> list[dict[str, object]]:
    found = history.shown()["points"]
    assert isinstance(found, list)
    return found


def test_before_the_first_cycle_there_is_nothing() -> None:
    """Empty, and of the same form."""
    assert History().shown() == {"points": [], "fills": [], "limits": None}


def test_a_point_has_the_reference_the_best_quotes_and_the_inventory() -> None:
    """Exact, as text; None for a side that is not quoted; limits beside them."""
    history = History()
    history.take(view(NOW_MS))
    assert points(history)[-1] == {
        "at_ms": NOW_MS,
        "reference": "1600",
        "bid": "1596",
        "ask": None,
        "inventory": "12.5",
    }
    risk = decided().policy.risk
    assert history.shown()["limits"] == {
        "long": str(risk.max_long),
        "short": str(risk.max_short),
    }


def test_it_keeps_a_point_each_ten_seconds_for_an_hour_and_the_newest() -> None:
    """Cycles in between leave none; what is older than an hour is gone; the last is always now."""
    history = History()
    for at_ms in range(NOW_MS, NOW_MS + 2 * SPAN_MS, EVERY_MS // 2):
        history.take(view(at_ms))
    times = [point["at_ms"] for point in points(history)]
    last_ms = NOW_MS + 2 * SPAN_MS - EVERY_MS // 2
    assert times[-1] == last_ms
    assert times[:-1] == list(range(NOW_MS + SPAN_MS, NOW_MS + 2 * SPAN_MS, EVERY_MS))


def test_fills_of_the_last_hour_are_kept_whole() -> None:
    """Those of cycles that leave no point too; older ones are left out."""
    history = History()
    old = replace(fill(1, Side.BUY, "1590", "3"), at_ms=NOW_MS - SPAN_MS)
    new = fill(2, Side.SELL, "1604", "2.5")
    history.take(view(NOW_MS, fills=(NotedFill(fill=old, captured_bps=None),)))
    history.take(view(NOW_MS + 1, fills=(NotedFill(fill=new, captured_bps=None),)))
    assert history.shown()["fills"] == [
        {"at_ms": NOW_MS, "side": "sell", "price": "1604", "size": "2.5"}
    ]

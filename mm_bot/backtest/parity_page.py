"""The page of parity: what backtests said would fill against what did, and how it went by day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mm_bot.backtest.page import AMBER, BLUE, GREEN, Figure, page

Found = dict[str, Any]


def page_of(days: Sequence[Found]) -> str:
    """`days` as `parity.parity` gives each, oldest first."""
    last = days[-1]
    replay, loop = last["order_replay"], last["closed_loop"]
    says = (
        f"{last['day']}, {last['market']}: the backtest agreed with what really filled by "
        f"{replay['parity']:.3f} when our orders were sent again, by {loop['parity']:.3f} when the "
        f"bot decided anew; {replay['real_fills']} fills, {last['says']}."
    )
    return page(
        title=f"Parity of {last['market']}",
        says=says,
        warnings=[
            "A journal knows at our own price alone what takers would have taken: whether a worse "
            "price of ours would have been hit too is not told.",
            f"The longest time between two kept looks at the market is "
            f"{max(day['longest_gap_seconds'] for day in days):g} s.",
        ],
        cards=[
            (f"{replay['parity']:.4f}", "order replay: the fill model alone", ""),
            (f"{loop['parity']:.4f}", "closed loop: everything", ""),
            (_text(replay["bias"]), "bias of order replay (above 0: too much fills)", ""),
            (_text(replay["markout_5s_difference_bps"]), "markout at 5 s, difference in bps", ""),
            (_text(replay["pnl_difference_bps"]), "result by volume, difference in bps", ""),
            (_text(replay["median_wait_difference_ms"]), "median wait, difference in ms", ""),
        ],
        figures=[_buckets(last), _daily(days)],
        everything={"days": list(days)},
    )


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _buckets(day: Found) -> Figure:
    buckets = day["by_distance"]
    x = [f"{each['from_bps']:.2f} to {each['to_bps']:.2f}" for each in buckets]
    bars = (("really filled", "real_share", BLUE), ("filled here", "here_share", AMBER))
    return {
        "title": "Predicted against real fills, by an order's distance",
        "note": "Share of the size that filled, of orders by how far from the reference they were "
        "when they were sent; as many in each. Order replay.",
        "data": [
            {
                "type": "bar",
                "name": name,
                "x": x,
                "y": [each[key] for each in buckets],
                "hovertext": [f"{each['orders']} orders" for each in buckets],
                "marker": {"color": colour},
            }
            for name, key, colour in bars
        ],
        "layout": {
            "barmode": "group",
            "xaxis": {"title": {"text": "bps"}, "type": "category"},
            "yaxis": {"title": {"text": "filled share"}, "rangemode": "tozero"},
        },
    }


def _daily(days: Sequence[Found]) -> Figure:
    kinds = (("order replay", "order_replay", GREEN), ("closed loop", "closed_loop", BLUE))
    return {
        "title": "Parity by day",
        "note": "1 is full agreement. Below 0.9 of order replay, look at the orders that differ.",
        "data": [
            {
                "name": name,
                "x": [day["day"] for day in days],
                "y": [day[kind]["parity"] for day in days],
                "mode": "lines+markers",
                "line": {"color": colour},
            }
            for name, kind, colour in kinds
        ],
        "layout": {"xaxis": {"type": "category"}, "yaxis": {"range": [0, 1.02]}},
    }

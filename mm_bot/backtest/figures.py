"""The pictures of a run, as plotly draws them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from mm_bot.backtest.page import AMBER, BLUE, GREEN, GREY, RED, Figure

_TWO_AXES = {"l": 64, "r": 72, "t": 16, "b": 60}


def _times(at_ms: Sequence[int]) -> list[str]:
    return [
        datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        for at in at_ms
    ]


def _line(x: Sequence[Any], y: Sequence[Any], name: str, colour: str, **more: Any) -> Figure:
    line = {"color": colour, "width": more.pop("width", 1.5), **more.pop("line", {})}
    return {"x": x, "y": y, "name": name, "mode": "lines", "line": line, **more}


def equity(curves: dict[str, Any], quote: str) -> Figure:
    x = _times(curves["at_ms"])
    return {
        "title": "Where the result comes from",
        "note": "Spread captured at each fill against the mid before it, what the position then "
        "gained or lost, and fees. They add up to the total exactly.",
        "data": [
            _line(x, curves["capture"], "spread captured", GREEN),
            _line(x, curves["inventory"], "inventory", AMBER),
            _line(x, curves["fees"], "fees", GREY),
            _line(x, curves["total"], "total", BLUE, width=3),
        ],
        "layout": {"yaxis": {"title": {"text": quote}, "zeroline": True}},
    }


def prices(curves: dict[str, Any], quote: str) -> Figure:
    x = _times(curves["at_ms"])
    stepped = {"shape": "hv"}
    data = [
        _line(x, curves["bid"], "our bid", GREEN, width=1, line=stepped),
        _line(x, curves["ask"], "our ask", RED, width=1, line=stepped),
        _line(x, curves["mid"], "mid without us", GREY, width=1),
    ]
    marks = (("buy", "bought", GREEN, "triangle-up"), ("sell", "sold", RED, "triangle-down"))
    for side, name, colour, symbol in marks:
        fills = curves["fills"][side]
        data.append(
            {
                "x": _times(fills["at_ms"]),
                "y": fills["price"],
                "text": fills["size"],
                "name": name,
                "mode": "markers",
                "marker": {"symbol": symbol, "size": 9, "color": colour},
            }
        )
    return {
        "title": "Quotes and fills on the price",
        "note": "Drag to zoom, double click to return. Shaded: nothing was allowed to rest.",
        "data": data,
        "layout": {
            "height": 440,
            "hovermode": "closest",
            "yaxis": {"title": {"text": quote}},
            "shapes": _shaded(curves),
        },
    }


def _shaded(curves: dict[str, Any]) -> list[Figure]:
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": begin,
            "x1": end,
            "y0": 0,
            "y1": 1,
            "fillcolor": AMBER,
            "opacity": 0.15,
            "line": {"width": 0},
        }
        for begin, end in (_times(each[:2]) for each in curves["held"][:200])
    ]


def inventory(curves: dict[str, Any], base: str) -> Figure:
    x = _times(curves["at_ms"])
    ends = [x[0], x[-1]] if x else []
    data = [_line(x, curves["position"], "position", BLUE, line={"shape": "hv"})]
    most = max((abs(each) for each in curves["position"]), default=0)
    for limit in curves["limits"]:
        if abs(limit) <= 4 * most:  # further away they would hide the path
            data.append(_line(ends, [limit, limit], "limit", RED, line={"dash": "dash"}))
    return {
        "title": "Inventory",
        "note": f"Limits {curves['limits'][0]:g} to {curves['limits'][1]:g} {base}; drawn where "
        "they are near.",
        "data": data,
        "layout": {"yaxis": {"title": {"text": base}}},
    }


def markouts(by_side: dict[str, Any]) -> Figure:
    data = []
    for side, colour in (("both", BLUE), ("buy", GREEN), ("sell", RED)):
        known = {h: at for h, at in by_side[side].items() if at["mean"] is not None}
        data.append(
            {
                "x": list(known),
                "y": [at["mean"] for at in known.values()],
                "text": [f"n {at['n']}" for at in known.values()],
                "error_y": {"array": [at["error"] or 0 for at in known.values()]},
                "name": side,
                "mode": "lines+markers",
                "line": {"color": colour},
            }
        )
    return {
        "title": "Markouts",
        "note": "How far the mid moved in our favour after a fill, from the fill's own price. What "
        "is left of the captured half spread; bars are one standard error.",
        "data": data,
        "layout": {"yaxis": {"title": {"text": "bps"}, "zeroline": True}},
    }


def distances(curves: dict[str, Any]) -> Figure:
    def away(side: str, sign: int) -> list[float | None]:
        return [
            None if price is None else round((mid - price) * sign / mid * 10_000, 4)
            for price, mid in zip(curves[side], curves["mid"], strict=True)
        ]

    x = _times(curves["at_ms"])
    return {
        "title": "Distance of our quotes from the mid, and how much that moved",
        "note": "A gap is a time without that quote; sigma is over the last 60 cycles. Shaded: "
        "nothing was allowed to rest.",
        "data": [
            _line(x, away("bid", 1), "bid", GREEN, width=1),
            _line(x, away("ask", -1), "ask", RED, width=1),
            _line(x, curves["sigma_bps"], "sigma of the mid", AMBER, width=1, yaxis="y2"),
        ],
        "layout": {
            "yaxis": {"title": {"text": "bps"}},
            "yaxis2": {
                "overlaying": "y",
                "side": "right",
                "rangemode": "tozero",
                "title": {"text": "bps per root second"},
                "tickformat": ".2~f",
                "showgrid": False,
            },
            "margin": _TWO_AXES,
            "shapes": _shaded(curves),
        },
    }


def by_distance(buckets: list[dict[str, Any]], quote: str) -> Figure:
    x = [f"{each['from_bps']:.2f} to {each['to_bps']:.2f}" for each in buckets]
    ratios = [each["fill_ratio"] for each in buckets]
    return {
        "title": "What an order's distance did",
        "note": "Orders by their distance from the mid when they were accepted, as many in each.",
        "data": [
            {"x": x, "y": ratios, "name": "filled share", "type": "bar", "marker": {"color": BLUE}},
            {
                "x": x,
                "y": [each["capture"] for each in buckets],
                "name": f"spread captured, {quote}",
                "mode": "lines+markers",
                "yaxis": "y2",
                "line": {"color": GREEN},
            },
        ],
        "layout": {
            "xaxis": {"title": {"text": "bps"}, "type": "category"},
            "yaxis": {"title": {"text": "filled share"}, "rangemode": "tozero"},
            "yaxis2": {
                "overlaying": "y",
                "side": "right",
                "title": {"text": quote},
                "tickformat": ".3~f",
                "showgrid": False,
            },
            "margin": _TWO_AXES,
        },
    }

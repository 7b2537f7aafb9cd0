"""A run as one HTML file that needs nothing else: what was earned, why, and how little it proves.

The pictures are drawn by plotly's own script, which is inside of the file; nothing is fetched.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mm_bot.backtest.metrics import short
from mm_bot.errors import SettingsError

Figure = dict[str, Any]
"""`title`, `note`, `data` and `layout` of one picture."""
GREEN, RED, BLUE, GREY, AMBER = "#1a7f5a", "#c2413b", "#2f6fb3", "#8a94a0", "#d08a1d"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #f5f7f9; margin: 0; }}
main {{ max-width: 1100px; margin: 0 auto; padding: 24px 16px 60px; }}
h1 {{ font-size: 22px; line-height: 1.35; margin: 0 0 12px; }}
h2 {{ font-size: 17px; margin: 0; }}
.note {{ color: #5b6672; font-size: 14px; margin: 2px 0 0; }}
ul.warnings {{ margin: 0 0 20px; padding: 10px 14px 10px 32px; background: #fff6e5;
  border-left: 4px solid #d08a1d; border-radius: 4px; font-size: 14px; }}
.cards {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px;
  margin-bottom: 18px; }}
.card, section {{ background: #fff; border-radius: 8px; box-shadow: 0 1px 3px #0001; }}
.card {{ padding: 10px 14px; }}
.card b {{ display: block; font-size: 20px; font-variant-numeric: tabular-nums; }}
.card span {{ color: #5b6672; font-size: 13px; }}
.good {{ color: #1a7f5a; }} .bad {{ color: #c2413b; }}
section {{ padding: 14px 16px; margin-bottom: 16px; }}
details {{ background: #fff; border-radius: 8px; padding: 10px 16px; font-size: 13px; }}
pre {{ white-space: pre-wrap; word-break: break-word; }}
</style>
<script>{plotly}</script></head>
<body><main>
<h1>{says}</h1>
{warnings}
<div class="cards">{cards}</div>
{sections}
<details><summary>Everything, exactly</summary><pre>{everything}</pre></details>
</main><script>
const figures = {figures};
const wide = {{responsive: true, displaylogo: false}};
figures.forEach((f, i) => Plotly.newPlot("f" + i, f.data, f.layout, wide));
</script></body></html>
"""


def report(made: dict[str, Any], curves: dict[str, Any]) -> str:
    """The page of a result and its series."""
    quote = made["tape"]["market"]["quote"]
    figures = [
        _equity(curves, quote),
        _prices(curves, quote),
        _inventory(curves, made["tape"]["market"]["base"]),
        _markouts(made["markouts_bps"]),
        _distances(curves),
        _by_distance(curves["by_distance"], quote),
    ]
    return page(
        title=f"Backtest of {made['tape']['market']['symbol']}",
        says=made["says"],
        warnings=made["warnings"],
        cards=_cards(made, quote),
        figures=figures,
        everything=made,
    )


def page(
    *,
    title: str,
    says: str,
    warnings: Sequence[str],
    cards: Sequence[tuple[str, str, str]],
    figures: Sequence[Figure],
    everything: dict[str, Any],
) -> str:
    """`cards` are (value, what it is, class of its colour)."""
    sections = "".join(
        f"<section><h2>{html.escape(figure['title'])}</h2>"
        f'<p class="note">{html.escape(figure["note"])}</p><div id="f{i}"></div></section>'
        for i, figure in enumerate(figures)
    )
    listed = "".join(f"<li>{html.escape(each)}</li>" for each in warnings)
    drawn = [{"data": f["data"], "layout": {**_LAYOUT, **f["layout"]}} for f in figures]
    return _PAGE.format(
        title=html.escape(title),
        says=html.escape(says),
        warnings=f'<ul class="warnings">{listed}</ul>' if listed else "",
        cards="".join(
            f'<div class="card"><b class="{colour}">{html.escape(value)}</b>'
            f"<span>{html.escape(what)}</span></div>"
            for value, what, colour in cards
        ),
        sections=sections,
        figures=json.dumps(drawn).replace("</", "<\\/"),
        everything=html.escape(json.dumps(everything, indent=2, sort_keys=True)),
        plotly=_script(),
    )


_LAYOUT: Figure = {
    "height": 360,
    "margin": {"l": 64, "r": 20, "t": 16, "b": 44},
    "paper_bgcolor": "#fff",
    "plot_bgcolor": "#fff",
    "hovermode": "x unified",
    "legend": {"orientation": "h", "y": -0.18},
    "font": {"family": "system-ui, sans-serif", "size": 13},
}


def _script() -> str:
    """plotly.js from the installed package, without importing that."""
    found = find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        raise SettingsError(["plotly is not installed: pip install 'mm-bot[backtest]'"])
    path = Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    return path.read_text().replace("</script", "<\\/script")


def _cards(made: dict[str, Any], quote: str) -> list[tuple[str, str, str]]:
    pnl, fills, quoting = made["pnl"], made["fills"], made["quoting"]

    def money(name: str, what: str) -> tuple[str, str, str]:
        amount = short(pnl[name])
        colour = "bad" if amount.startswith("-") else "good"
        return amount, f"{what}, {quote}", colour

    return [
        money("total", "total"),
        money("spread_capture", "spread captured"),
        money("inventory", "inventory"),
        (short(pnl["fees"]), f"fees, {quote}", ""),
        (short(pnl["max_drawdown"]), f"deepest drawdown, {quote}", ""),
        (str(fills["count"]), f"fills; ratio {fills['fill_ratio']}", ""),
        (_percent(quoting["uptime_both_sides"]), "both sides resting", ""),
        (made["inventory"]["max_abs"] or "0", "largest position", ""),
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"


def _times(at_ms: Sequence[int]) -> list[str]:
    return [
        datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        for at in at_ms
    ]


def _line(x: Sequence[Any], y: Sequence[Any], name: str, colour: str, **more: Any) -> Figure:
    line = {"color": colour, "width": more.pop("width", 1.5), **more.pop("line", {})}
    return {"x": x, "y": y, "name": name, "mode": "lines", "line": line, **more}


def _equity(curves: dict[str, Any], quote: str) -> Figure:
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


def _prices(curves: dict[str, Any], quote: str) -> Figure:
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


def _inventory(curves: dict[str, Any], base: str) -> Figure:
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


def _markouts(by_side: dict[str, Any]) -> Figure:
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


def _distances(curves: dict[str, Any]) -> Figure:
    def away(side: str, sign: int) -> list[float | None]:
        return [
            None if price is None else round((mid - price) * sign / mid * 10_000, 4)
            for price, mid in zip(curves[side], curves["mid"], strict=True)
        ]

    x = _times(curves["at_ms"])
    return {
        "title": "Distance of our quotes from the mid",
        "note": "A gap is a time without that quote. Shaded: nothing was allowed to rest.",
        "data": [
            _line(x, away("bid", 1), "bid", GREEN, width=1),
            _line(x, away("ask", -1), "ask", RED, width=1),
        ],
        "layout": {"yaxis": {"title": {"text": "bps"}}, "shapes": _shaded(curves)},
    }


def _by_distance(buckets: list[dict[str, Any]], quote: str) -> Figure:
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
            "yaxis2": {"overlaying": "y", "side": "right", "title": {"text": quote}},
            "margin": {"l": 64, "r": 64, "t": 16, "b": 60},
        },
    }

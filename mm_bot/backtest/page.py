"""A page of cards and pictures as one HTML file that needs nothing else.

The pictures are drawn by plotly's own script, which is inside of the file; nothing is fetched.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
.facts {{ margin: 0 0 12px; }}
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
{facts}{warnings}
<div class="cards">{cards}</div>
{sections}
<details><summary>Everything, exactly</summary><pre>{everything}</pre></details>
</main><script>
const figures = {figures};
const wide = {{responsive: true, displaylogo: false}};
figures.forEach((f, i) => Plotly.newPlot("f" + i, f.data, f.layout, wide));
</script></body></html>
"""


def page(
    *,
    title: str,
    says: str,
    facts: str = "",
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
        facts=f'<p class="note facts">{html.escape(facts)}</p>\n' if facts else "",
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

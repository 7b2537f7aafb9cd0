"""The parent's pages: all markets at once.

/healthz  200 while the parent runs
/readyz   200 where every market is ready, else 503 with each reason and its market
/metrics  what every market says, each sample with the label `market`, and two of the parent's own
/status   one object a market: its process, and the heart of its own /status
/         the same as a table for people
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterable, Mapping
from typing import Final

import httpx

from mm_bot.fleet.parent import Child
from mm_bot.fleet.summary import HEAD, cells, summary
from mm_bot.observe.http_response import Handler, Response, json_response
from mm_bot.observe.pages import HTML, METRICS_CONTENT_TYPE

ASK_WITHIN_S: Final = 2.0
_SAMPLE: Final = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(\{.*\})?( .+)")
_SUFFIXES: Final = ("_bucket", "_sum", "_count", "_created")
_OWN: Final = (
    ("mm_fleet_up", "gauge", "Whether the market's process runs."),
    ("mm_fleet_restarts_total", "counter", "How often it was started again."),
)


class FleetPages:
    """Of these children, asked at each request."""

    def __init__(self, children: tuple[Child, ...], client: httpx.AsyncClient) -> None:
        self._children = children
        self._client = client

    def routes(self) -> dict[str, Handler]:
        return {
            "/healthz": lambda query: json_response({"status": "ok"}),
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/status": self._status,
            "/": self._page,
        }

    async def markets(self) -> list[dict[str, object]]:
        """One object a market."""
        said = await asyncio.gather(*(self._ask(child, "/status") for child in self._children))
        return [
            {**child.told(), **summary(None if answer is None else answer.json())}
            for child, answer in zip(self._children, said, strict=True)
        ]

    async def _status(self, query: str) -> Response:
        return json_response({"markets": await self.markets()})

    async def _readyz(self, query: str) -> Response:
        reasons = [
            f"{each['market']}: {reason}"
            for each in await self.markets()
            for reason in _reasons(each)
        ]
        status = 503 if reasons else 200
        return json_response({"ready": not reasons, "reasons": reasons}, status)

    async def _metrics(self, query: str) -> Response:
        said = await asyncio.gather(*(self._ask(child, "/metrics") for child in self._children))
        named = [
            (child.market.name, answer.text)
            for child, answer in zip(self._children, said, strict=True)
            if answer is not None
        ]
        body = merged(named) + self._own()
        return Response(body=body.encode(), content_type=METRICS_CONTENT_TYPE)

    def _own(self) -> str:
        lines = []
        for name, kind, about in _OWN:
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
            for child in self._children:
                value = int(child.running) if kind == "gauge" else child.restarts
                lines.append(f'{name}{{market="{child.market.name}"}} {value}')
        return "\n".join(lines) + "\n"

    async def _page(self, query: str) -> Response:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in HEAD)
        rows = "".join(map(_row, await self.markets()))
        return Response(body=_PAGE.format(head=head, rows=rows).encode(), content_type=HTML)

    async def _ask(self, child: Child, path: str) -> httpx.Response | None:
        """None where it does not answer."""
        if not child.running:
            return None
        try:
            return await self._client.get(child.market.url + path)
        except (httpx.HTTPError, OSError):
            return None


def merged(named: Iterable[tuple[str, str]]) -> str:
    """Expositions of several markets as one: each family once, its samples with their market."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for market, text in named:
        family = ""
        for line in text.splitlines():
            if line.startswith(("# HELP ", "# TYPE ")):
                family = line.split(" ", 3)[2]
                known = heads.setdefault(family, [])
                if line not in known and len(known) < 2:
                    known.append(line)
            elif (found := _SAMPLE.fullmatch(line)) is not None:
                name, labels, value = found.groups()
                if not _belongs(name, family):
                    family = name
                inside = f",{labels[1:-1]}" if labels else ""
                told = f'{name}{{market="{market}"{inside}}}{value}'
                samples.setdefault(family, []).append(told)
    return "".join(
        "\n".join([*heads.get(family, []), *lines]) + "\n" for family, lines in samples.items()
    )


def _belongs(name: str, family: str) -> bool:
    return name == family or any(name == family + suffix for suffix in _SUFFIXES)


def _row(each: Mapping[str, object]) -> str:
    """A market's line; on a phone each cell brings its own heading."""
    style = "ready" if each.get("ready") is True else "unready"
    shown = "".join(
        f'<td data-name="{html.escape(name)}">{html.escape(cell)}</td>'
        for name, cell in zip(HEAD, cells(each), strict=True)
        if cell
    )
    return f'<tr class="{style}">{shown}</tr>'


def _reasons(each: Mapping[str, object]) -> list[str]:
    if each.get("ready") is True:
        return []
    found = each.get("reasons")
    if isinstance(found, list) and found:
        return [str(reason) for reason in found]
    return [str(each.get("state"))]


_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5"><title>mm-bot fleet</title><style>
:root{{color-scheme:light dark;--bad:light-dark(#b3261e,#ff8a80)}}
body{{font:15px/1.45 system-ui,sans-serif;margin:12px}} h1{{font-size:20px}}
table{{border-collapse:collapse}} td{{font-variant-numeric:tabular-nums}}
td,th{{padding:4px 12px;text-align:left;border-bottom:1px solid #8886}}
:is(td,th):nth-child(n+4):nth-child(-n+7){{text-align:right}}
.unready td:nth-child(3),.unready td:nth-child(8){{color:var(--bad);font-weight:600}}
@media (max-width:600px){{
tr:first-child{{display:none}} tr{{display:block;padding:8px 0;border-bottom:1px solid #8886}}
table{{width:100%}} td{{display:flex;justify-content:space-between;gap:12px;padding:1px 0;border:0}}
td::before{{content:attr(data-name);opacity:.65;font-weight:400}} td:first-child{{font-weight:600}}
}}
</style></head><body><h1>mm-bot fleet</h1><table><tr>{head}</tr>{rows}</table></body></html>
"""

"""`watch`: `status` as a live table; a bot that does not answer is said so and tried again."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mm_bot.cli.call import Call
from mm_bot.cli.output import Output
from mm_bot.cli.probe import Status, ask, bot_url
from mm_bot.cli.status import STYLES, headlines, tables
from mm_bot.errors import UnreachableError
from mm_bot.observe.render import rounded, to_text

_COLOURS = {"good": "green", "warn": "yellow", "bad": "bold red", "bold": "bold", "dim": "dim"}


def run(call: Call) -> int:
    url = bot_url(call.environment, call.text("url"))
    every_s, times = max(0.1, call.number("every")), int(call.number("times"))
    first = ask(url)  # nothing there at the beginning is a wrong address: that ends it
    if call.output.as_json:
        return _lines(call.output, url, first, every_s, times)
    console = Console()
    with Live(_screen(first, call.output), console=console, auto_refresh=False) as live:
        looks = 1
        while not times or looks < times:
            time.sleep(every_s)
            looks += 1
            try:
                live.update(_screen(ask(url), call.output), refresh=True)
            except UnreachableError as error:
                text = Text(call.output.redactor(str(error)), style="bold red")
                live.update(text, refresh=True)
    return 0


def _lines(output: Output, url: str, status: Status, every_s: float, times: int) -> int:
    looks = 1
    output.json(status)
    while not times or looks < times:
        time.sleep(every_s)
        looks += 1
        try:
            output.json(ask(url))
        except UnreachableError as error:
            output.json({"error": str(error)})
    return 0


def _screen(status: Status, output: Output) -> RenderableType:
    parts: list[RenderableType] = [
        Text(rounded(output.redactor(text)), style=_COLOURS.get(style, ""))
        for text, style in headlines(status)
    ]
    for title, head, rows, right in tables(status):
        if title == "reference candidates" or not rows:
            continue
        table = Table(title=title, title_justify="left", title_style="bold", box=None)
        for name in head:
            table.add_column(name, justify="right" if name in right else "left", style="")
        for row in rows:
            table.add_row(*(_cell(value, output) for value in row))
        parts.append(table)
    return Group(*parts)


def _cell(value: object, output: Output) -> Text:
    text = "-" if value is None or value == "" else rounded(output.redactor(to_text(value)))
    return Text(text, style=_COLOURS.get(STYLES.get(text, ""), ""))

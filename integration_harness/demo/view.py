"""The live table: one column a market, what a person wants to see of a market maker.

It fits a terminal of 80 columns with two markets.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


def screen(
    statuses: dict[str, dict[str, Any]],
    *,
    feed: Decimal,
    elapsed_s: float,
    length_s: float | None,
    takers: int,
) -> RenderableType:
    """Everything at this moment."""
    table = Table(expand=False, pad_edge=False, box=None, padding=(0, 1))
    table.add_column("", style="dim")
    for market in statuses:
        table.add_column(market, justify="right", width=31)
    for name, cell in _ROWS.items():
        table.add_row(name, *(cell(status) for status in statuses.values()))
    left = f" of {length_s:.0f} s" if length_s else " s, Ctrl-C ends it"
    head = Text.assemble(
        ("feed ", "dim"),
        (f"{money(str(feed))} cNGN", "bold"),
        ("  takers' orders ", "dim"),
        str(takers),
        ("  running ", "dim"),
        f"{elapsed_s:.0f}{left}",
    )
    return Panel(Group(head, Text(), table), title="mm-bot on the local exchange", expand=False)


def _reference(status: dict[str, Any]) -> Text:
    reference = status.get("reference") or {}
    price = reference.get("price")
    if price is None:
        return Text("none", style="red")
    return Text.assemble((money(price), "bold"), (f"  {reference['source']}", "dim"))


def _quotes(side: str) -> Any:
    colour = "green" if side == "buy" else "magenta"

    def cell(status: dict[str, Any]) -> Text:
        orders = [o for o in status.get("live", []) if o["side"] == side]
        orders.sort(key=lambda o: Decimal(o["price"]), reverse=True)  # as a book is read
        if not orders:
            gaps = [m["reason"] for m in status.get("missing", []) if m["side"] == side]
            return Text(gaps[0] if gaps else "none", style="yellow")
        shown = (f"{money(o['size'], 3)} at {money(o['price'])}" for o in orders)
        return Text("\n".join(shown), style=colour)

    return cell


def _spread(status: dict[str, Any]) -> str:
    bids = [Decimal(o["price"]) for o in status.get("live", []) if o["side"] == "buy"]
    asks = [Decimal(o["price"]) for o in status.get("live", []) if o["side"] == "sell"]
    if not bids or not asks:
        return "-"
    bid, ask = max(bids), min(asks)
    return f"{(ask - bid) / (ask + bid) * 20_000:.1f} bps"


def _inventory(status: dict[str, Any]) -> str:
    base = (status.get("balances") or {}).get("base", {})
    return money(base["total"], 3) if base else "-"


def _fills(status: dict[str, Any]) -> str:
    result = status.get("result") or {}
    return f"{result.get('fills_buy', 0)} bought, {result.get('fills_sell', 0)} sold"


def _result(name: str) -> Any:
    def cell(status: dict[str, Any]) -> Text:
        value = (status.get("result") or {}).get(name)
        if value is None:
            return Text("-")
        return Text(f"{money(value)} cNGN", style="red" if value.startswith("-") else "green")

    return cell


def _requotes(status: dict[str, Any]) -> str:
    totals = status.get("totals") or {}
    return f"{totals.get('placed', 0)} placed, {totals.get('cancels', 0)} cancelled"


def _halts(status: dict[str, Any]) -> Text:
    if not status:
        return Text("starting", style="yellow")
    halts = [halt["reason"] for halt in status.get("halts", [])]
    return Text("\n".join(halts), style="red bold") if halts else Text("none", style="green")


_ROWS: dict[str, Any] = {
    "reference": _reference,
    "asks": _quotes("sell"),
    "bids": _quotes("buy"),
    "spread": _spread,
    "inventory": _inventory,
    "fills": _fills,
    "orders": _requotes,
    "realised": _result("realised_cngn"),
    "unrealised": _result("unrealised_cngn"),
    "halts": _halts,
}


def money(text: str, digits: int = 2) -> str:
    """For the eye: grouped, with a few digits."""
    return f"{Decimal(text):,.{digits}f}"

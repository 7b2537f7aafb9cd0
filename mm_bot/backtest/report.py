"""A run as one HTML file: what was earned, why, and how little it proves."""

from __future__ import annotations

from typing import Any

from mm_bot.backtest import figures
from mm_bot.backtest.metrics import short
from mm_bot.backtest.page import page


def report(made: dict[str, Any], curves: dict[str, Any]) -> str:
    """The page of a result and its series."""
    quote = made["tape"]["market"]["quote"]
    drawn = [
        figures.equity(curves, quote),
        figures.prices(curves, quote),
        figures.inventory(curves, made["tape"]["market"]["base"]),
        figures.markouts(made["markouts_bps"]),
        figures.distances(curves),
        figures.by_distance(curves["by_distance"], quote),
    ]
    return page(
        title=f"Backtest of {made['tape']['market']['symbol']}",
        says=made["says"],
        facts=made["facts"],
        warnings=made["warnings"],
        cards=_cards(made, quote),
        figures=drawn,
        everything=made,
    )


def _cards(made: dict[str, Any], quote: str) -> list[tuple[str, str, str]]:
    pnl, fills, quoting = made["pnl"], made["fills"], made["quoting"]

    def money(name: str, what: str) -> tuple[str, str, str]:
        amount = short(pnl[name])
        colour = "bad" if amount.startswith("-") else "good"
        return amount, f"{what}, {quote}", colour

    held = made["inventory"]
    at = made["markouts_bps"]["both"]["5s"]
    stopped = sum(quoting["held_seconds"].values())
    halts = sum(quoting["halts"].values())
    return [
        money("total", "total"),
        money("spread_capture", "spread captured"),
        money("inventory", "inventory"),
        (short(pnl["fees"]), f"fees, {quote}", ""),
        (short(pnl["max_drawdown"]), f"deepest drawdown, {quote}", ""),
        (_text(at["mean"]), f"markout at 5 s, bps; +- {_text(at['error'])}", ""),
        (str(fills["count"]), f"fills; ratio {_text(fills['fill_ratio'])}", ""),
        (
            _percent(quoting["uptime_both_sides"]),
            f"both sides within {quoting['near_bps']} bps",
            "",
        ),
        (held["max_abs"], f"largest position; limits {' to '.join(held['limits'])}", ""),
        (_percent(held["share_at_a_limit"]), "at a limit", ""),
        (_seconds(held["half_life_seconds"]), "half-life of the inventory", ""),
        (f"{stopped:g} s", f"nothing allowed to rest, {halts} halt{'' if halts == 1 else 's'}", ""),
        (f"{sum(quoting['guard_seconds'].values()):g} s", "a guard took a side away", ""),
        (_text(pnl["per_volume_bps"]), "result by volume, bps", ""),
    ]


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g} s"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"

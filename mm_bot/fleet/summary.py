"""The heart of one market's `/status`, as the fleet's table, page and JSON have it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from mm_bot.observe.render import rounded

HEAD: Final = ("market", "process", "ready", "reference", "bid", "ask", "position", "why not")
_BETTER: Final = {"buy": max, "sell": min}


def summary(status: Mapping[str, object] | None) -> dict[str, object]:
    """What of a market's `/status` is worth a line; of None, that it does not answer."""
    if status is None:
        return {"ready": False, "reasons": ["its pages do not answer"]}
    reasons = status.get("not_ready_because")
    reference = _members(status.get("reference"))
    base = _members(_members(status.get("balances")).get("base"))
    return {
        "ready": status.get("ready") is True,
        "reasons": reasons if isinstance(reasons, list) else [],
        "reference": reference.get("price"),
        "bid": _best(status, "buy"),
        "ask": _best(status, "sell"),
        "position": base.get("total"),
        "cycle": status.get("cycle"),
    }


def cells(each: Mapping[str, object]) -> tuple[str, ...]:
    """A line of the table, in the order of `HEAD`."""
    reasons = each.get("reasons")
    told = ", ".join(map(str, reasons)) if isinstance(reasons, list) else ""
    process = str(each.get("state", "?"))
    if each.get("restarts"):
        process += f", {each['restarts']} restarts"
    return (
        str(each.get("market")),
        process,
        "yes" if each.get("ready") else "NO",
        *(_shown(each.get(name)) for name in ("reference", "bid", "ask", "position")),
        told,
    )


def _best(status: Mapping[str, object], side: str) -> str | None:
    """The best price that rests on a side."""
    live = status.get("live")
    prices = [
        str(_members(each)["price"])
        for each in (live if isinstance(live, list) else [])
        if _members(each).get("side") == side
    ]
    if not prices:
        return None
    return str(_BETTER[side](prices, key=Decimal))


def _shown(value: object) -> str:
    return "-" if value is None else rounded(str(value))


def _members(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}

"""`status`: what a running bot does and why, from its `/status`. Exit 0 also where it is halted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mm_bot.cli.call import Call
from mm_bot.cli.output import Output
from mm_bot.cli.probe import Status, ask, bot_url, entries, members

STYLES = {"buy": "good", "sell": "warn", "yes": "good"}
Table = tuple[str, Sequence[str], list[list[object]], Sequence[str]]
"""Title, head, rows, and the columns that are aligned to the right."""


def run(call: Call) -> int:
    status = ask(bot_url(call.environment, call.text("url")))
    if call.output.as_json:
        call.output.json(status)
    else:
        show(call.output, status)
    return 0


def show(output: Output, status: Status) -> None:
    """All of it, for people."""
    for text, style in headlines(status):
        output.line(text, style)
    for title, head, rows, right in tables(status):
        output.line()
        output.line(title, "bold")
        if rows:
            output.table(head, rows, styles=STYLES, right=right)
        else:
            output.line("  none", "dim")


def headlines(status: Status) -> Iterator[tuple[str, str]]:
    """The few lines that matter first, each with its style."""
    chain = f"  chain {status['chain_id']}" if status.get("chain_id") else ""
    yield f"{status.get('market')}{chain}  subaccount {status.get('subaccount_id')}", "bold"
    yield f"owner {status.get('owner')}", "dim"
    mode = f"mode {status.get('mode', 'unknown')}"
    control = members(status.get("control"))
    if control.get("mode_from") == "control file":
        mode += " (control file)"
    if status.get("dry_run"):
        mode += ", dry run: nothing is sent"
    if members(status.get("lock")).get("held") is False:
        mode += ", the one-writer lock is lost"
    state = "ready" if status.get("ready") else "NOT READY"
    yield f"{state}  {mode}  {_cycle(status)}", "good" if status.get("ready") else "bad"
    events = members(status.get("events"))
    if events.get("source") == "poll" and status.get("cycle"):
        yield f"  no events, the poll alone: {events.get('why')}", "bad"
    blocks = members(status.get("blocks"))
    if blocks.get("source") == "poll":
        yield f"  no word of new blocks, the poll alone: {blocks.get('why')}", "bad"
    for name, stream in members(status.get("price_streams")).items():
        if members(stream).get("up") is False:
            yield f"  price stream {name} is lost: {members(stream).get('why')}", "bad"
    reasons = status.get("not_ready_because")
    for reason in reasons if isinstance(reasons, list) else []:
        yield f"  not ready: {reason}", "bad"
    for halt in entries(status.get("halts")):
        numbers = f" ({halt['numbers']})" if halt.get("numbers") else ""
        yield f"  halted: {halt['reason']}{numbers}", "bad"
        yield f"    ends when {halt['ends_when']}", ""
    if control.get("problem"):
        yield f"  operator mode file: {control['problem']}", "warn"
    reference = members(status.get("reference"))
    if reference:
        price = reference.get("price") or "none"
        yield f"reference {price}: {reference.get('means')}", "bold"


def tables(status: Status) -> Iterator[Table]:
    """Every table; a quiet one is left out where that says nothing."""
    if "wanted" not in status:
        return
    reference = members(status.get("reference"))
    yield (
        "reference candidates",
        ("source", "price", "chosen", "why not"),
        _rows(reference.get("candidates"), "source", "price", "chosen", "why_not"),
        ("price",),
    )
    yield (
        "wanted quotes and what holds them",
        ("side", "level", "price", "size", "order", "state"),
        _rows(status.get("wanted"), "side", "level", "price", "size", "order_id", "state"),
        ("price", "size"),
    )
    for name, title in (("missing", "not quoted"), ("unknown", "unknown outcomes")):
        rows = _GAPS[name](status.get(name))
        if rows:
            yield title, _HEADS[name], rows, ()
    yield (
        "balances",
        ("", "total", "reserved", "available", "for quotes"),
        [
            [name, *(each.get(k) for k in ("total", "reserved", "available", "for_replacements"))]
            for name, value in members(status.get("balances")).items()
            for each in (members(value),)
        ],
        ("total", "reserved", "available", "for quotes"),
    )
    yield (
        "limits",
        ("limit", "now", "allowed", "left", "unit"),
        _rows(status.get("limits"), "name", "value", "limit", "left", "unit"),
        ("now", "allowed", "left"),
    )
    yield (
        "sources",
        ("source", "age ms", "limit ms", "error"),
        [
            [name, *(members(value).get(key) for key in ("age_ms", "limit_ms", "error"))]
            for name, value in members(status.get("sources")).items()
        ],
        ("age ms", "limit ms"),
    )
    yield from _history(status)


def _history(status: Status) -> Iterator[Table]:
    last = members(status.get("last_reconciliation"))
    rows: list[list[object]] = []
    for name, why in (("cancels", "reason"), ("places", "detail"), ("kept", ""), ("held", "means")):
        for each in entries(last.get(name)):
            outcome = each.get("outcome") or each.get("guard")
            rows.append([name, each.get("order_id"), outcome, each.get(why) if why else ""])
    if rows:
        title = f"last reconciliation, {_ago(last.get('age_ms'))}"
        yield title, ("what", "order", "outcome", "why"), rows, ()
    fills = _rows(
        status.get("recent_fills"), "trade_id", "side", "price", "size", "age_ms", "captured_bps"
    )
    if fills:
        head = ("trade", "side", "price", "size", "age ms", "captured bps")
        yield "recent fills", head, fills, ("price", "size", "age ms", "captured bps")
    liability = members(status.get("signed_liability"))
    shown = list(_result(members(status.get("result")), str(status.get("quote") or "")))
    shown += [[f"signed, unexpired {side}", size, ""] for side, size in liability.items()]
    yield "result since the state file began", ("", "amount", "unit"), shown, ("amount",)


def _result(result: Mapping[str, object], quote: str) -> Iterator[list[object]]:
    """What is known of it. Of the names that end with a unit the market's own is told."""
    for name, value in result.items():
        if isinstance(value, Mapping):
            yield from (
                [f"of it {each.replace('_', ' ')}", v, quote] for each, v in value.items() if v
            )
        elif value is not None:
            unit = quote if name.endswith("_cngn") else ""
            yield [name.removesuffix("_cngn").replace("_", " "), value, unit]


def _missing_rows(value: object) -> list[list[object]]:
    return [
        [
            each.get("side"),
            "all" if each.get("level") is None else each.get("level"),
            each.get("reason"),
            "; ".join(str(each[key]) for key in ("numbers", "means") if each.get(key)),
        ]
        for each in entries(value)
    ]


def _unknown_rows(value: object) -> list[list[object]]:
    return _rows(value, "side", "price", "order_id", "age_ms")


_HEADS = {
    "missing": ("side", "level", "reason", "numbers and meaning"),
    "unknown": ("side", "price", "order", "age ms"),
}
_GAPS = {"missing": _missing_rows, "unknown": _unknown_rows}


def _rows(value: object, *keys: str) -> list[list[object]]:
    return [[each.get(key) for key in keys] for each in entries(value)]


def _cycle(status: Mapping[str, object]) -> str:
    cycle = members(status.get("cycle"))
    if not cycle:
        return ""
    ago = _ago(cycle.get("age_ms"))
    return f"cycle {cycle.get('number')}, {ago}, took {cycle.get('took_ms')} ms"


def _ago(age_ms: object) -> str:
    return f"{age_ms / 1000:.1f} s ago" if isinstance(age_ms, int) else "at an unknown time"

"""`fleet`: many markets from one file, one process each (`mm_bot/fleet`).

    mm-bot fleet [FILE]          start them all and supervise them until a signal
    mm-bot fleet status [FILE]   one table of all
    mm-bot fleet check [FILE]    budgets added up, then `mm-bot check` of each market
    mm-bot fleet render [FILE]   Kubernetes manifests, one Deployment a market

FILE is `fleet.toml` by default. Where that is not there and the environment has TICKERS, the fleet
is what the environment says (`mm_bot/fleet/tickers.py`). Exit codes are those of a bot; 5 where
after a stop orders of any market may still be live.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from mm_bot.cli.call import Call
from mm_bot.cli.probe import Status, ask, ask_if_there, entries, members
from mm_bot.errors import IdentityError, SettingsError, UnreachableError
from mm_bot.fleet.plan import DEFAULT_FILE, Fleet, Market, read_file
from mm_bot.fleet.tickers import TICKERS, read_tickers
from mm_bot.settings import load, secrets

ACTIONS: Final = ("run", "status", "check", "render")
_FOLDER: Final = Path("fleet")
_AT_ONCE: Final = 4
_WORST_FIRST: Final = (
    SettingsError.exit_code,
    UnreachableError.exit_code,
    IdentityError.exit_code,
)


def run(call: Call) -> int:
    action, fleet = _asked(call)
    if action == "status":
        return _status(call, fleet)
    if action == "render":
        return _render(call, fleet)
    try:
        fleet.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fault = f"{fleet.folder}: cannot be made: {error.strerror}; give another fleet.folder"
        raise SettingsError([fault]) from None
    faults = [*_faults(fleet)]
    if faults:
        raise SettingsError(faults)
    return asyncio.run(_check(call, fleet)) if action == "check" else _supervise(call, fleet)


def _asked(call: Call) -> tuple[str, Fleet]:
    words = list(call.arguments.words)
    action = words.pop(0) if words and words[0] in ACTIONS else "run"
    if len(words) > 1:
        raise SettingsError([f"fleet {' '.join(words)!r}: give one action and one file"])
    path = Path(words[0]) if words else DEFAULT_FILE
    if not words and not path.exists() and call.environment.get(TICKERS):
        fleet = read_tickers(call.environment, _FOLDER)
    else:
        fleet = read_file(path, call.environment)
    for market in fleet.markets:
        for secret in secrets(market.environment):
            call.output.redactor.add(secret)
    return action, fleet


def _faults(fleet: Fleet) -> Iterator[str]:
    """What is wrong with any market, and what two of them must not have in common."""
    seen: dict[tuple[str, object], str] = {}
    for market in fleet.markets:
        try:
            settings = load(market.environment)
        except SettingsError as error:
            yield from (f"{market.name}: {fault}" for fault in error.faults)
            continue
        account = (settings.venue, settings.owner_address, settings.subaccount_id)
        for what, value in (
            ("the same market and account", (account, settings.market_symbol)),
            ("MM_METRICS_ADDR", settings.metrics_addr),
            ("MM_STATE_FILE", settings.state_file.absolute()),
        ):
            other = seen.setdefault((what, value), market.name)
            if other != market.name:
                yield f"{market.name}: {what} as {other}; give each market its own"


def _supervise(call: Call, fleet: Fleet) -> int:
    from mm_bot.fleet.service import serve
    from mm_bot.host.process import run_process

    return run_process(
        lambda log: serve(fleet, log),
        log_level="INFO",
        secrets=[text for market in fleet.markets for text in secrets(market.environment)],
        as_json=True if call.output.as_json else None,
    )


def _status(call: Call, fleet: Fleet) -> int:
    from mm_bot.fleet.summary import HEAD, cells, summary

    try:
        told = _asked_parent(fleet)
        head = f"parent at {fleet.url}"
    except UnreachableError:
        told = [
            {
                "market": market.name,
                "state": "running" if status else "not running",
                **summary(status),
            }
            for market in fleet.markets
            for status in (ask_if_there(market.url),)
        ]
        head = f"no parent at {fleet.url}: each market asked by itself"
    if call.output.as_json:
        call.output.json({"markets": told})
        return 0
    call.output.line(head, "bold")
    styles = {"yes": "good", "NO": "bad"}
    right = ("reference", "bid", "ask", "position")
    call.output.table(HEAD, (cells(each) for each in told), styles=styles, right=right)
    return 0


def _asked_parent(fleet: Fleet) -> list[Status]:
    return entries(ask(fleet.url, needed="markets").get("markets"))


def _render(call: Call, fleet: Fleet) -> int:
    from mm_bot.fleet.manifests import render

    folder = Path(call.text("out") or "")
    done = render(fleet, folder, Path(call.text("base") or ""))
    if call.output.as_json:
        rows = [
            {"market": r.market, "namespace": r.namespace, "secrets": list(r.secrets)} for r in done
        ]
        call.output.json({"folder": str(folder), "markets": rows})
        return 0
    call.output.table(
        ("market", "namespace", "into its Secret mm-bot-urls"),
        ((r.market, r.namespace, ", ".join(r.secrets)) for r in done),
    )
    call.output.line(f"kubectl apply -k {folder}", "good")
    return 0


def _unshared(fleet: Fleet) -> Iterator[str]:
    """Markets of one owner on one exchange that share no budget, though its limits hold for all."""
    owners: dict[tuple[str, str], list[str]] = {}
    for market in fleet.markets:
        settings = load(market.environment)
        owners.setdefault((settings.venue, settings.owner_address), []).append(market.name)
    for (venue, owner), names in owners.items():
        if len(names) > 1 and not any(set(names) <= set(b.markets) for b in fleet.budgets):
            yield f"{', '.join(names)}: one owner on {venue} ({owner}), and no [[budget]] for all"


async def _check(call: Call, fleet: Fleet) -> int:
    notes = list(_unshared(fleet))
    turns = asyncio.Semaphore(_AT_ONCE)
    found = await asyncio.gather(*(_checked(market, turns) for market in fleet.markets))
    codes = {code for code, _ in found}
    worst = next((code for code in _WORST_FIRST if code in codes), max(codes))
    budgets = [(b, [m for m in fleet.markets if m.name in b.markets]) for b in fleet.budgets]
    sums = {b.name: sum(int(m.own[b.variable]) for m in sharing) for b, sharing in budgets}
    if call.output.as_json:
        call.output.json(
            {
                "exit_code": worst,
                "notes": notes,
                "budgets": [
                    {"name": b.name, "used": sums[b.name], "total": b.total} for b in fleet.budgets
                ],
                "markets": [
                    {"market": m.name, "exit_code": code, "failed": failed}
                    for m, (code, failed) in zip(fleet.markets, found, strict=True)
                ],
            }
        )
        return worst
    output = call.output
    for note in notes:
        output.line(f"note: {note}", "warn")
    for budget, sharing in budgets:
        parts = ", ".join(f"{m.name} {m.own[budget.variable]}" for m in sharing)
        output.line(f"budget {budget.name}: {sums[budget.name]} of {budget.total} ({parts})")
    output.table(
        ("market", "result", "failed"),
        (
            (m.name, "ok" if code == 0 else "FAILED", "; ".join(failed))
            for m, (code, failed) in zip(fleet.markets, found, strict=True)
        ),
        styles={"ok": "good", "FAILED": "bad"},
    )
    return worst


async def _checked(market: Market, turns: asyncio.Semaphore) -> tuple[int, list[str]]:
    """The exit code of `mm-bot check` there, and what failed."""
    async with turns:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mm_bot", "check", "--json"),
            env=dict(market.environment),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said, _ = await process.communicate()
    code = process.returncode or 0
    try:
        checks = entries(members(orjson.loads(said)).get("checks"))
    except ValueError:
        return code or 1, ["its check said nothing"]
    failed = [f"{c['check']}: {c['detail']}" for c in checks if c.get("result") == "failed"]
    return code, failed

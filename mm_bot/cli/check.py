"""`check`: everything a start depends on, each by itself, as one table. Nothing is sent.

A fault in the settings ends it before anything is contacted, as at the bot's own start. After that
every line is tried, whatever else failed; one that needs what is missing is `skipped`. The exit
code is that of the worst: 2 settings, else 4 something does not answer, else 3 identity or
permission, else 0. What is worth a look but stops nothing is a `note`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

from mm_bot import strategies
from mm_bot.app.anchors import build_anchors
from mm_bot.app.strategy import strategy_of
from mm_bot.cli.call import Call
from mm_bot.cli.reach import commanding, in_time, now_ms
from mm_bot.clock import SystemClock
from mm_bot.core.policy import Policy
from mm_bot.errors import EdgeError, IdentityError, SettingsError, UnreachableError
from mm_bot.observe.declared_fit import declared_faults
from mm_bot.settings import Settings, load
from mm_bot.settings.market_fit import market_faults
from mm_bot.venues.base import LiveVenue
from mm_bot.venues.checks import Check, Checks, Result

STYLES = {"ok": "good", "note": "warn", "FAILED": "bad", "skipped": "dim"}
_WORST_FIRST = (SettingsError.exit_code, UnreachableError.exit_code, IdentityError.exit_code)


def run(call: Call) -> int:
    checks = Checks()
    try:
        settings = load(call.environment)
    except SettingsError as error:
        for fault in error.faults:
            checks.unfit("settings", fault.split(" ", 1)[0], [fault])
        return _report(call, checks.found)
    count = sum(each.origin == "environment" for each in settings.effective())
    checks.ok("settings", "variables", f"{count} set, all valid together")
    for warning in settings.warnings:
        checks.note("settings", warning.split(" ", 1)[0], warning)
    # What this imports is only needed now.
    from mm_bot.cli.check_here import check_here

    check_here(settings, checks)
    asyncio.run(_check_outside(settings, checks, call.number("timeout")))
    return _report(call, checks.found)


async def _check_outside(settings: Settings, checks: Checks, timeout_s: float) -> None:
    async with commanding(settings, timeout_s) as venue:
        market = await venue.check(checks)
        if market is None:
            return
        policy = settings.policy(market)
        faults = list(market_faults(policy, market))
        if faults:
            checks.unfit("market", "sizes", faults)
        faults = list(_strategy_faults(policy))
        if faults:
            checks.unfit("settings", "MM_STRATEGY", faults)
        await _check_anchors(settings, venue, checks)


def _strategy_faults(policy: Policy) -> Iterator[str]:
    try:
        yield from declared_faults(strategies.declared(strategy_of(policy)))
    except SettingsError as error:
        yield from error.faults


async def _check_anchors(settings: Settings, venue: LiveVenue, checks: Checks) -> None:
    async with AsyncExitStack() as cleanup:
        pair = build_anchors(settings, venue.instrument, venue.eth_call, SystemClock(), cleanup)
        for name, runner in zip(("anchor", "bootstrap anchor"), pair, strict=True):
            if runner is None:
                checks.skipped("anchor", name, "off")
                continue
            runner.start()
            cleanup.push_async_callback(runner.aclose)
            try:
                quote = await in_time(runner.first_reading(5_000), 6.0, name)
            except EdgeError as error:
                checks.note("anchor", name, str(error))
                continue
            if quote.price is None:
                why = quote.error or "too slow"
                checks.note("anchor", name, f"{quote.source}: no price: {why}")
            else:
                age_s = None if quote.as_of_ms is None else (now_ms() - quote.as_of_ms) // 1000
                age = "" if age_s is None else f", {age_s} s old"
                checks.ok("anchor", name, f"{quote.price} from {quote.source}{age}")


def exit_code(checks: list[Check]) -> int:
    """The worst of what failed; 0 where nothing did."""
    codes = {check.code for check in checks if check.result is Result.FAILED}
    return next((code for code in _WORST_FIRST if code in codes), 0)


def _report(call: Call, checks: list[Check]) -> int:
    found = sorted(checks, key=lambda line: AREAS.index(line.area))
    code = exit_code(found)
    failed = sum(line.result is Result.FAILED for line in found)
    notes = sum(line.result is Result.NOTE for line in found)
    output = call.output
    if output.as_json:
        output.json(
            {
                "passed": code == 0,
                "exit_code": code,
                "checks": [
                    {
                        "area": line.area,
                        "check": line.name,
                        "result": line.result.value.lower(),
                        "detail": line.detail,
                    }
                    for line in found
                ],
            }
        )
        return code
    output.table(
        ("area", "check", "result", "detail"),
        (_row(line) for line in found),
        styles=STYLES,
    )
    passed = sum(line.result is Result.OK for line in found)
    noted = "1 note" if notes == 1 else f"{notes} notes"
    output.line(f"{passed} ok, {noted}, {failed} failed", "bad" if code else "good")
    return code


def _row(line: Check) -> tuple[str, str, str, str]:
    """What a name takes of the line, its detail cannot have: an address goes there, and a variable
    is named once."""
    name, detail = line.name, line.detail
    if line.area == "settings":
        detail = detail.removeprefix(f"{name} ")
    elif name.startswith("0x"):
        name, detail = "signing key", f"{name} {detail}"
    return line.area, name, line.result.value, detail


AREAS = ("settings", "here", "keys", "API", "node", "contracts", "Postgres", "market", "anchor")
"""In the order in which they are shown."""

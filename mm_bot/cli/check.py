"""`check`: everything a start depends on, each by itself, as one table. Nothing is sent.

A fault in the settings ends it before anything is contacted, as at the bot's own start. After that
every line is tried, whatever else failed; one that needs what is missing is `skipped`. The exit
code is that of the worst: 2 settings, else 4 something does not answer, else 3 identity or
permission, else 0. What is worth a look but stops nothing is a `note`.
"""

from __future__ import annotations

import asyncio

from mm_bot.cli.call import Call
from mm_bot.cli.check_lines import Line, Lines, Result
from mm_bot.errors import IdentityError, SettingsError, UnreachableError
from mm_bot.settings import load

STYLES = {"ok": "good", "note": "warn", "FAILED": "bad", "skipped": "dim"}
_WORST_FIRST = (SettingsError.exit_code, UnreachableError.exit_code, IdentityError.exit_code)


def run(call: Call) -> int:
    lines = Lines()
    try:
        settings = load(call.environment)
    except SettingsError as error:
        for fault in error.faults:
            lines.failed("settings", fault.split(" ", 1)[0], fault, SettingsError.exit_code)
        return _report(call, lines)
    count = sum(each.origin == "environment" for each in settings.effective())
    lines.ok("settings", "variables", f"{count} set, all valid together")
    for warning in settings.warnings:
        lines.note("settings", warning.split(" ", 1)[0], warning)
    # What these import is only needed now.
    from mm_bot.cli.check_exchange import check_exchange
    from mm_bot.cli.check_here import check_here

    check_here(settings, lines)
    asyncio.run(check_exchange(settings, lines, call.number("timeout")))
    return _report(call, lines)


def exit_code(lines: list[Line]) -> int:
    """The worst of what failed; 0 where nothing did."""
    codes = {line.code for line in lines if line.result is Result.FAILED}
    return next((code for code in _WORST_FIRST if code in codes), 0)


def _report(call: Call, lines: Lines) -> int:
    found = sorted(lines.found, key=lambda line: AREAS.index(line.area))
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
                        "check": line.check,
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
        ((line.area, line.check, line.result.value, line.detail) for line in found),
        styles=STYLES,
    )
    passed = sum(line.result is Result.OK for line in found)
    output.line(f"{passed} ok, {notes} notes, {failed} failed", "bad" if code else "good")
    return code


AREAS = ("settings", "here", "keys", "API", "node", "contracts", "Postgres", "market", "anchor")
"""In the order in which they are shown."""

"""`config`: every variable, its value in force and where that comes from. Connects to nothing."""

from __future__ import annotations

from mm_bot.cli.call import Call
from mm_bot.errors import SettingsError
from mm_bot.settings import effective as effective_values
from mm_bot.settings import load


def run(call: Call) -> int:
    """Exit 2 where the settings have faults, which are listed beside the values."""
    faults: list[str] = []
    warnings: tuple[str, ...] = ()
    try:
        settings = load(call.environment)
        effective, warnings = settings.effective(), settings.warnings
    except SettingsError as error:
        faults = error.faults
        effective = effective_values(call.environment)
    chosen = [e for e in effective if e.origin != "default" or not call.flag("set")]
    output = call.output
    if output.as_json:
        output.json(
            {
                "settings": [e._asdict() for e in chosen],
                "warnings": warnings,
                "faults": faults,
            }
        )
    else:
        output.table(
            ("variable", "value", "origin"),
            ((e.name, e.value, e.origin) for e in chosen),
            styles={"environment": "good", ".env": "good", "default": "dim"},
        )
        for warning in warnings:
            output.line(f"note: {warning}", "warn")
        for fault in faults:
            output.line(f"fault: {fault}", "bad")
    return SettingsError.exit_code if faults else 0

"""What a run is told: the command line and the MM_INT_* variables.

Every fault is listed at once, each with the variable's name and what would be valid.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from integration_harness.foreign import TAKER_NAMES
from integration_harness.registry import KINDS, Kind
from integration_harness.variables import Reading, Variables
from integration_harness.waiting import Limits

_POLL_MS: Final = 250
_LOCAL_POLL_MS: Final = 20
"""Nobody else is bothered there."""
_QUICK_SEED: Final = 1


class _Run(Variables):
    """MM_INT_*: how a run goes."""

    scenario: str = ""
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120
    poll_interval_ms: Annotated[int, Field(ge=10)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run."""

    stack: Literal["local", "env"]
    scenarios: tuple[str, ...]
    everything: bool
    """Scenarios that cannot run on this stack are left out, not failed."""
    quick: bool
    rounds: int
    """How many times a scenario's own number of rounds."""
    kinds: tuple[Kind, ...] | None
    levels: tuple[int, ...] | None
    seed: int
    limits: Limits
    logs: Path | None


def read_options(
    arguments: Sequence[str], environment: Mapping[str, str], known: Sequence[str]
) -> Options:
    """The run that command line and environment ask for; ends the process where they make none."""
    parser = _parser(known)
    given = parser.parse_args(arguments)
    reading = Reading(environment)
    run = reading.read(_Run, "MM_INT_")
    reading.look_for_unknown("MM_INT_", *_Run.names("MM_INT_").values(), *TAKER_NAMES)
    if reading.faults or run is None:
        parser.error("\n  ".join(reading.faults))
    names = given.scenario or run.scenario.replace(",", " ").split()
    if not names:
        parser.error("name a scenario or `all`, or set MM_INT_SCENARIO")
    poll_ms = run.poll_interval_ms or (_LOCAL_POLL_MS if given.stack == "local" else _POLL_MS)
    everything = "all" in names
    if everything:
        names = list(known)
    unknown = sorted(set(names) - set(known))
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are: {', '.join(known)}")
    return Options(
        stack=given.stack,
        scenarios=tuple(dict.fromkeys(names)),
        everything=everything,
        quick=given.quick,
        rounds=given.rounds,
        kinds=(given.market,) if given.market else None,
        levels=(given.levels,) if given.levels else None,
        seed=_seed(given.seed, quick=given.quick),
        limits=Limits(timeout_seconds=run.timeout_seconds, poll_seconds=poll_ms / 1000),
        logs=given.logs,
    )


def _seed(given: int | None, *, quick: bool) -> int:
    if given is not None:
        return given
    return _QUICK_SEED if quick else secrets.randbelow(10**6)


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("give a whole number above 0")
    return value


def _parser(known: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mm-bot-integration",
        description="Run live scenarios against a real exchange stack.",
        epilog=f"Scenarios: {', '.join(known)}.",
    )
    parser.add_argument("scenario", nargs="*", help="names, or `all`; else MM_INT_SCENARIO")
    parser.add_argument(
        "--stack",
        choices=("local", "env"),
        default="local",
        help="an embedded exchange (default), or the one of MM_* and MM_INT_*",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one market and depth each, few rounds, short times"
    )
    parser.add_argument(
        "--rounds", type=_whole, default=1, help="so many times the rounds of each scenario"
    )
    parser.add_argument("--market", choices=KINDS, help="only on this kind (local stack)")
    parser.add_argument("--levels", type=_whole, help="only with so many levels")
    parser.add_argument("--seed", type=int, help="of everything random; a full run draws one")
    parser.add_argument("--logs", type=Path, help="folder to keep the bots' logs in")
    return parser

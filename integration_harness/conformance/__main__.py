"""`python -m integration_harness.conformance --venue NAME`: every claim, on one exchange.

A line a claim on standard output: PASS, FAIL with what was seen, or n.a. with the capability that
the exchange lacks. With `--seeds` each claim is tried with so many seeds from `--seed` on, `--jobs`
of them side by side, each on an exchange of its own; every failure goes to standard error as it
comes. Exit codes: 0 all pass, 1 some fail, 2 bad arguments.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from queue import SimpleQueue
from typing import Final, cast

from integration_harness.conformance.case import Case, Claim, NotApplicableError
from integration_harness.conformance.claims import CLAIMS
from integration_harness.conformance.driver import Driver
from integration_harness.stack.supervisor import Supervisor
from integration_harness.waiting import AWAY, CheckError, Limits

VENUES: Final = {
    "numo": "integration_harness.conformance.numo:NumoDriver",
    "derive": "integration_harness.conformance.derive:DeriveDriver",
    "ethereal": "integration_harness.conformance.ethereal:EtherealDriver",
    "coinbase": "integration_harness.conformance.coinbase:CoinbaseDriver",
}
"""By name: the module and the class of the driver."""
LIMITS: Final = Limits(timeout_seconds=40.0, poll_seconds=0.02)


@dataclass(slots=True, kw_only=True)
class Result:
    """How one claim fared over its seeds."""

    claim: Claim
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    lacking: str = ""
    seconds: float = 0.0
    figures: dict[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str:
        if self.failures:
            return "FAIL"
        return "n.a." if self.lacking else "PASS"

    def add(self, other: Result) -> None:
        """Another seed's."""
        self.passed += other.passed
        self.failures += other.failures
        self.lacking = self.lacking or other.lacking
        self.seconds += other.seconds
        self.figures.update(other.figures)

    def line(self) -> str:
        """As it is printed."""
        tried = self.passed + len(self.failures)
        what = self.failures[0] if self.failures else self.lacking
        if not what:
            what = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        name = f"{self.claim.number:2d}  {self.claim.name:30}"
        return f"{name}  {self.word}  {self.passed}/{tried}  {self.seconds:6.1f} s  {what}".rstrip()


def try_claim(driver: Driver, claim: Claim, seed: int, result: Result) -> None:
    """One claim with one seed, from an empty market on."""
    began = time.monotonic()
    with Supervisor("mm-bot-conformance-") as supervisor:
        driver.begin()
        driver.weather(True)
        case = Case(driver, supervisor, claim.name, seed, LIMITS)
        try:
            claim.run(case)
            case.finish()
            result.passed += 1
        except NotApplicableError as error:
            result.lacking = str(error)
        except (CheckError, AssertionError, *AWAY) as error:
            tail = case.bots[-1].log_tail() if case.bots else ""
            result.failures.append(f"seed {seed}: {error}\n{tail}")
        finally:
            case.close()
    result.figures.update(case.figures)
    result.seconds += time.monotonic() - began


def driver_of(venue: str) -> Driver:
    """A new driver of one of `VENUES`, or of a `package.module:Class` of one's own."""
    module, _, name = VENUES.get(venue, venue).partition(":")
    return cast(Callable[[], Driver], getattr(import_module(module), name))()


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what was asked for; the exit code."""
    options = _parser().parse_args(arguments)
    chosen = [each for each in CLAIMS if not options.claim or _named(each, options.claim)]
    seeds = range(options.seed, options.seed + options.seeds)
    failed = 0
    drivers: SimpleQueue[Driver] = SimpleQueue()
    with ExitStack() as cleanup:
        for _ in range(options.jobs):
            drivers.put(driver := driver_of(options.venue))
            cleanup.callback(driver.close)
        pool = cleanup.enter_context(ThreadPoolExecutor(options.jobs))
        for claim in chosen:
            result = Result(claim=claim)
            for one in pool.map(partial(_tried, drivers, claim), seeds):
                result.add(one)
            print(result.line(), flush=True)
            failed += bool(result.failures)
    print(f"{options.venue}: {len(chosen) - failed} of {len(chosen)} claims hold", flush=True)
    return 1 if failed else 0


def _tried(drivers: SimpleQueue[Driver], claim: Claim, seed: int) -> Result:
    """One seed, on a driver that nobody uses just now."""
    result, driver = Result(claim=claim), drivers.get()
    try:
        try_claim(driver, claim, seed, result)
    finally:
        drivers.put(driver)
    for failure in result.failures:
        print(f"{claim.name}, {failure}", file=sys.stderr, flush=True)
    return result


def _named(claim: Claim, words: Sequence[str]) -> bool:
    return claim.name in words or str(claim.number) in words


def _parser() -> argparse.ArgumentParser:
    numbered = "\n".join(f"{each.number:3d}  {each.name}: {each.text}" for each in CLAIMS)
    parser = argparse.ArgumentParser(
        prog="python -m integration_harness.conformance",
        description="Tries every claim of the conformance kit on one exchange.",
        epilog=numbered,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--venue",
        required=True,
        type=_venue,
        metavar="NAME",
        help=f"{', '.join(VENUES)}, or package.module:Class of a driver of your own",
    )
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--jobs", type=int, default=1, help="how many of them side by side")
    parser.add_argument(
        "--claim",
        action="append",
        choices=[word for each in CLAIMS for word in (each.name, str(each.number))],
        metavar="NAME",
        help="only this one, by name or number; may be given several times",
    )
    return parser


def _venue(text: str) -> str:
    if text not in VENUES and ":" not in text:
        raise argparse.ArgumentTypeError(f"{text!r}: give {', '.join(VENUES)} or module:Class")
    return text


if __name__ == "__main__":
    sys.exit(main())

"""`python -m integration_harness.stack`: an exchange to play with, until Ctrl-C.

Progress goes to standard error; standard output is the environment of a bot as `export` lines,
so it can be evaluated by a shell.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from decimal import Decimal
from typing import Final

from integration_harness.stack.up import ExchangeOptions, LocalExchange

_TO_QUOTE: Final = (
    "a bot there quotes around the chain's feed, from the 100,000 USDC it has, with\n"
    "  MM_ANCHOR_SOURCE_TYPE=oracle_carry MM_MAX_LONG_INVENTORY=105000"
)


def main() -> int:
    """Bring it up, print how to use it, and wait."""
    parser = argparse.ArgumentParser(
        prog="python -m integration_harness.stack", description=__doc__
    )
    parser.add_argument("--market", help="the bot's market (default: spot)")
    parser.add_argument("--price", type=Decimal, default=Decimal("1600"), help="cNGN per USDC")
    parser.add_argument("--chain-id", type=int, default=ExchangeOptions().chain_id)
    parser.add_argument("--matcher-poll-ms", type=int, default=250)
    arguments = parser.parse_args()
    options = ExchangeOptions(
        chain_id=arguments.chain_id,
        price=arguments.price,
        matcher_poll_ms=arguments.matcher_poll_ms,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with LocalExchange(options, progress=_tell) as exchange:
        market = arguments.market or exchange.spot.symbol
        for name, value in exchange.bot_environment(market).items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        symbols = ", ".join(instrument.symbol for instrument in exchange.instruments)
        print(f"markets: {symbols}\n{_TO_QUOTE}\nCtrl-C ends it", file=sys.stderr, flush=True)
        stop.wait()
    return 0


def _tell(phase: str, seconds: float) -> None:
    print(f"{seconds:6.2f} s  {phase}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

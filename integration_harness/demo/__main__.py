"""Brings everything up, shows it, takes it down, and says whether the books agree.

MM_* variables of the environment are given to both bots: `MM_SHOCK_BPS=200` shows that feature, and
`MM_ANCHOR_SOURCE_TYPE=synthetic` a made-up price instead of the exchange's feed.

Exit codes: 0 where both bots quoted both sides, were filled, requoted and ended with consistent
books; 1 where not, with every reason; 130 where Ctrl-C came before anything could be judged.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from integration_harness.demo.books import Holdings, disagreements, holdings
from integration_harness.demo.bots import BotProcess
from integration_harness.demo.market_life import PricePath, Taker
from integration_harness.demo.view import money, screen
from integration_harness.stack.instruments import Instrument
from integration_harness.stack.up import LocalExchange, Progress

START_PRICE = Decimal("1600")
SETTLE_SECONDS = 10.0
REFRESH_SECONDS = 0.25


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m integration_harness.demo")
    parser.add_argument("--seconds", type=float, default=None, help="end after so long")
    parser.add_argument("--seed", type=int, default=7, help="of prices and takers")
    parser.add_argument("--journal", type=Path, metavar="FOLDER", help="keep the bots' decisions")
    arguments = parser.parse_args()
    stop = threading.Event()

    def interrupted(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    console = Console()
    with LocalExchange(progress=_progress(console)) as exchange:
        return _Demo(
            exchange, console, stop, arguments.seconds, arguments.seed, arguments.journal
        ).run()


class _Demo:
    def __init__(
        self,
        exchange: LocalExchange,
        console: Console,
        stop: threading.Event,
        seconds: float | None,
        seed: int,
        journal: Path | None,
    ) -> None:
        self._exchange = exchange
        self._journal = journal
        self._console = console
        self._stop = stop
        self._seconds = seconds
        self._instruments = (exchange.spot, exchange.futures[0])
        self._before: dict[str, Holdings] = {}
        self._service = self._price_service(self._instruments[1])
        self._bots: dict[str, BotProcess] = {
            instrument.symbol: self._bot(instrument) for instrument in self._instruments
        }
        self._path = PricePath(exchange, start=START_PRICE, seed=seed)
        sizes = {"spot": Decimal(250), "deliverable_fx_future": Decimal("2.5")}
        self._takers = [
            Taker(
                exchange,
                instrument,
                account=index,
                seed=seed,
                largest=sizes[instrument.kind],
                pause_seconds=1.5,
            )
            for index, instrument in enumerate(self._instruments)
        ]

    def run(self) -> int:
        for instrument in self._instruments:
            self._before[instrument.symbol] = holdings(self._exchange, instrument)
        with self._bots_running():
            self._path.start()
            for taker in self._takers:
                taker.start()
            self._watch()
            if not self._console.is_terminal:
                self._console.print()  # Live leaves a file in the middle of its last line
            for taker in self._takers:
                taker.stop()
            self._path.stop()
            self._console.print("[dim]takers are gone; waiting for the last fills[/]")
            self._settle()
        return self._judge()

    def _price_service(self, future: Instrument) -> BotProcess:
        """The fair-value service: spot from the feed on chain, carried to the future's expiry."""
        exchange = self._exchange
        environment = {
            "FAIR_ANCHOR_API_BASE_URL": exchange.api_url,
            "FAIR_ANCHOR_FUTURES_SYMBOL": future.symbol,
            "FAIR_ANCHOR_RATE_APR": "0.08",
            "FAIR_ANCHOR_RPC_URL": exchange.rpc_url,
            "FAIR_ANCHOR_ORACLE_ADDRESS": exchange.deployment.addresses.feed,
            "FAIR_ANCHOR_SPOT_SOURCES": "oracle",
            "FAIR_ANCHOR_CACHE_MS": "200",
        }
        return BotProcess(
            market="fair values",
            module="fair_anchor",
            listen_variable="FAIR_ANCHOR_LISTEN_ADDR",
            environment=environment,
            log_path=exchange.folder / "fair-anchor.log",
        )

    def _bot(self, instrument: Instrument) -> BotProcess:
        exchange, spot = self._exchange, instrument.is_spot
        anchor = {
            "MM_ANCHOR_SOURCE_TYPE": "http",
            "MM_ANCHOR_URL": f"http://127.0.0.1:{self._service.port}/price",
        }
        environment = {
            **exchange.bot_environment(instrument.symbol),
            **({"MM_ANCHOR_SOURCE_TYPE": "oracle_carry"} if spot else anchor),
            "MM_POLL_INTERVAL_MS": "250",
            "MM_QUOTE_REFRESH_INTERVAL_MS": "1000",
            "MM_QUOTE_LEVELS": "2" if spot else "1",
            "MM_LEVEL_SPREAD_STEP_BPS": "10",
            "MM_ORDER_SIZE": "250" if spot else "2.5",
            "MM_HALF_SPREAD_BPS": "15",
            "MM_INVENTORY_SKEW_BPS": "5",
            "MM_MAX_LONG_INVENTORY": "105000" if spot else "50",
            "MM_MAX_SHORT_INVENTORY": "-105000" if spot else "-50",
            "MM_MAX_CANCELS_PER_MINUTE": "600",
            "MM_ANCHOR_SYNTHETIC_START_PRICE": str(START_PRICE),
            **_given(exchange.bot_environment(instrument.symbol)),
        }
        if self._journal is not None:
            folder = self._journal.absolute() / instrument.symbol
            folder.mkdir(parents=True, exist_ok=True)
            environment["MM_JOURNAL_DIR"] = str(folder)
        log_path = exchange.folder / f"bot-{instrument.symbol}.log"
        return BotProcess(market=instrument.symbol, environment=environment, log_path=log_path)

    @contextmanager
    def _bots_running(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            self._service.start()
            self._service.wait_until_ready()  # a bot that asks before it halts for want of a price
            took = time.monotonic() - began
            self._console.print(f"[dim]{took:6.2f} s[/]  fair-anchor prices the future")
            for bot in self._bots.values():
                bot.start()
            for bot in self._bots.values():
                bot.wait_until_ready()
                took = time.monotonic() - began
                self._console.print(f"[dim]{took:6.2f} s[/]  bot on {bot.market} is quoting")
            yield
        finally:
            for process in (*self._bots.values(), self._service):
                process.stop()

    def _watch(self) -> None:
        began = time.monotonic()
        with Live(console=self._console, auto_refresh=False) as live:
            while not self._stop.wait(REFRESH_SECONDS):
                elapsed = time.monotonic() - began
                live.update(
                    screen(
                        {name: bot.status() for name, bot in self._bots.items()},
                        feed=self._path.price,
                        elapsed_s=elapsed,
                        length_s=self._seconds,
                        takers=sum(taker.sent for taker in self._takers),
                    ),
                    refresh=True,
                )
                dead = [bot for bot in self._bots.values() if bot.exit_code is not None]
                if dead or (self._seconds is not None and elapsed >= self._seconds):
                    return

    def _settle(self) -> None:
        """Until every bot has counted every fill that the database has."""
        give_up_at = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < give_up_at:
            time.sleep(0.5)
            if not self._books():
                return

    def _books(self) -> list[str]:
        found = []
        for instrument in self._instruments:
            books = self._bots[instrument.symbol].state()["books"]
            before = self._before[instrument.symbol]
            found.extend(disagreements(self._exchange, instrument, before, books))
        return found

    def _judge(self) -> int:
        heads = ("market", "bought", "sold", "placed", "cancelled", "halts", "realised cNGN")
        table = Table(*heads, box=None, pad_edge=False)
        faults = self._books()
        for symbol, bot in self._bots.items():
            books, summary = bot.state()["books"], bot.logged("summary")
            faults.extend(_not_lived(symbol, bot))
            totals = summary[-1] if summary else {}
            numbers = (totals.get(name, "?") for name in ("placed", "cancels", "halts"))
            table.add_row(
                symbol,
                str(books["buys"]),
                str(books["sells"]),
                *map(str, numbers),
                money(books["realised"]),
            )
        self._console.print(table)
        if not faults:
            self._console.print(
                "[green]database, chain and bots agree on every fill and balance[/]"
            )
            return 0
        for fault in faults:
            self._console.print(f"[red]{fault}[/]")
        return 130 if self._stop.is_set() else 1


def _given(fixed: Mapping[str, str]) -> dict[str, str]:
    """The MM_* variables that the demo was started with: they are the bots' too, but for what leads
    them to this exchange. So is PYTHONPATH, by which they find a strategy of one's own."""
    return {
        n: v
        for n, v in os.environ.items()
        if n == "PYTHONPATH" or (n.startswith("MM_") and n not in fixed)
    }


def _not_lived(symbol: str, bot: BotProcess) -> list[str]:
    """What a bot that made a market must have done."""
    placed, fills = bot.logged("order.place"), bot.logged("fill")
    accepted = [line for line in placed if line["outcome"] == "accepted"]
    faults = []
    if {line["side"] for line in accepted} != {"buy", "sell"}:
        faults.append(f"{symbol}: it did not quote both sides")
    if not fills:
        faults.append(f"{symbol}: it was never filled")
    elif not any(line["time"] > fills[0]["time"] for line in accepted):
        faults.append(f"{symbol}: it did not requote after a fill")
    faults.extend(f"{symbol}: {line['what']}" for line in bot.logged("fills.disagree"))
    if bot.exit_code != 0:
        faults.append(
            f"{symbol}: its exit code is {bot.exit_code}; its log ends:\n{bot.log_tail()}"
        )
    return faults


def _progress(console: Console) -> Progress:
    def tell(phase: str, seconds: float) -> None:
        console.print(f"[dim]{seconds:6.2f} s[/]  {phase}")

    return tell


if __name__ == "__main__":
    sys.exit(main())

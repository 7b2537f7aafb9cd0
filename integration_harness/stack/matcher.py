"""The matcher: a process that pairs crossing orders, settles them on chain and books the fills.

On every poll, market by market, it takes the best bid and the best ask, sets both `matching` in
a committed transaction, and only then looks whether they cross; if not, they go back to
`active`. Resting orders therefore blink though nothing happens: that is how the exchange is.

As measured on the real services:

1. The later order is the taker; a fill is the lesser remainder at the maker's price.
2. A fill is booked, in one transaction with both orders, as soon as its transaction is sent: the
   table leads the chain, and where the transaction reverts when it is mined the row stays.
   `wait_for_receipt` is the kind alternative.
3. A match the chain refuses beforehand puts both orders back to `active` and is tried again at
   every poll. It blocks its market until one of the two expires; nobody is cancelled for it.
4. A matcher that dies in its window leaves both orders `matching`, and no later one looks at
   them. One that lives on over an outage finishes the match it had begun.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg
import requests

from integration_harness.stack.instruments import Instrument
from integration_harness.stack.match_store import (
    Order,
    Pair,
    book,
    claim_best,
    crossing_pair,
    release,
)
from integration_harness.stack.settings import MatcherSettings, read
from integration_harness.stack.settlement import Executor, Match

_LOG = logging.getLogger("matcher")
_RECONNECT_SECONDS: Final = 0.05
# A table that is missing is about to be made: the matcher may come up before the schema does.
_OUTAGES: Final = (
    psycopg.OperationalError,
    psycopg.errors.UndefinedTable,
    OSError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """What this process has set `matching`; `pair` where a match of it may have been sent."""

    claimed: tuple[Order, ...]
    pair: Pair | None = None
    filled_before: int = 0
    """Of the maker's order, on chain."""


class Matcher:
    """One connection to the database, one to the node; `run` ends when `stop` is set."""

    def __init__(self, settings: MatcherSettings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._instruments = tuple(
            sorted(
                (i for i in settings.instruments if i.enabled),
                key=lambda i: (i.asset_address, i.sub_id),
            )
        )
        self._begun: _Begun | None = None

    def run(self) -> None:
        """Match until told to stop; an outage of database or node only delays."""
        while not self._stop.is_set():
            try:
                self._connected()
            except _OUTAGES as error:
                _LOG.warning("no database or no node: %s", error)
                self._stop.wait(_RECONNECT_SECONDS)

    def _connected(self) -> None:
        settings = self._settings
        with ExitStack() as connections:
            database = connections.enter_context(
                psycopg.connect(
                    settings.database_url, autocommit=True, connect_timeout=5, prepare_threshold=1
                )
            )
            executor = None
            if settings.settlement == "chain":
                session = connections.enter_context(requests.Session())
                executor = Executor(session, settings)
            self._finish(database, executor)
            print("ready", flush=True)
            while not self._stop.is_set():
                for instrument in self._instruments:
                    self._match_best(database, executor, instrument)
                self._stop.wait(settings.poll_ms / 1000)

    def _match_best(
        self, database: psycopg.Connection[Any], executor: Executor | None, instrument: Instrument
    ) -> None:
        market = {"asset": instrument.asset_address, "sub_id": instrument.sub_id}
        now = self._settings.clock.now_seconds()
        claimed = claim_best(database, market, now)
        if not claimed:
            return
        assert len(claimed) == 2, "a claim is of both sides or of none"
        pair = crossing_pair(*claimed)
        self._begun = _Begun(claimed=tuple(claimed))
        if self._settings.blink_hold_ms:
            time.sleep(self._settings.blink_hold_ms / 1000)
        if pair is not None and self._settled(executor, pair, instrument):
            if self._settings.crash_after_settlement:
                os._exit(137)
            book(database, pair)
        else:
            release(database, claimed)
        self._begun = None

    def _settled(self, executor: Executor | None, pair: Pair, instrument: Instrument) -> bool:
        """Send a match; whether the chain took it, as far as that is known when it is sent."""
        if executor is None:
            return True
        assert self._begun is not None
        before = executor.filled(pair.maker.signed)
        self._begun = replace(self._begun, pair=pair, filled_before=before)
        error = executor.settle(_match(pair, instrument))
        if error is None:
            return True
        _LOG.warning(
            "match failed taker=%s maker=%s error=%s",
            pair.taker.order_id,
            pair.maker.order_id,
            error,
        )
        return False

    def _finish(self, database: psycopg.Connection[Any], executor: Executor | None) -> None:
        """End what an outage interrupted: book it if the chain has it, else put it back."""
        begun = self._begun
        if begun is None:
            return
        if begun.pair is not None and executor is not None:
            executor.wait_until_idle()
            if executor.filled(begun.pair.maker.signed) > begun.filled_before:
                book(database, begun.pair)
        release(database, begun.claimed)
        self._begun = None


def _match(pair: Pair, instrument: Instrument) -> Match:
    return Match(
        taker=pair.taker.signed,
        maker=pair.maker.signed,
        price=instrument.chain_price(pair.maker.ticks),
        amount=instrument.chain_amount(pair.size),
    )


def main() -> int:
    """`python -m integration_harness.stack.matcher`; 2 where the environment makes no sense."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        settings = read(MatcherSettings, os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    stop = threading.Event()

    def ask_to_stop(*_: object) -> None:
        # From a thread: the handler may run while the main one holds the event's lock.
        threading.Thread(target=stop.set).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    Matcher(settings, stop).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

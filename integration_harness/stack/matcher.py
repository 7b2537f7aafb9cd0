"""The matcher: a process that pairs crossing orders, settles them on chain and books the fills.

On every poll, market by market, it takes the best bid and the best ask, sets both `matching` in
a committed transaction, and only then looks whether they cross; if not, they go back to
`active`. Resting orders therefore blink though nothing happens: that is how the exchange is.

1. The later order is the taker; a fill is the lesser remainder at the maker's price.
2. A fill is booked only after its receipt, in one transaction with both orders.
3. A match the chain refuses is a failed match. The order at fault is cancelled with
   `cancel_reason` "executor:<error>". Where neither is by itself (such as a seller without
   balance), both go back to `active` and the taker steps aside, for 1 s doubling up to 32 s;
   after the sixth failure it is cancelled.
4. Whatever is `matching` when the matcher comes up, or comes back after losing the database or
   the node, is resolved from what the chain says was filled: nothing is lost or booked twice.
"""

from __future__ import annotations

import http.client
import logging
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any, Final

import psycopg

from integration_harness.stack.instruments import Instrument
from integration_harness.stack.match_store import (
    Order,
    Pair,
    book,
    booked,
    cancel,
    claim_best,
    crossing_pair,
    left_matching,
    release,
)
from integration_harness.stack.rpc import Rpc
from integration_harness.stack.settings import MatcherSettings, matcher_settings
from integration_harness.stack.settlement import Executor, Match

_LOG = logging.getLogger("matcher")
_RECONNECT_SECONDS: Final = 0.05
_MOST_FAILURES: Final = 6
# A table that is missing is about to be made: the matcher may come up before the schema does.
_OUTAGES: Final = (
    psycopg.OperationalError,
    psycopg.errors.UndefinedTable,
    OSError,
    http.client.HTTPException,
)


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
        self._failures: dict[str, int] = {}
        self._aside_until: dict[str, float] = {}

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
                rpc = connections.enter_context(Rpc(settings.chain.rpc_url))
                executor = Executor(rpc, settings.chain, settings.executor_address)
            self._recover(database, executor)
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
        claimed = claim_best(database, market, now, self._aside())
        if not claimed:
            return
        assert len(claimed) == 2, "a claim is of both sides or of none"
        if self._settings.blink_hold_ms:
            time.sleep(self._settings.blink_hold_ms / 1000)
        pair = crossing_pair(*claimed)
        if pair is None:
            release(database, claimed)
            return
        error = None
        if executor is not None:
            match = _match(pair, instrument)
            error = executor.settle(match)
        if self._settings.crash_after_settlement:
            os._exit(137)
        if error is None:
            book(database, pair)
        else:
            assert executor is not None
            self._fail(database, executor, pair, match, error)

    def _fail(
        self,
        database: psycopg.Connection[Any],
        executor: Executor,
        pair: Pair,
        match: Match,
        error: str,
    ) -> None:
        """Take the order at fault out; where there is none, let the taker step aside."""
        now = self._settings.clock.now_seconds()
        faults = {
            order.order_id: fault
            for order in (pair.taker, pair.maker)
            if (fault := executor.fault_of(order.signed, match, now)) is not None
        }
        taker = pair.taker.order_id
        if not faults:
            failures = self._failures[taker] = self._failures.get(taker, 0) + 1
            self._aside_until[taker] = time.monotonic() + 2 ** (failures - 1)
            if failures >= _MOST_FAILURES:
                faults[taker] = error
        _LOG.warning(
            "match failed taker=%s maker=%s error=%s faults=%s",
            taker,
            pair.maker.order_id,
            error,
            faults,
        )
        for order_id, fault in faults.items():
            cancel(database, order_id, f"executor:{fault}")
            self._failures.pop(order_id, None)
        release(database, (pair.taker, pair.maker))

    def _aside(self) -> list[str]:
        if not self._aside_until:
            return []
        now = time.monotonic()
        self._aside_until = {o: until for o, until in self._aside_until.items() if until > now}
        return list(self._aside_until)

    def _recover(self, database: psycopg.Connection[Any], executor: Executor | None) -> None:
        """Resolve what an earlier run left `matching`, by what the chain has filled since."""
        stuck = left_matching(database)
        if not stuck:
            return
        _LOG.warning("resolving %d orders left in matching", len(stuck))
        if executor is not None:
            executor.wait_until_idle()
            for instrument in self._instruments:
                found = [order for order in stuck if _is_of(order, instrument)]
                _book_settled(database, executor, found, instrument)
        release(database, stuck)


def _match(pair: Pair, instrument: Instrument) -> Match:
    return Match(
        taker=pair.taker.signed,
        maker=pair.maker.signed,
        price=instrument.chain_price(pair.maker.ticks),
        amount=instrument.chain_amount(pair.size),
    )


def _book_settled(
    database: psycopg.Connection[Any],
    executor: Executor,
    found: list[Order],
    instrument: Instrument,
) -> None:
    """Book the match the chain has and the table has not, if there is one in this market."""
    step = instrument.chain_amount(1)
    missing = {
        order.order_id: executor.filled(order.signed) // step - booked(database, order)
        for order in found
    }
    settled = [order for order in found if missing[order.order_id] > 0]
    if not settled:
        return
    assert len(settled) == 2, "a market has one match under way"
    maker, taker = settled
    size = missing[maker.order_id]
    assert size == missing[taker.order_id], "both sides of a match fill alike"
    book(database, Pair(taker=taker, maker=maker, size=size))


def _is_of(order: Order, instrument: Instrument) -> bool:
    return (order.asset_address, int(order.sub_id)) == (
        instrument.asset_address,
        instrument.sub_id,
    )


def main() -> int:
    """`python -m integration_harness.stack.matcher`; 2 where the environment makes no sense."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        settings = matcher_settings(os.environ)
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

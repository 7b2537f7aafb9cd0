"""A whole local exchange, from nothing to ready in seconds, and gone without a trace.

`LocalExchange` is a context manager. Inside it runs an embedded Postgres, a development chain
with the contracts, the markets API and the matcher, each a process of its own on a free loopback
port, in one temporary folder. Leaving the block, or dying in whatever way, ends all of it.

Each part can be stopped, started, frozen and thawed by itself; addresses and data stay.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import psycopg

from integration_harness.stack.deploy import ONE, DeployOptions, deploy
from integration_harness.stack.deployment import Account, Deployment
from integration_harness.stack.evm_node import EvmNode
from integration_harness.stack.exchange_services import ExchangeOptions, exchange_services
from integration_harness.stack.instruments import (
    Instrument,
    local_expiries,
    local_instruments,
)
from integration_harness.stack.postgres import READER, Postgres, grant_reader
from integration_harness.stack.price_feed import PriceFeed, feed_answer
from integration_harness.stack.service import Service
from integration_harness.stack.supervisor import Supervisor, free_port

__all__ = ["ExchangeOptions", "LocalExchange", "Part", "Progress"]

Part = Literal["postgres", "node", "api", "matcher"]
Progress = Callable[[str, float], None]

_SCHEMA: Final = Path(__file__).parent / "schema.sql"


class LocalExchange:
    """The exchange of one `with` block; its attributes are set once it has been entered."""

    api_url: str
    rpc_url: str
    database_url: str
    admin_database_url: str
    chain_id: int
    folder: Path
    deployments_dir: Path
    deployment: Deployment
    instruments: tuple[Instrument, ...]

    def __init__(
        self, options: ExchangeOptions | None = None, *, progress: Progress | None = None
    ) -> None:
        self.options = options or ExchangeOptions()
        self._progress = progress
        self._cleanup = ExitStack()
        self._began = 0.0
        self._progress_lock = threading.Lock()

    def __enter__(self) -> LocalExchange:
        self._began = time.monotonic()
        with self._cleanup:
            self._bring_up()
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    @property
    def spot(self) -> Instrument:
        return next(i for i in self.instruments if i.is_spot)

    @property
    def futures(self) -> tuple[Instrument, ...]:
        return tuple(i for i in self.instruments if not i.is_spot)

    def instrument(self, symbol: str) -> Instrument:
        """The market of that symbol."""
        return next(i for i in self.instruments if i.symbol == symbol)

    def account_for(self, instrument: Instrument) -> tuple[Account, int]:
        """The maker and the subaccount it trades this market with."""
        maker = self.deployment.maker
        return maker, maker.subaccount_ids[0 if instrument.is_spot else 1]

    def bot_environment(self, market_symbol: str) -> dict[str, str]:
        """The MM_* variables a bot on this market needs."""
        maker, subaccount_id = self.account_for(self.instrument(market_symbol))
        return {
            "MM_API_BASE_URL": self.api_url,
            "MM_RPC_URL": self.rpc_url,
            "MM_DATABASE_URL": self.database_url,
            "MM_CHAIN_ID": str(self.chain_id),
            "MM_OWNER_PRIVATE_KEY": maker.private_key,
            "MM_SUBACCOUNT_ID": str(subaccount_id),
            "MM_MARKET_SYMBOL": market_symbol,
            "MM_MATCHING_REPO_PATH": str(self.folder),
            "MM_RISK_CORE_REPO_PATH": str(self.folder),
            "MM_ANCHOR_ORACLE_ADDRESS": self.deployment.addresses.feed,
            "MM_STATE_FILE": str(self.folder / f"bot-state-{market_symbol}.json"),
        }

    def set_price(self, price: Decimal) -> None:
        """Let the cNGN/USD feed answer a price in cNGN per USDC."""
        self._feed.set(price)

    def set_price_at(self, price: Decimal, updated_at_seconds: int) -> None:
        """The same, with the feed's own time: a stale answer, or one from the future."""
        self._feed.set(price, updated_at_seconds)

    def stop(self, part: Part) -> None:
        """End one part; the others stay up."""
        self._part(part).stop()

    def start(self, part: Part, **environment: str) -> None:
        """Start a stopped part again, where it was and with what it had.

        Further variables hold for this run of `api` or `matcher`; the others take none.
        """
        self._part(part).start(**environment)

    def crash(self, part: Literal["api", "matcher"]) -> None:
        """End one of the exchange's own services in its tracks, with what it had in hand."""
        self._services[part].kill()

    def running(self, part: Part) -> bool:
        """Whether a part's process is there."""
        return self._part(part).running

    def freeze(self, part: Part) -> None:
        """Stop one part in its tracks: connections stay open, nothing answers."""
        self._part(part).freeze()

    def thaw(self, part: Part) -> None:
        """Undo `freeze`."""
        self._part(part).thaw()

    def strand(self, order_id: str) -> None:
        """Leave a live order `matching`, as a matcher that died in its window does. For good:
        neither the matcher nor the listing of the book takes it back."""
        statement = """
            UPDATE active_orders SET status = 'matching'
            WHERE order_id = %s AND status IN ('active', 'matching')
        """
        with psycopg.connect(self.admin_database_url, autocommit=True) as connection:
            while True:
                connection.execute(statement, (order_id,))
                # A matcher that held it at this moment puts it back a little later.
                time.sleep(0.5 + 4 * self.options.blink_hold_ms / 1000)
                if self._stays_matching(connection, order_id):
                    return

    def _stays_matching(self, connection: psycopg.Connection[Any], order_id: str) -> bool:
        """Whether it is left alone: one that the matcher takes at each poll is often active."""
        for _ in range(50):
            row = connection.execute(
                "SELECT status FROM active_orders WHERE order_id = %s", (order_id,)
            ).fetchone()
            assert row is not None, f"{order_id} was never placed"
            assert row[0] in ("active", "matching"), f"{order_id} is {row[0]} already"
            if row[0] == "active":
                return False
            time.sleep(0.01)
        return True

    def log_tail(self, part: Literal["api", "matcher"]) -> str:
        """The last lines one of the exchange's own services wrote."""
        return self._services[part].log_tail()

    def _bring_up(self) -> None:
        options = self.options
        supervisor = self._cleanup.enter_context(Supervisor())
        self.folder = supervisor.folder
        self.deployments_dir = supervisor.folder / "deployments"
        self.chain_id = options.chain_id
        self._postgres = Postgres(supervisor)
        self._node = EvmNode(
            supervisor,
            chain_id=options.chain_id,
            block_time_seconds=options.block_time_seconds,
        )
        self.rpc_url = self._node.url
        self.admin_database_url = self._postgres.url()
        self.database_url = self._postgres.url(READER)
        with ThreadPoolExecutor(2) as pool:
            chain = pool.submit(self._bring_up_chain)
            database = pool.submit(self._bring_up_database)
            chain.result()
            port = free_port()
            self.api_url = f"http://127.0.0.1:{port}"
            self._services = exchange_services(
                supervisor,
                options,
                api_port=port,
                database_url=self.admin_database_url,
                rpc_url=self.rpc_url,
                deployment=self.deployment,
                instruments=self.instruments,
            )
            # Their imports take longer than the database; they reconnect until it is there.
            for service in self._services.values():
                service.launch()
            self._cleanup.callback(self._stop_in_order)
            database.result()
            for name, service in self._services.items():
                service.wait_until_ready()
                self._tell(name)
        self._tell("ready")

    def _stop_in_order(self) -> None:
        """Clients before servers: Postgres would wait for its clients, and the matcher for it."""
        for part in (self._services["matcher"], self._services["api"], self._postgres):
            part.stop()

    def _bring_up_chain(self) -> None:
        self._node.start()
        self._tell("node")
        options = self.options
        price = int(options.price * ONE)
        now = datetime.now(UTC)
        funding = options.funding or DeployOptions(
            marks=dict.fromkeys(local_expiries(now), price),
            feed_answer=feed_answer(options.price, DeployOptions().feed_decimals),
        )
        self.deployment = deploy(self.rpc_url, self.deployments_dir, funding)
        self.deployment.to_json(self.folder / "deployment.json")
        if not options.chain_agrees:
            self._node.mine_by_interval()
        self._feed = PriceFeed(self.rpc_url, self.deployment, funding.feed_decimals)
        addresses = self.deployment.addresses
        self.instruments = options.instruments or local_instruments(
            now, addresses.wrapped_cngn, addresses.future
        )
        self._tell("contracts")

    def _bring_up_database(self) -> None:
        self._postgres.start()
        self._tell("postgres")
        with psycopg.connect(self.admin_database_url, autocommit=True) as connection:
            connection.execute(_SCHEMA.read_text().encode())
            grant_reader(connection)
        self._tell("schema")

    def _part(self, part: Part) -> Postgres | EvmNode | Service:
        if part == "postgres":
            return self._postgres
        return self._node if part == "node" else self._services[part]

    def _tell(self, phase: str) -> None:
        if self._progress is not None:
            with self._progress_lock:
                self._progress(phase, time.monotonic() - self._began)

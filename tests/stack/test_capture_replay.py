"""The local exchange answers recorded requests as the real exchange did.

Every file in tests/captures was recorded on the real service, one request and response a line.
Each group here brings up the real API process on a real, empty Postgres, with the settings the
file was recorded under, and sends the same requests. Statuses and bodies must be equal, but for
times made by a server and for the texts in OTHER_WORDS. Signatures were never checked there, and
the clock stands where it stood.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from integration_harness.stack.chain import Chain
from integration_harness.stack.deploy import deploy
from integration_harness.stack.evm_node import EvmNode
from integration_harness.stack.instruments import Instrument, dump_instruments
from integration_harness.stack.postgres import ADMIN, Postgres
from integration_harness.stack.service import Service
from integration_harness.stack.supervisor import Supervisor, answers, free_port

CAPTURES: Final = Path(__file__).parents[1] / "captures"
SCHEMA: Final = Path(__file__).parents[2] / "integration_harness" / "stack" / "schema.sql"
REPOSITORY: Final = Path(__file__).parents[2]
RECORDED_AT: Final = "2026-11-21T09:41:40Z"
SPOT_ASSET: Final = "0x" + "1" * 40
FUTURE_ASSET: Final = "0x" + "2" * 40
MAKER: Final = "0x" + "a" * 40
TIMES: Final = ("created_at", "updated_at", "last_trade_timestamp")

# Texts of the recorded service's own language and libraries, which say the same in other words.
OTHER_WORDS: Final = frozenset(
    {"aj_is_string", "aj_numeric_nonce", "aj_data_nonhex", "rpc_unreachable"}
)


def _future(symbol: str, expiry: int, *, enabled: bool = True) -> Instrument:
    return Instrument(
        symbol=symbol,
        kind="deliverable_fx_future",
        asset_address=FUTURE_ASSET,
        sub_id=expiry,
        enabled=enabled,
    )


MARKETS: Final = (
    Instrument(symbol="USDCcNGN-SPOT", kind="spot", asset_address=SPOT_ASSET, sub_id=0),
    _future("USDCcNGN-NOV30-2026", 1795996800),
    _future("USDCcNGN-MAY31-2027", 1811721600),
    _future("USDCcNGN-SEP16-2026", 1789567201, enabled=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One recorded request with its response."""

    case: str
    request: dict[str, Any]
    response: dict[str, Any]


def recorded(name: str) -> tuple[Capture, ...]:
    """A file's lines."""
    lines = (CAPTURES / f"{name}.jsonl").read_text().splitlines()
    return tuple(Capture(**json.loads(line)) for line in lines)


class Replay:
    """Databases and services for as many recordings as a test likes."""

    def __init__(self, supervisor: Supervisor, postgres: Postgres) -> None:
        self._supervisor = supervisor
        self._postgres = postgres
        self._count = 0

    def fresh_database(self) -> str:
        """The address of an empty database with the exchange's tables."""
        self._count += 1
        name = f"replay{self._count}"
        with psycopg.connect(self._postgres.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        url = self._postgres.url(ADMIN, database=name)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA.read_text().encode())
        return url

    def api(self, database_url: str, **settings: str) -> int:
        """Start an API as the recorded one was set, and more settings; its port."""
        port = free_port()
        self._count += 1
        self._service(
            f"api{self._count}",
            "markets_api",
            lambda _: answers(port),
            {
                "STACK_DATABASE_URL": database_url,
                "STACK_API_PORT": str(port),
                "STACK_VERIFY_SIGNATURES": "false",
                "STACK_CHECK_CUSTODY": "false",
                **settings,
            },
        )
        return port

    def match_without_chain(self, database_url: str, fills: int) -> None:
        """Let a matcher that settles nothing run until that many fills are in the table."""
        service = self._service(
            "matcher",
            "matcher",
            lambda log: "ready" in log,
            {
                "STACK_DATABASE_URL": database_url,
                "STACK_SETTLEMENT": "none",
                "STACK_MATCHER_POLL_MS": "5",
            },
        )
        give_up_at = time.monotonic() + 10
        with psycopg.connect(database_url, autocommit=True) as connection:
            while time.monotonic() < give_up_at:
                row = connection.execute("SELECT count(*) FROM trade_fills").fetchone()
                if row == (fills,):
                    break
                time.sleep(0.01)
        service.stop()

    def _service(
        self, name: str, module: str, ready: Callable[[str], bool], settings: dict[str, str]
    ) -> Service:
        service = Service(
            self._supervisor,
            name=name,
            argv=(sys.executable, "-m", f"integration_harness.stack.{module}"),
            environment={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(REPOSITORY),
                "STACK_MARKETS": dump_instruments(MARKETS),
                "STACK_CLOCK": RECORDED_AT,
                **settings,
            },
            ready=ready,
        )
        service.start()
        return service


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with Supervisor() as supervisor:
        postgres = Postgres(supervisor)
        postgres.start()
        yield Replay(supervisor, postgres)


def differences(port: int, captures: Sequence[Capture]) -> list[str]:
    """Send every request and name the answers that are not as recorded."""
    found = []
    for capture in captures:
        expected = capture.response
        status, text = send(port, capture.request)
        if status != expected["status"]:
            found.append(f"{capture.case}: {status} {text} instead of {expected}")
        elif "json" not in expected:
            if text != expected["text"]:
                found.append(f"{capture.case}: {text!r} instead of {expected['text']!r}")
        elif capture.case in OTHER_WORDS:
            if not json.loads(text)["error"]:
                found.append(f"{capture.case}: an error without a text")
        elif without_times(json.loads(text)) != without_times(expected["json"]):
            found.append(f"{capture.case}: {text} instead of {json.dumps(expected['json'])}")
    return found


def send(port: int, request: dict[str, Any]) -> tuple[int, str]:
    """One request as it was, path and body untouched."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    body = request.get("raw")
    if body is None and "body" in request:
        body = json.dumps(request["body"])
    connection.request(request["method"], request["path"], body)
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def without_times(value: Any) -> Any:
    """The value with every time a server made replaced by its type."""
    if isinstance(value, dict):
        return {
            key: type(member).__name__ if key in TIMES else without_times(member)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [without_times(member) for member in value]
    return value


def test_every_recorded_file_is_replayed() -> None:
    """No capture is left out: 207 lines in the nine files the tests below name."""
    names = {path.stem for path in CAPTURES.glob("*.jsonl")}
    assert " ".join(sorted(names)) == (
        "cancel create-err create-err-custody create-err-expected create-invariants-off "
        "create-ok fills get get-after"
    )
    assert sum(len(recorded(name)) for name in names) == 207


def test_reads_orders_and_cancels(replay: Replay) -> None:
    """Reads of an empty exchange, accepted and refused orders, reads after them, cancels."""
    port = replay.api(replay.fresh_database())
    before_cancels = [c for c in recorded("get-after") if c.case != "order_cancelled_status"]
    after_cancels = [c for c in recorded("get-after") if c.case == "order_cancelled_status"]
    in_recorded_order = [
        *recorded("get"),
        *recorded("create-ok"),
        *recorded("create-err"),
        *before_cancels,
        *recorded("cancel"),
        *after_cancels,
    ]
    assert differences(port, in_recorded_order) == []


def test_orders_of_one_expected_owner_and_signer(replay: Replay) -> None:
    """An exchange set to one owner and one signer refuses everybody else."""
    port = replay.api(
        replay.fresh_database(), STACK_EXPECTED_OWNER=MAKER, STACK_EXPECTED_SIGNER=MAKER
    )
    assert differences(port, recorded("create-err-expected")) == []


def test_orders_with_the_check_of_signed_data_off(replay: Replay) -> None:
    """Without that check an order with nonsense for data is taken."""
    port = replay.api(replay.fresh_database(), STACK_CHECK_ACTION_DATA="false")
    assert differences(port, recorded("create-invariants-off")) == []


def test_custody_is_read_from_the_chain(replay: Replay) -> None:
    """Only subaccounts Matching holds may trade: asked of a real chain, where 3 has left it."""
    with Supervisor() as supervisor:
        node = EvmNode(supervisor)
        node.start()
        deployment = deploy(node.url, supervisor.folder)
        addresses, maker = deployment.addresses, deployment.maker
        assert maker.subaccount_ids == (2, 3, 4)
        with Chain(node.url, deployment) as deployed:
            deployed.send(maker.address, deployed.matching.withdrawSubAccount(3))
        database_url = replay.fresh_database()
        chain = {
            "STACK_CHECK_CUSTODY": "true",
            "STACK_MATCHING_ADDRESS": addresses.matching,
            "STACK_SUBACCOUNTS_ADDRESS": addresses.sub_accounts,
        }
        ports = {
            "rpc_not_configured": replay.api(database_url, **chain),
            "rpc_unreachable": replay.api(
                database_url, **chain, STACK_RPC_URL="http://127.0.0.1:1"
            ),
            "matching_address_has_no_code": replay.api(
                database_url,
                **{**chain, "STACK_MATCHING_ADDRESS": SPOT_ASSET},
                STACK_RPC_URL=node.url,
            ),
        }
        usual = replay.api(database_url, **chain, STACK_RPC_URL=node.url)
        for capture in recorded("create-err-custody"):
            assert differences(ports.get(capture.case, usual), [capture]) == []


def test_fills(replay: Replay) -> None:
    """Two partial fills by the matcher, and every read that shows them."""
    database_url = replay.fresh_database()
    port = replay.api(database_url)
    captures = recorded("fills")
    orders, reads = captures[:4], captures[4:]
    assert differences(port, orders) == []
    replay.match_without_chain(database_url, fills=2)
    assert differences(port, reads) == []

"""The harness itself: it says what it waited for, refuses what is not its own, and cleans up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx
import orjson
import psycopg
import pytest

from integration_harness import isolation
from integration_harness.foreign import env_target
from integration_harness.market_view import MarketView
from integration_harness.scenarios import SCENARIOS
from integration_harness.settings import read_options
from integration_harness.stack.chain import Chain
from integration_harness.stack.deployment import Deposit
from integration_harness.stack.orders import OrderTicket, Signer
from integration_harness.stack.up import LocalExchange
from integration_harness.target import Party, RefusedError, Target
from integration_harness.waiting import Limits, WaitRanOutError, wait_until

REPOSITORY = Path(__file__).parents[2]
_BOT_SESSIONS = b"SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'mm-bot %'"
QUICK = Limits(timeout_seconds=10, poll_seconds=0.01)


@pytest.fixture
def view(target: Target) -> Iterator[MarketView]:
    """Of the session exchange's spot market."""
    found = MarketView(target)
    yield found
    found.close()


def foreign_environment(exchange: LocalExchange, symbol: str | None = None) -> dict[str, str]:
    """What a user of a foreign stack would export."""
    taker = exchange.deployment.takers[0]
    return {
        **exchange.bot_environment(symbol or exchange.spot.symbol),
        "MM_ANCHOR_SOURCE_TYPE": "oracle_carry",
        "MM_INT_TAKER_OWNER_PRIVATE_KEY": taker.private_key,
        "MM_INT_TAKER_SUBACCOUNT_ID": str(taker.subaccount_ids[0]),
        "MM_INT_TIMEOUT_SECONDS": "20",
    }


def run_harness(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "integration_harness", "--stack", "env", "--quick", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def strangers_order(exchange: LocalExchange) -> tuple[Signer, int]:
    """A resting order of somebody who is neither bot nor taker: its signer and nonce."""
    signer = Signer(exchange.deployment, exchange.deployment.takers[1])
    ticket = OrderTicket(
        instrument=exchange.spot,
        side="buy",
        price=Decimal(1000),
        size=Decimal(5),
        nonce=time.time_ns(),
    )
    body = signer.order_body(ticket)
    httpx.post(f"{exchange.api_url}/v1/orders", json=body).raise_for_status()
    return signer, int(body["nonce"])


def test_a_wait_that_runs_out_says_what_it_waited_for_and_last_saw() -> None:
    """The message has the limit, the wish and the last look; an error of a look counts as one."""
    limits = Limits(timeout_seconds=0.05, poll_seconds=0.01)
    with pytest.raises(WaitRanOutError, match=r"waited 0\.05 s for a moon; last seen: half of it"):
        wait_until("a moon", lambda: "half of it", lambda seen: False, limits)

    def away() -> str:
        raise httpx.ConnectError("nobody is there")

    with pytest.raises(WaitRanOutError, match="last seen: ConnectError: nobody is there"):
        wait_until("an answer", away, lambda seen: True, limits)
    with pytest.raises(WaitRanOutError, match="a moon, but the sky fell; last seen: half"):
        wait_until(
            "a moon", lambda: "half", lambda seen: False, QUICK, alive=lambda: "the sky fell"
        )


def test_a_market_with_others_in_it_is_refused_and_they_are_left_alone(
    exchange: LocalExchange, view: MarketView
) -> None:
    """The command exits with 3, names the stranger's order, and does not touch it."""
    signer, nonce = strangers_order(exchange)
    try:
        done = run_harness(foreign_environment(exchange), "happy")
        assert done.returncode == 3, done.stderr
        assert f"stack:{nonce}" in done.stderr
        assert "not isolated" in done.stderr
        assert [order.nonce for order in view.all_live()] == [nonce]
    finally:
        cancel = f"{exchange.api_url}/v1/orders/cancel"
        httpx.post(cancel, json=signer.cancel_body(nonce)).raise_for_status()


def test_an_account_without_funds_is_refused(exchange: LocalExchange, view: MarketView) -> None:
    """The message says which account lacks what."""
    spare = exchange.deployment.maker.subaccount_ids[2]
    poor = replace(view.target, bot=Party(account=view.target.bot.account, subaccount_id=spare))
    poor_view = MarketView(poor)
    try:
        with pytest.raises(RefusedError, match=f"subaccount {spare} holds 0.00 cash and needs"):
            isolation.check_funded(poor_view, Decimal(1600), Decimal(10), 1)
    finally:
        poor_view.close()
    isolation.check_funded(view, Decimal(1600), Decimal(10), 3)


def test_an_account_of_somebody_else_is_refused(view: MarketView) -> None:
    """The subaccount must belong to the key it comes with."""
    isolation.check_identity(view)
    wrong = Party(account=view.target.taker.account, subaccount_id=view.target.bot.subaccount_id)
    wrong_view = MarketView(replace(view.target, taker=wrong))
    try:
        with pytest.raises(RefusedError, match="MM_INT_TAKER_SUBACCOUNT_ID"):
            isolation.check_identity(wrong_view)
    finally:
        wrong_view.close()


def test_clearing_takes_only_our_own_orders(exchange: LocalExchange, view: MarketView) -> None:
    """Both accounts' orders go; those of others and of other markets of ours stay."""
    signer, nonce = strangers_order(exchange)
    maker = view.target.bot.signer(exchange.deployment)
    far = exchange.futures[1]
    elsewhere = Signer(
        exchange.deployment,
        exchange.deployment.maker,
        subaccount_id=exchange.deployment.maker.subaccount_ids[1],
    )
    here = OrderTicket(instrument=exchange.spot, side="buy", price=Decimal(1001), size=Decimal(5))
    there = OrderTicket(instrument=far, side="buy", price=Decimal(900), size=Decimal("0.1"))
    view.api.place(maker.order_body(here))
    kept = elsewhere.order_body(there)
    view.api.place(kept)
    assert isolation.clear(view, QUICK) == 1
    assert [order.nonce for order in view.all_live()] == [nonce]
    assert view.api.order(kept["order_id"])["status"] == "active"
    view.api.cancel(elsewhere.cancel_body(int(kept["nonce"])))
    view.api.cancel(signer.cancel_body(nonce))


def test_an_interrupted_run_leaves_an_empty_market(
    exchange: LocalExchange, view: MarketView
) -> None:
    """Ctrl-C in the midst of a scenario: exit code 130, no bot and no order is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "integration_harness", "--stack", "env", "lost_reply"],
        env={"PATH": os.environ["PATH"], **foreign_environment(exchange)},
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until("the bot to quote", lambda: len(view.all_live()), lambda n: n == 2, Limits())
        process.send_signal(signal.SIGINT)
        _, progress = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, progress
    assert "the market is empty" in progress
    assert view.all_live() == ()
    with psycopg.connect(exchange.admin_database_url, autocommit=True) as connection:
        wait_until(
            "the bot's session to be over",
            lambda: connection.execute(_BOT_SESSIONS).fetchall(),
            lambda rows: not rows,
            QUICK,
        )


def test_a_foreign_stack_is_run_by_its_environment_alone(
    exchange: LocalExchange, view: MarketView
) -> None:
    """Exit code 0, one JSON line on standard output, a table, and an empty market."""
    done = run_harness(foreign_environment(exchange), "stale_startup")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    summary = orjson.loads(line)
    assert (summary["scenario"], summary["passed"]) == ("stale_startup", True)
    assert set(summary["rejection_reasons"].values()) == {"price_too_far_from_target"}
    assert "1 of 1 passed" in done.stderr
    assert view.all_live() == ()


@pytest.mark.parametrize("kind", ["spot", "future"])
def test_the_taker_may_receive_into_another_subaccount(exchange: LocalExchange, kind: str) -> None:
    """What it bought arrived there, and the chain agrees with the fills over both together."""
    instrument = exchange.spot if kind == "spot" else exchange.futures[0]
    taker = exchange.deployment.takers[0]
    with Chain(exchange.rpc_url, exchange.deployment) as chain:
        opened = chain.create_account("taker", taker.private_key, [Deposit()])
        (recipient_id,) = opened.subaccount_ids
        environment = foreign_environment(exchange, instrument.symbol)
        environment["MM_INT_TAKER_RECIPIENT_ID"] = str(recipient_id)
        done = run_harness(environment, "happy")
        assert done.returncode == 0, done.stderr
        assert chain.balances(recipient_id)
    what = "balances" if kind == "spot" else "positions"
    assert (
        f"the {what} on chain moved by exactly the fills" in orjson.loads(done.stdout)["verified"]
    )


def test_a_scenario_for_the_local_stack_alone_is_not_run_elsewhere(
    exchange: LocalExchange,
) -> None:
    """It fails and says where to run it."""
    done = run_harness(foreign_environment(exchange), "outage")
    assert done.returncode == 1
    assert "run it with --stack local" in orjson.loads(done.stdout)["error"]


def test_an_anchor_is_asked_for_where_there_is_none(exchange: LocalExchange) -> None:
    """An isolated market has no price: the run is refused and says what to set."""
    environment = foreign_environment(exchange)
    del environment["MM_ANCHOR_SOURCE_TYPE"]
    done = run_harness(environment, "happy")
    assert done.returncode == 3
    assert "refused: the bot has no anchor" in done.stderr


def test_a_foreign_stack_must_be_described_and_every_gap_is_named() -> None:
    """All that is missing is listed at once, and no key is shown."""
    key = "0x" + "11" * 31
    with pytest.raises(RefusedError) as refused:
        env_target({"MM_OWNER_PRIVATE_KEY": key, "MM_SUBACCOUNT_ID": "x"})
    text = str(refused.value)
    for name in (
        "MM_API_BASE_URL",
        "MM_RPC_URL",
        "DATABASE_URL",
        "MM_SUBACCOUNT_ID",
        "MM_INT_TAKER",
    ):
        assert name in text
    assert key not in text
    assert "MM_OWNER_PRIVATE_KEY='***': give 32 bytes" in text


def test_an_address_that_is_not_its_keys_is_refused() -> None:
    """Owner's and signer's alike; without a session key the owner signs."""
    key, other = "0x" + "11" * 32, "0x" + "22" * 20
    with pytest.raises(RefusedError) as refused:
        env_target(
            {
                "MM_OWNER_PRIVATE_KEY": key,
                "MM_SUBACCOUNT_ID": "1",
                "MM_OWNER_ADDRESS": other,
                "MM_SIGNER_ADDRESS": other,
            }
        )
    assert f"MM_OWNER_ADDRESS={other}: the key is of 0x" in str(refused.value)
    assert f"MM_SIGNER_ADDRESS={other}: the key is of 0x" in str(refused.value)


def test_the_scenario_may_be_named_by_the_environment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """MM_INT_SCENARIO is used where the command line names none, and wrong names are refused."""
    known = tuple(SCENARIOS)
    chosen = read_options([], {"MM_INT_SCENARIO": "happy,blink"}, known)
    assert chosen.scenarios == ("happy", "blink")
    limits = read_options(["happy"], {"MM_INT_POLL_INTERVAL_MS": "100"}, known).limits
    assert limits == Limits(timeout_seconds=120, poll_seconds=0.1)
    for arguments, environment in (
        ([], {}),
        (["nonsense"], {}),
        (["happy"], {"MM_INT_TIMEOUT_SECONDS": "never"}),
    ):
        with pytest.raises(SystemExit) as ended:
            read_options(arguments, environment, known)
        assert ended.value.code == 2
    assert "no such scenario: nonsense" in capsys.readouterr().err

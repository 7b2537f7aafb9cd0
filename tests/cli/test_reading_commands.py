"""What an operator reads: check, status, watch, orders, why, config, of two real bots."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.up import LocalExchange
from tests.cli.bench import run, wait_for
from tests.cli.conftest import Bots


def line(checks: list[dict[str, Any]], check: str) -> dict[str, Any]:
    """The line of that check."""
    (found,) = [each for each in checks if each["check"] == check]
    return found


def test_check_passes_for_a_healthy_bot_and_sends_nothing(bots: Bots) -> None:
    """Every line of a healthy bot's check is ok, skipped or a note, the exit code is 0, and the
    bot's orders are the same ones before and after."""
    before = {order["order_id"] for order in bots.healthy.status()["live"]}
    ran = run(bots.healthy.environment, "check", "--json")
    assert (ran.code, ran.json["passed"]) == (0, True), ran.out
    checks = ran.json["checks"]
    assert {each["result"] for each in checks} <= {"ok", "note", "skipped"}
    areas = {each["area"] for each in checks}
    wanted = {"settings", "here", "keys", "API", "node", "contracts", "Postgres", "market"}
    assert wanted <= areas
    assert "held by 'mm-bot USDCcNGN-SPOT" in line(checks, "one-writer lock")["detail"]
    assert [each["area"] for each in checks if each["check"] == "clock"] == [
        "API",
        "node",
        "Postgres",
    ]
    assert {order["order_id"] for order in bots.healthy.status()["live"]} == before


def test_check_notes_an_empty_balance(bots: Bots) -> None:
    """Without cNGN the check still passes, with a note that no bid can be quoted."""
    ran = run(bots.bare.environment, "check", "--json")
    assert ran.code == 0
    found = line(ran.json["checks"], "cNGN balance")
    assert found["result"] == "note"
    assert "no bid can be quoted" in found["detail"]


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"MM_HALF_SPREAD_BPS": "-1", "MM_ORDER_SIZE": "x"}, 2, "MM_ORDER_SIZE"),
        ({"MM_STRATEGY": "json:dumps"}, 2, "json:dumps"),
        ({"MM_RPC_URL": "http://127.0.0.1:9/v2/0123456789abcdef01"}, 4, "http://127.0.0.1:9 does"),
        ({"MM_DATABASE_URL": "postgres://bot:hunter2hunter2@127.0.0.1:9/x"}, 4, "login"),
        ({"MM_API_BASE_URL": "http://127.0.0.1:9"}, 4, "http://127.0.0.1:9 does not answer"),
        ({"MM_SUBACCOUNT_ID": "999999"}, 3, "subaccount 999999 does not exist"),
        (
            {"MM_CHAIN_ID": "8453", "MM_MATCHING_REPO_PATH": "", "MM_RISK_CORE_REPO_PATH": ""},
            3,
            "is of chain 31337, not 8453 (MM_CHAIN_ID)",
        ),
        ({"MM_MARKET_SYMBOL": "NONE-SPOT"}, 3, "listed are"),
        ({"MM_SIGNER_PRIVATE_KEY": "0x" + "d7" * 32}, 3, "was never registered"),
    ],
)
def test_check_tells_what_failed_by_its_exit_code(
    bots: Bots, changes: dict[str, str], code: int, told: str
) -> None:
    """Each kind of trouble has its exit code and names the thing; no secret is in the output."""
    here = {**bots.bare.environment, "MM_METRICS_ADDR": "127.0.0.1:0", **changes}
    ran = run(here, "check")
    assert ran.code == code, ran.out
    assert told in ran.out
    assert "0123456789abcdef01" not in ran.out
    if told == "MM_ORDER_SIZE":
        assert ran.out.count("FAILED") == 2, "every fault at once, and nothing after them"


def test_check_tells_a_tick_that_the_market_does_not_have(
    bots: Bots, exchange: LocalExchange
) -> None:
    """The market is not known then, and what needs it is skipped."""
    future = exchange.futures[0].symbol
    changes = {"MM_MARKET_SYMBOL": future, "MM_PRICE_TICK": "0.5", "MM_METRICS_ADDR": "127.0.0.1:0"}
    ran = run({**bots.bare.environment, **changes}, "check", "--json")
    assert ran.code == 2, ran.out
    fault = line(ran.json["checks"], "price tick")
    assert (fault["result"], "MM_PRICE_TICK is 0.5" in fault["detail"]) == ("failed", True)
    assert line(ran.json["checks"], "orders and balances")["result"] == "skipped"


def test_status_tells_what_is_quoted_and_why_not(bots: Bots) -> None:
    """Both sides of the healthy bot are held by orders; the bare one's bid has its reason."""
    healthy = run(bots.healthy.environment, "status")
    assert healthy.code == 0
    assert "ready  mode normal" in healthy.out
    assert healthy.out.count(" resting") == 4
    bare = run(bots.bare.environment, "status")
    assert "the available quote balance does not reach the smallest order" in bare.out
    assert run(bots.bare.environment, "status", "--json").json["missing"][0]["left"] == "0"


def test_status_of_nobody_says_where_it_looked(bots: Bots) -> None:
    """Where no bot answers the exit code is 4 and the address is named, also as JSON."""
    ran = run(bots.healthy.environment, "status", "--url", "127.0.0.1:9", "--json")
    assert (ran.code, ran.json["exit_code"]) == (4, 4)
    assert "no bot answers at http://127.0.0.1:9" in ran.json["error"]
    assert run(bots.healthy.environment, "status", "--url", "ftp://x").code == 2


def test_watch_draws_until_it_is_told_to_end(bots: Bots) -> None:
    """`watch` draws the same tables; as JSON it is one line for each look."""
    drawn = run(bots.healthy.environment, "watch", "--times", "2", "--every", "0.1")
    assert drawn.code == 0
    assert "wanted quotes and what holds them" in drawn.out
    lines = run(bots.healthy.environment, "watch", "--times", "3", "--every", "0.1", "--json")
    assert len(lines.out.splitlines()) == 3


def test_orders_lists_each_row_with_its_owner(bots: Bots) -> None:
    """`orders` shows exactly the bot's live orders, each classified."""
    live = {order["order_id"] for order in bots.healthy.status()["live"]}
    told = run(bots.healthy.environment, "orders", "--json").json["orders"]
    assert {order["order_id"] for order in told} == live
    assert {order["ownership"] for order in told} == {"managed"}
    assert "ours to replace and cancel" in run(bots.healthy.environment, "orders").out


def test_why_explains_a_quote_to_its_last_digit(bots: Bots) -> None:
    """The steps end in the price and size that the bot really wants, skew arithmetic included."""
    told = run(bots.healthy.environment, "why", "bid", "--json").json
    wanted = [w for w in bots.healthy.status()["wanted"] if w["side"] == "buy"]
    steps = {step["step"]: step for step in told["steps"]}
    assert "chosen" in steps["candidate anchor"]["says"]
    skew = Decimal(15) * 100_000 / 105_000
    assert abs(Decimal(steps["skew"]["numbers"]["skew_bps"]) - skew) < Decimal("0.0001")
    for level in wanted:
        index = level["level"]
        assert steps[f"price level {index}"]["numbers"]["price"] == level["price"]
        assert steps[f"size level {index}"]["numbers"]["size"] == level["size"]
        assert "is kept" in steps[f"order level {index}"]["says"]
    assert "the bot decided" not in str(told["steps"])
    assert told["verdict"].startswith("bid 100 at ")
    assert "mode normal: rests 100" in told["running_bot"]


def test_why_explains_a_missing_side_by_the_number_that_bound_it(bots: Bots) -> None:
    """Without cNGN there is no bid: the cutting bound, what was left of it, and the ask is told."""
    bid = run(bots.bare.environment, "why", "bid", "--json").json
    steps = {step["step"]: step for step in bid["steps"]}
    assert steps["bound available_quote_balance"]["numbers"]["left"] == "0"
    assert "cut by available_quote_balance" in steps["size level 0"]["says"]
    assert bid["verdict"].startswith("no bid: available_quote_balance")
    ask = run(bots.bare.environment, "why", "ask")
    assert "fits and is kept" in ask.out
    assert "clamp(500 / 1000, -1, 1) x 15 = 7.5 bps" in ask.out


def test_why_is_the_running_bots_own_word(bots: Bots) -> None:
    """What it last decided, whatever the settings here say; where none answers, what a start would
    decide by these settings and the state file, a pause that is saved there included."""
    here = {**bots.healthy.environment, "MM_HALF_SPREAD_BPS": "99", "MM_SHOCK_BPS": "200"}
    told = run(here, "why", "bid", "--json").json
    assert "half-spread 25 bps" in str(told["steps"])
    assert told["verdict"].startswith("bid 100 at ")
    known = Path(here["MM_STATE_FILE"])
    state = json.loads(known.read_text())
    state["strategy"]["shock"] = (time.time_ns() // 1_000_000) + 20_000
    saved = known.with_name("paused.json")
    saved.write_text(json.dumps(state))
    alone = run({**here, "MM_STATE_FILE": str(saved)}, "why", "bid", "--url", "127.0.0.1:9")
    assert "half-spread 99 bps" in alone.out
    assert "price shock; ends when MM_SHOCK_PAUSE_SECONDS are over" in alone.out
    assert "[source before the restart, moved_bps 0, limit_bps 200, calm_in_ms " in alone.out
    assert "no bid: halted" in alone.out
    assert "none of this market and subaccount at http://127.0.0.1:9" in alone.out
    assert json.loads(saved.read_text()) == state, "it is only read"


def test_config_masks_secrets_and_lists_faults(bots: Bots) -> None:
    """Values in force with their origin; with a broken setting they are still shown, and exit 2."""
    whole = run(bots.healthy.environment, "config", "--json").json["settings"]
    values = {each["name"]: each for each in whole}
    assert values["MM_OWNER_PRIVATE_KEY"]["value"] == "***"
    assert values["MM_HALF_SPREAD_BPS"] | {"name": ""} == {
        "name": "",
        "value": "25",
        "origin": "default",
    }
    broken = {**bots.healthy.environment, "MM_ORDER_SIZE": "-1"}
    ran = run(broken, "config", "--set")
    assert ran.code == 2
    assert "fault: MM_ORDER_SIZE" in ran.out
    assert "default" not in ran.out.splitlines()[1]


def test_fills_are_told_by_table_status_and_page(bots: Bots, exchange: LocalExchange) -> None:
    """A taker lifts part of the best ask: `fills` shows that row of Postgres, and the bot's status
    the same fill with what it captured."""
    bot = bots.healthy
    best = min((o for o in bot.status()["live"] if o["side"] == "sell"), key=lambda o: o["price"])
    taker = Signer(exchange.deployment, exchange.deployment.takers[0])
    through = (Decimal(best["price"]) * Decimal("1.0005")).quantize(Decimal("0.01"))
    ticket = OrderTicket(
        instrument=exchange.spot, side="buy", price=through, size=Decimal(40), lifetime_seconds=20
    )
    with ExchangeClient(exchange.api_url) as client:
        client.place(taker.order_body(ticket))
        wait_for(lambda: bool(bot.status()["recent_fills"]), "the bot saw its fill", 10)
    told = run(bot.environment, "fills", "--json", "--last", "5").json["fills"]
    mine = [fill for fill in told if fill["side"] == "sell"]
    assert mine[0]["role"] == "maker"
    (noted,) = (f for f in bot.status()["recent_fills"] if f["trade_id"] == mine[0]["trade_id"])
    for name in ("order_id", "price", "size", "notional_cngn"):
        assert noted[name] == mine[0][name]
    assert Decimal(noted["captured_bps"]) > 5
    assert mine[0]["price"] in run(bot.environment, "fills").out
    assert run(bot.environment, "fills", "--last", "0").code == 2

"""A real bot's journal, read by the commands as an operator gives them."""

from __future__ import annotations

import json
from pathlib import Path

from integration_harness.stack.deployment import Account
from integration_harness.stack.up import LocalExchange
from tests.cli.bench import environment_of, run, running


def test_a_bot_s_decisions_are_made_again_and_its_orders_told(
    exchange: LocalExchange, operator: Account, tmp_path: Path
) -> None:
    """The bot places and, at its end, cancels two quotes: every decision replays, the life of each
    order ends with its cancel, and no secret and no signature is in the journal."""
    journal = tmp_path / "journal"
    environment = environment_of(
        exchange,
        operator.subaccount_ids[2],
        tmp_path,
        MM_JOURNAL_DIR=str(journal),
        MM_CANCEL_ON_SHUTDOWN="true",
    )
    with running(environment, tmp_path) as bot:
        orders = [each["order_id"] for each in bot.status()["live"]]
    assert len(orders) == 2
    ran = run(environment, "replay", str(journal), "--json")
    assert (ran.code, ran.json["different"]) == (0, 0), ran.out + ran.err
    assert ran.json["decisions"] >= 2
    for order_id in orders:
        told = run(environment, "why", order_id, "--json").json["events"]
        assert [told[0]["what"], told[-1]["what"]] == ["placed", "cancel"], json.dumps(told)
        assert "accepted" in told[0]["says"]
    assert run(environment, "why", "nonsense").code == 2

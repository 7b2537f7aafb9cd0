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
        assert told[0]["what"] == "placed", json.dumps(told)
        # Where a cycle that decided something came after it, the row it read is told, too.
        assert "cancel" in {each["what"] for each in told[-2:]}, json.dumps(told)
        assert "accepted" in told[0]["says"]
    assert run(environment, "why", "nonsense").code == 2
    (file,) = journal.iterdir()
    whole = file.read_bytes()
    for bent, says in (
        (whole[:-1] + bytes([whole[-1] ^ 1]), "checksum"),
        (b"{}" + whole[2:], "no journal"),
        (b"", "no decision is in it"),
    ):
        file.write_bytes(bent)
        ran = run(environment, "replay", str(journal))
        assert (ran.code, "settings" in ran.err) == (7, False), ran.err
        assert says in ran.err
    file.write_bytes(whole[:-20])
    assert run(environment, "replay", str(journal), "--json").json["without_end"] == [file.name]
    assert run(environment, "why", orders[0], "--journal", str(tmp_path / "none")).code == 2

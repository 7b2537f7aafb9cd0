"""What an operator changes in a running bot: pause, resume, the mode's control file."""

from __future__ import annotations

from pathlib import Path

from integration_harness.stack.deployment import Account
from integration_harness.stack.up import LocalExchange
from tests.cli.bench import environment_of, run, running, wait_for
from tests.cli.conftest import Bots


def test_pause_empties_the_book_and_resume_quotes_again(bots: Bots) -> None:
    """`pause` returns once the bot says it is halted and holds no order; `resume` brings back
    both sides. The file is what does it, and a second `pause` changes nothing."""
    bot = bots.healthy
    paused = run(bot.environment, "pause", "--json")
    assert paused.code == 0, paused.out
    assert paused.json["bot"] == {
        "halted_by_kill_switch": True,
        "live_orders": 0,
        "ready": False,
        "not_ready_because": ["kill switch active"],
    }
    (halt,) = bot.status()["halts"]
    assert "mm-bot resume" in halt["ends_when"]
    assert run(bot.environment, "pause", "--json").json["changed"] is False
    assert run(bot.environment, "why", "bid", "--json").json["verdict"] == "no bid: halted"
    assert run(bot.environment, "resume").code == 0
    wait_for(lambda: len(bot.status()["live"]) == 4, "both sides are back")


def test_pause_names_the_setting_it_lacks(bots: Bots) -> None:
    """Without MM_KILL_SWITCH_FILE both commands end with 2 and say what to set; a broken setting
    elsewhere does not keep anybody from pausing."""
    bare = {k: v for k, v in bots.bare.environment.items() if k != "MM_KILL_SWITCH_FILE"}
    for command in ("pause", "resume"):
        ran = run(bare, command)
        assert ran.code == 2
        assert "MM_KILL_SWITCH_FILE is not set" in ran.err
    broken = {**bots.bare.environment, "MM_ORDER_SIZE": "-1"}
    assert run(broken, "pause").code == 0
    assert run(broken, "resume").code == 0


def test_the_control_file_changes_the_mode_in_flight(bots: Bots) -> None:
    """The file's mode holds from the next cycle on, is logged with old and new, a mistake in it
    changes nothing and is told once, and without it the settings' mode is back."""
    bot = bots.healthy
    file = Path(bot.environment["MM_OPERATOR_MODE_FILE"])
    file.write_text("ask-only\n")
    wait_for(lambda: {o["side"] for o in bot.status()["live"]} == {"sell"}, "only asks rest")
    assert bot.status()["control"]["mode_from"] == "control file"
    file.write_text("sideways")
    wait_for(lambda: bool(bot.status()["control"]["problem"]), "the mistake is told")
    assert bot.status()["mode"] == "ask-only"
    file.write_text("dry-run-health")
    wait_for(lambda: bot.status()["mode"] == "dry-run-health", "health only")
    assert {o["side"] for o in bot.status()["live"]} == {"sell"}
    file.unlink()
    wait_for(lambda: len(bot.status()["live"]) == 4, "both sides are back")
    changes = [(each["old"], each["new"]) for each in bot.logged("operator_mode")]
    assert changes == [
        ("normal", "ask-only"),
        ("ask-only", "dry-run-health"),
        ("dry-run-health", "normal"),
    ]
    (told,) = bot.logged("operator_mode.invalid")
    assert "'sideways', not one of normal, bid-only" in told["note"]


def test_a_bot_begun_in_dry_run_health_refuses_to_quote(
    exchange: LocalExchange, operator: Account, tmp_path: Path
) -> None:
    """Begun in dry-run-health by its file, it has no lock: another mode is refused with the remedy
    in log and status, and nothing is placed."""
    environment = environment_of(exchange, operator.subaccount_ids[2], tmp_path)
    file = Path(environment["MM_OPERATOR_MODE_FILE"])
    file.write_text("dry-run-health")
    with running(environment, tmp_path) as bot:
        assert bot.status()["takes_lock"] is False
        file.write_text("normal")
        wait_for(lambda: bool(bot.logged("operator_mode.refused")), "it says no")
        assert "restart it" in bot.status()["control"]["problem"]
        assert bot.status()["mode"] == "dry-run-health"
        assert run(environment, "orders", "--json").json["orders"] == []

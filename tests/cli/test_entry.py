"""The way in: which words start what, how quickly, and what is kept out of the way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mm_bot.cli.main import parser
from tests.cli.bench import run, start

SECRETS = {
    "MM_OWNER_PRIVATE_KEY": "0x" + "a9" * 32,
    "MM_SIGNER_PRIVATE_KEY": "5b" * 32,
    "MM_DATABASE_URL": "postgres://bot:pass%2Fword-of-bot@127.0.0.1:9/x",
    "MM_RPC_URL": "http://127.0.0.1:9/v3/9f8e7d6c5b4a39281706",
    "MM_API_BASE_URL": "http://127.0.0.1:9",
    "MM_SUBACCOUNT_ID": "1",
    "MM_METRICS_ADDR": "127.0.0.1:9",
}
COMMANDS = (
    ("check",),
    ("status",),
    ("watch", "--times", "1"),
    ("orders",),
    ("fills",),
    ("why", "bid"),
    ("cancel-all", "--within", "0.1"),
    ("config",),
)


def test_without_a_word_the_bot_starts_from_the_environment() -> None:
    """No argument and `run` are the same, and neither imports the command line on its way."""
    for words in ((), ("run",), ("run", "--json")):
        ran = start({}, *words)
        assert ran.code == 2
        assert "MM_API_BASE_URL is not set" in ran.err
    script = "import sys; sys.argv = ['mm-bot']\nfrom mm_bot.__main__ import main\nmain()\n"
    slow = ["argparse", "httpx", "psycopg", "rich", "prometheus_client", "mm_bot.cli"]
    script += f"print([m for m in {slow} if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", script], env={}, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_help_names_every_command_and_code() -> None:
    """`--help` lists all commands; a word that is none is refused with 2."""
    ran = start({}, "--help")
    assert ran.code == 0
    for command in ("run", "check", "watch", "why", "cancel-all", "pause", "resume", "demo"):
        assert f"    {command}" in ran.out
    assert "5 orders may still be live" in " ".join(ran.out.split())
    assert start({}, "quote").code == 2
    assert start({}, "run", "fast").code == 2


def test_every_command_takes_json() -> None:
    """`--json` is an option of each command."""
    for words in (*COMMANDS, ("run",), ("pause",), ("resume",), ("demo",)):
        assert parser().parse_args([*words, "--json"]).json is True


@pytest.mark.parametrize("words", COMMANDS)
def test_a_failing_command_prints_no_secret(words: tuple[str, ...]) -> None:
    """With nothing there to talk to, and again with faults in the settings, each command ends with
    its code, names what failed, and prints no key, password or key in a URL."""
    ran = run(SECRETS | {"MM_CHAIN_ID": "8453"}, *words)
    assert ran.code == {"config": 0, "cancel-all": 5}.get(words[0], 4), ran.out + ran.err
    broken = run(SECRETS | {"MM_ORDER_SIZE": SECRETS["MM_OWNER_PRIVATE_KEY"]}, *words, "--json")
    assert broken.code == {"status": 4, "watch": 4}.get(words[0], 2), broken.out
    for printed in (ran.out + ran.err, broken.out + broken.err):
        for secret in ("9f8e7d6c5b4a39281706", "pass/word-of-bot", "pass%2Fword-of-bot"):
            assert secret not in printed

"""What harness and local exchange are told: every fault at once, and never a key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from integration_harness.foreign import env_target
from integration_harness.scenarios import SCENARIOS
from integration_harness.settings import read_options
from integration_harness.stack.settings import ApiSettings, MatcherSettings, read
from integration_harness.target import RefusedError
from integration_harness.variables import VariablesError

KEY = "0x" + "11" * 32
MARKETS = json.dumps([{"symbol": "S", "kind": "spot", "asset_address": "0xa", "sub_id": 0}])


def test_every_fault_of_a_process_is_told_with_a_remedy() -> None:
    """Missing, wrong, unknown and contradicting variables come in one message."""
    with pytest.raises(VariablesError) as refused:
        read(
            ApiSettings,
            {
                "STACK_DATABASE_URL": "",
                "STACK_API_HOST": "0.0.0.0",
                "STACK_API_PORT": "-1",
                "STACK_CHECK_CUSTODY": "maybe",
                "STACK_CLOCK": "2026-01-01T00:00:00",
                "STACK_MARKETS": MARKETS,
                "STACK_POLL_SIZE": "3",
            },
        )
    assert str(refused.value).splitlines() == [
        "STACK_DATABASE_URL is not set",
        "STACK_CLOCK='2026-01-01T00:00:00': give a time zone, such as a final Z",
        "STACK_API_HOST='0.0.0.0': input should be '127.0.0.1', '::1' or 'localhost'",
        "STACK_API_PORT='-1': input should be greater than or equal to 0",
        "STACK_CHECK_CUSTODY='maybe': input should be a valid boolean, unable to interpret input",
        "STACK_POLL_SIZE is not known: did you mean STACK_POOL_SIZE?",
    ]
    with pytest.raises(VariablesError, match="STACK_EXECUTOR_ADDRESS is not set"):
        read(MatcherSettings, {"STACK_DATABASE_URL": "postgres://x", "STACK_MARKETS": MARKETS})


def test_a_process_reads_what_it_is_told() -> None:
    """Aliases, cases and off-values are taken; the rest has its default."""
    settings = read(
        ApiSettings,
        {
            "STACK_DATABASE_URL": "postgres://x",
            "STACK_API_PORT": "8000",
            "STACK_MARKETS": MARKETS,
            "STACK_SUBACCOUNTS_ADDRESS": "0xAB",
            "STACK_CHECK_CUSTODY": "0",
            "STACK_CLOCK": "2026-01-01T00:00:00Z",
        },
    )
    assert (settings.host, settings.port, settings.chain_id) == ("127.0.0.1", 8000, 31337)
    assert (settings.sub_accounts_address, settings.check_custody) == ("0xab", False)
    assert (settings.instruments[0].symbol, settings.verify_signatures) == ("S", True)
    assert settings.clock.now_seconds() == 1767225600


def test_a_run_with_wrong_variables_ends_and_names_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A number that is none and a name with a typing mistake, in one message; exit code 2."""
    environment = {"MM_INT_POLL_INTERVAL_MS": "5", "MM_INT_TAKER_SUBACOUNT_ID": "7"}
    with pytest.raises(SystemExit) as ended:
        read_options(["happy"], environment, tuple(SCENARIOS))
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "MM_INT_POLL_INTERVAL_MS='5': input should be greater than or equal to 10" in told
    assert "MM_INT_TAKER_SUBACOUNT_ID is not known: did you mean MM_INT_TAKER_SUBACCOUNT_ID?" in (
        told
    )


def test_no_message_has_a_key(tmp_path: Path) -> None:
    """Not one that is too short, in the place of a number, or in a keystore that does not open."""
    keystore, password = tmp_path / "keystore", tmp_path / "password"
    keystore.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY[2:]), "right", iterations=2)))
    password.write_text("wrong\n")
    environment = {
        "MM_OWNER_PRIVATE_KEY": KEY[:-12],
        "MM_SUBACCOUNT_ID": KEY,
        "MM_INT_TAKER_OWNER_KEYSTORE_FILE": str(keystore),
        "MM_INT_TAKER_OWNER_KEYSTORE_PASSWORD_FILE": str(password),
    }
    with pytest.raises(RefusedError) as refused:
        env_target(environment)
    told = str(refused.value)
    assert "11" * 10 not in told
    assert "MM_OWNER_PRIVATE_KEY='***': give 32 bytes in hex" in told
    assert "MM_SUBACCOUNT_ID='***': " in told
    assert "MM_INT_TAKER_OWNER_KEYSTORE_FILE='***': it cannot be opened with its password" in told
    password.write_text("right\n")
    with pytest.raises(RefusedError) as refused:
        env_target(environment)
    assert "MM_INT_TAKER_OWNER" not in str(refused.value)

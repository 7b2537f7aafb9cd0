"""Where settings come from: the venue's own names, a file beside the environment, and secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Secret, SecretStr

from mm_bot.__main__ import main
from mm_bot.fields.kinds import API_KEY
from mm_bot.fields.model import Model, Section, is_secret, variable
from mm_bot.fields.secrets import secret_texts
from mm_bot.settings import VARIABLES, load, process_environment, secrets
from tests.settings.test_settings import KEY, REQUIRED, fault, settings


def test_an_unknown_venue_is_a_fault_that_lists_the_valid_ones() -> None:
    """Only what there is a folder for can be chosen, or a module of one's own."""
    assert settings(MM_VENUE="numo").venue_config == settings().venue_config
    assert fault(MM_VENUE="elsewhere") == (
        "MM_VENUE is 'elsewhere': give one of numo, derive, ethereal, coinbase, or the import path "
        "`package.module` of your own"
    )


def test_a_file_beside_the_bot_fills_what_the_environment_leaves_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`.env` in the working folder is read; the environment wins; `config` tells them apart."""
    lines = [f"{name}='{value}'" for name, value in REQUIRED.items()]
    text = "\n".join([*lines, "MM_ORDER_SIZE=7", "MM_QUOTE_LEVELS=1", "OTHERS=1"])
    (tmp_path / ".env").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MM_ORDER_SIZE", "9")
    environment = process_environment()
    assert "OTHERS" not in environment
    effective = {each.name: each for each in load(environment).effective()}
    assert effective["MM_ORDER_SIZE"][1:] == ("9", "environment")
    assert effective["MM_QUOTE_LEVELS"][1:] == ("1", ".env")
    assert effective["MM_HALF_SPREAD_BPS"].origin == "default"
    monkeypatch.setattr("sys.argv", ["mm-bot", "config", "--set", "--json"])
    assert main() == 0
    told = {
        each["name"]: each["origin"] for each in json.loads(capsys.readouterr().out)["settings"]
    }
    assert told.keys() == {*REQUIRED, "MM_ORDER_SIZE", "MM_QUOTE_LEVELS"}


def test_a_file_that_is_no_text_is_a_fault_with_its_name(tmp_path: Path) -> None:
    """A broken `.env` ends every command before anything is read of it: exit code 2."""
    (tmp_path / ".env").write_bytes(b"MM_ORDER_SIZE=\xff\n")
    for words in ([], ["config"]):
        command = [sys.executable, "-m", "mm_bot", *words]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert ".env cannot be read" in ended.stdout + ended.stderr


def test_every_secret_field_is_kept_out_of_the_log_without_being_listed() -> None:
    """Whatever a model types as secret is, so that a new key cannot be forgotten."""

    class Later(Model):
        key: Annotated[SecretStr | None, API_KEY] = variable("MM_LATER_KEY", "A key.")

    found = secret_texts({"MM_LATER_KEY": "Bearer abc"}, Section(model=Later).variables, "MM_")
    assert {"Bearer abc", "abc"} <= set(found)
    named = {name for name in VARIABLES if name.endswith(("_PRIVATE_KEY", "_API_KEY"))}
    assert len(named) == 7
    assert {name for name, each in VARIABLES.items() if each.secret} == named
    assert is_secret(Secret[bytes] | None)
    assert not is_secret(str | None)


def test_a_secret_of_another_venue_is_kept_out_too() -> None:
    """Of a venue that is named by its import path, before anything else is known to be sound."""
    assert "theirs" in set(secrets({"MM_VENUE": "tests.toy.settings", "MM_TOY_KEY": "theirs"}))


def test_a_market_s_name_in_a_url_is_no_secret() -> None:
    """A key in a query is; what only names the market, and would blank out the log, is not."""
    url = "http://h/price?market=USDCcNGN-SPOT&key=0123456789"
    environment = REQUIRED | {"MM_ANCHOR_URL": url}
    found = set(secrets(environment, load(environment)))
    assert "0123456789" in found
    assert "USDCcNGN-SPOT" not in found
    assert KEY in found

"""Where settings come from: the venue's own names, and secrets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Secret, SecretStr

from mm_bot.fields.kinds import SECRET
from mm_bot.fields.model import Model, Section, is_secret, variable
from mm_bot.settings import VARIABLES, load, secrets
from mm_bot.settings.secrets import secret_texts
from tests.settings.test_settings import KEY, REQUIRED, fault, settings


def test_an_unknown_venue_is_a_fault_that_lists_the_valid_ones() -> None:
    """Only what there is a folder for can be chosen."""
    assert settings(MM_VENUE="numo").venue_config == settings().venue_config
    assert fault(MM_VENUE="elsewhere") == "MM_VENUE is 'elsewhere': give one of numo"


def test_every_secret_field_is_kept_out_of_the_log_without_being_listed() -> None:
    """Whatever a model types as secret is, so that a new key cannot be forgotten."""

    class Later(Model):
        key: Annotated[SecretStr | None, SECRET] = variable("MM_LATER_KEY", "A key.")

    found = secret_texts({"MM_LATER_KEY": "Bearer abc"}, Section(model=Later).variables, "MM_")
    assert {"Bearer abc", "abc"} <= set(found)
    named = {name for name in VARIABLES if name.endswith(("_PRIVATE_KEY", "_API_KEY"))}
    assert len(named) == 7
    assert {name for name, each in VARIABLES.items() if each.secret} == named
    assert is_secret(Secret[bytes] | None)
    assert not is_secret(str | None)


def test_a_market_s_name_in_a_url_is_no_secret() -> None:
    """A key in a query is; what only names the market, and would blank out the log, is not."""
    url = "http://h/price?market=USDCcNGN-SPOT&key=0123456789"
    environment = REQUIRED | {"MM_ANCHOR_URL": url}
    found = set(secrets(environment, load(environment)))
    assert "0123456789" in found
    assert "USDCcNGN-SPOT" not in found
    assert KEY in found

"""The variables of running one bot, and the names that the live scenarios read beside it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

from pydantic import Secret

from mm_bot.core.policy import OperatorMode
from mm_bot.fields.kinds import (
    ACCOUNT_ID,
    ADDRESS,
    BOOLEAN,
    PATH,
    PRIVATE_KEY,
    REDIS_URL,
    SECONDS,
    Kind,
    member_of,
    token,
    whole,
)
from mm_bot.fields.model import Model, Reading, variable
from mm_bot.fields.texts import refuse

VENUES = {
    "numo": "mm_bot.venues.numo.resolve",
    "derive": "mm_bot.venues.derive.settings",
    "ethereal": "mm_bot.venues.ethereal.settings",
    "coinbase": "mm_bot.venues.coinbase.settings",
}
"""By the name that chooses it: the module that has its `SECTION` and `resolve`."""
DEFAULT_VENUE = "numo"
_VENUE_HAS = ("SECTION", "resolve", "build")


def venue_path(name: str) -> str:
    """The module of a venue's name, or the path that an exchange of one's own is named by."""
    return VENUES.get(name, name)


def _venue(text: str) -> str:
    if (word := text.lower()) in VENUES:
        return word
    try:
        module = import_module(text) if "." in text.strip(".") else None
    except ImportError as error:
        refuse(f"{_VENUE_TAKES} ({error})")
    if module is None:
        refuse(_VENUE_TAKES)
    lacking = [name for name in _VENUE_HAS if not hasattr(module, name)]
    return refuse(f"{_VENUE_TAKES} with {', '.join(lacking)}") if lacking else text


_VENUE_TAKES = f"one of {', '.join(VENUES)}, or the import path `package.module` of your own"


class MarketSettings(Model, title="The market"):
    venue: Annotated[str, Kind(takes=_VENUE_TAKES, parse=_venue)] = variable(
        "MM_VENUE",
        "The exchange; its own variables are known only where it is chosen.",
        default=DEFAULT_VENUE,
    )
    market_symbol: Annotated[
        str, token("a symbol of letters, digits, '-', '_' and '.'", r"[A-Za-z0-9._-]{1,48}")
    ] = variable("MM_MARKET_SYMBOL", "The one market of this process.", default="USDCcNGN-SPOT")


class RunSettings(Model, title="Operation"):
    mode: Annotated[OperatorMode, member_of(OperatorMode)] = variable(
        "MM_OPERATOR_MODE",
        "Which sides to quote; pause cancels and holds, dry-run-health sends nothing.",
        default="normal",
    )
    operator_mode_file: Annotated[Path | None, PATH] = variable(
        "MM_OPERATOR_MODE_FILE",
        "A mode in this file holds instead, also in flight; no file, or an empty one, changes "
        "nothing.",
    )
    dry_run: Annotated[bool, BOOLEAN] = variable(
        "MM_DRY_RUN", "Decide and log all, send nothing.", default="false"
    )
    state_file: Annotated[Path, PATH] = variable(
        "MM_STATE_FILE",
        "Where nonces, books and signatures are kept; each bot its own.",
        default=".mm-bot-state.json",
    )
    redis_url: Annotated[str | None, REDIS_URL] = variable(
        "MM_REDIS_URL",
        "A Redis that gets a copy of the state and the last quote; never waited for.",
    )
    redis_key_prefix: Annotated[str, token("a prefix", r"[A-Za-z0-9:._-]{1,64}")] = variable(
        "MM_REDIS_KEY_PREFIX", "Before every key of it.", default="mm:"
    )
    kill_switch_file: Annotated[Path | None, PATH] = variable(
        "MM_KILL_SWITCH_FILE", "While this file exists all our orders are cancelled."
    )
    journal_dir: Annotated[Path | None, PATH] = variable(
        "MM_JOURNAL_DIR",
        "Folder of the decision journal, which `mm-bot replay` and `why ORDER_ID` read.",
    )
    cancel_on_shutdown: Annotated[bool, BOOLEAN] = variable(
        "MM_CANCEL_ON_SHUTDOWN", "Cancel our orders at the end, and verify it.", default="false"
    )
    wait_for_lock: Annotated[bool, BOOLEAN] = variable(
        "MM_WAIT_FOR_LOCK", "Wait for another bot of this market to end.", default="false"
    )
    poll_interval_ms: Annotated[int, whole("milliseconds", least=10)] = variable(
        "MM_POLL_INTERVAL_MS",
        "From cycle to cycle, and from read to read of each anchor.",
        default="2000",
    )


def check_files(reading: Reading, run: RunSettings) -> None:
    """The kill switch must not be what the bot writes itself."""
    if run.kill_switch_file and run.kill_switch_file == run.state_file:
        reading.fault("MM_KILL_SWITCH_FILE", "MM_STATE_FILE is the same file: give another")


class ScenarioSettings(
    Model, title="Live scenarios (read by `integration_harness`, not by the bot)"
):
    """Known to the bot so that a typo in one is seen."""

    taker_owner_private_key: Annotated[Secret[bytes] | None, PRIVATE_KEY] = variable(
        "MM_INT_TAKER_OWNER_PRIVATE_KEY", "The taker's key."
    )
    taker_signer_private_key: Annotated[Secret[bytes] | None, PRIVATE_KEY] = variable(
        "MM_INT_TAKER_SIGNER_PRIVATE_KEY", "The taker's session key.", absent="the taker's key"
    )
    taker_owner_address: Annotated[str | None, ADDRESS] = variable(
        "MM_INT_TAKER_OWNER_ADDRESS", "Checked against the key.", absent="that of the key"
    )
    taker_signer_address: Annotated[str | None, ADDRESS] = variable(
        "MM_INT_TAKER_SIGNER_ADDRESS", "Checked against the key.", absent="that of the key"
    )
    taker_subaccount_id: Annotated[int | None, ACCOUNT_ID] = variable(
        "MM_INT_TAKER_SUBACCOUNT_ID", "The taker's subaccount."
    )
    taker_recipient_id: Annotated[int | None, ACCOUNT_ID] = variable(
        "MM_INT_TAKER_RECIPIENT_ID", "Receives what the taker buys.", absent="the same"
    )
    scenario: Annotated[str | None, token("scenario names", r"[a-z0-9_, ]+")] = variable(
        "MM_INT_SCENARIO", "Which scenarios to run."
    )
    timeout_ms: Annotated[int, SECONDS] = variable(
        "MM_INT_TIMEOUT_SECONDS", "Longest wait for anything.", default="120"
    )
    poll_interval_ms: Annotated[int, whole("milliseconds", least=10)] = variable(
        "MM_INT_POLL_INTERVAL_MS", "From look to look.", default="250"
    )

"""The names of the settings: all of them known, typos found, each listed for people."""

from __future__ import annotations

import subprocess
import sys

from mm_bot.settings import VARIABLES, markdown
from tests.settings.test_settings import fault, settings

NAMES = """
MM_API_BASE_URL MM_RPC_URL MM_DATABASE_URL DATABASE_URL MM_CHAIN_ID MM_OWNER_PRIVATE_KEY
MM_SUBACCOUNT_ID MM_MARKET_SYMBOL MM_SIGNER_PRIVATE_KEY MM_OWNER_ADDRESS MM_SIGNER_ADDRESS
MM_RECIPIENT_ID MM_MATCHING_REPO_PATH MM_RISK_CORE_REPO_PATH MM_MATCHING_ADDRESS
MM_TRADE_MODULE_ADDRESS MM_SUBACCOUNTS_ADDRESS MM_WORST_FEE MM_ORDER_EXPIRY_SECONDS MM_STATE_FILE
MM_POLL_INTERVAL_MS MM_QUOTE_REFRESH_INTERVAL_MS MM_ORDER_SIZE MM_HALF_SPREAD_BPS
MM_INVENTORY_SKEW_BPS MM_MAX_LONG_INVENTORY MM_MAX_SHORT_INVENTORY MM_MAX_NOTIONAL_PER_SIDE
MM_MAX_NET_INVENTORY MM_MAX_QUOTE_AGE_SECONDS MM_MAX_ANCHOR_DEVIATION_BPS
MM_STALE_MARKET_DATA_TIMEOUT_SECONDS MM_STALE_BALANCE_TIMEOUT_SECONDS
MM_STALE_ANCHOR_TIMEOUT_SECONDS MM_MIN_QUOTE_LIFETIME_SECONDS MM_MIN_PRICE_MOVE_BEFORE_REPLACE_BPS
MM_MAX_CANCELS_PER_MINUTE MM_MIN_BASE_BALANCE MM_MIN_QUOTE_BALANCE
MM_CANCEL_STALE_ORDER_THRESHOLD_BPS MM_ADOPT_SIZE_TOLERANCE MM_OPERATOR_MODE MM_OPERATOR_MODE_FILE
MM_ANCHOR_SOURCE_TYPE MM_ANCHOR_URL MM_ANCHOR_FIXED_PRICE MM_KILL_SWITCH_FILE MM_DRY_RUN
MM_LOG_LEVEL MM_METRICS_ADDR MM_READINESS_MISSING_QUOTE_TIMEOUT_SECONDS
MM_SOAK_LOG_INTERVAL_SECONDS MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_ENABLED
MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_PROVIDER MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_BASE_URL
MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_API_KEY MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_CHAIN_ID
MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_SELL_TOKEN MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_BUY_TOKEN
MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_AMOUNT MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_TIMEOUT_MS
MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_MAX_AGE_SECONDS
MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_MAX_DEVIATION_BPS MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_BOOTSTRAP_ONLY
MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_SPREAD_MULTIPLIER MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_SIZE_MULTIPLIER
MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_RPC_URL MM_INT_TAKER_OWNER_PRIVATE_KEY
MM_INT_TAKER_SUBACCOUNT_ID MM_INT_TAKER_SIGNER_PRIVATE_KEY MM_INT_TAKER_OWNER_ADDRESS
MM_INT_TAKER_SIGNER_ADDRESS MM_INT_TAKER_RECIPIENT_ID MM_INT_SCENARIO MM_INT_TIMEOUT_SECONDS
MM_INT_POLL_INTERVAL_MS MM_QUOTE_LEVELS MM_LEVEL_SPREAD_STEP_BPS MM_LEVEL_SIZE_MULT
MM_CARRY_RATE_APR MM_ANCHOR_ORACLE_MAX_AGE_SECONDS MM_ANCHOR_ORACLE_ADDRESS MM_SERVICE_NAME
MM_PROTECTED_ORDER_ID_PREFIXES MM_PRICE_TICK MM_CONTRACT_SIZE MM_INITIAL_MARGIN_RATE
MM_REFERENCE_TRADE_MAX_AGE_SECONDS MM_REFERENCE_MIN_SIZE MM_ANCHOR_CONFIRMATIONS
MM_CANCEL_ON_SHUTDOWN MM_WAIT_FOR_LOCK MM_OWNER_KEYSTORE_FILE MM_OWNER_KEYSTORE_PASSWORD_FILE
MM_SIGNER_KEYSTORE_FILE MM_SIGNER_KEYSTORE_PASSWORD_FILE MM_STRATEGY
"""
"""Every name in the founding text and in the specification."""
OWN_NAMES = """
MM_ANCHOR_PYTH_FEED_ID MM_ANCHOR_PYTH_BASE_URL MM_ANCHOR_PYTH_API_KEY
MM_ANCHOR_PYTH_API_KEY_HEADER MM_ANCHOR_PYTH_MAX_CONFIDENCE_BPS MM_ANCHOR_COINBASE_PRODUCT_ID
MM_ANCHOR_COINBASE_URL MM_ANCHOR_STRAILS_API_URL MM_ANCHOR_STRAILS_API_KEY MM_ANCHOR_STRAILS_PAIR
MM_ANCHOR_EXPRESSION MM_ANCHOR_MEDIAN_OF MM_ANCHOR_MEDIAN_QUORUM MM_ANCHOR_MEDIAN_OUTLIER_BPS
MM_JOURNAL_DIR
MM_ANCHOR_MIN_PRICE MM_ANCHOR_MAX_PRICE MM_ANCHOR_MAX_JUMP_BPS
MM_ANCHOR_HARD_JUMP_BPS MM_VENUE
"""
"""The names that neither gives."""
ALL_NAMES = NAMES.split() + OWN_NAMES.split()


def test_every_name_of_the_specification_is_known() -> None:
    """The bot knows each name that the texts give, its own, and no others."""
    assert sorted(VARIABLES) == sorted(ALL_NAMES)


def test_a_typo_is_a_fault_that_suggests_the_name() -> None:
    """An unknown MM_ name stops the bot, and the closest known name is suggested."""
    assert "did you mean MM_HALF_SPREAD_BPS?" in fault(MM_HALF_SPREAD_BP="10")
    assert "did you mean MM_INT_SCENARIO?" in fault(MM_INT_SCENARIOS="happy")
    assert "take it out" in fault(MM_="")
    assert settings(MMX="1", FAIR_ANCHOR_X="1", mm_order_size="1").chain_id == 8453


def test_effective_values_say_where_they_come_from() -> None:
    """Each variable of the bot is listed with its value in force and its origin."""
    effective = {e.name: e for e in settings(MM_ORDER_SIZE="5").effective()}
    assert effective["MM_ORDER_SIZE"][1:] == ("5", "environment")
    assert effective["MM_HALF_SPREAD_BPS"][1:] == ("25", "default")
    assert effective["MM_RECIPIENT_ID"][1:] == ("MM_SUBACCOUNT_ID", "default")
    assert effective.keys() == {n for n in ALL_NAMES if not n.startswith("MM_INT_")}


def test_the_table_has_every_variable_with_its_default() -> None:
    """The README's table has one row a variable, with what is valid and the default."""
    table = markdown()
    for name, variable in VARIABLES.items():
        assert table.count(f"| `{name}` | {variable.kind.takes} | {variable.default} |") == 1


def test_the_module_prints_the_table_and_is_quick_to_import() -> None:
    """`python -m mm_bot.settings` prints the table; no slow library is imported on the way."""
    slow = "import sys, mm_bot.settings; print([m for m in SLOW if m in sys.modules])"
    run = [sys.executable, "-W", "error", "-c"]
    heavy = "SLOW = ['eth_account', 'eth_keyfile', 'web3', 'httpx', 'psycopg']\n"
    out = subprocess.run([*run, heavy + slow], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "[]"
    command = [sys.executable, "-W", "error", "-m", "mm_bot.settings"]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    assert out.stdout == markdown()

"""Settings that must fit one another, the files they name, and secrets, which never show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from mm_bot.errors import SettingsError
from mm_bot.fields.keys import address_of, checksummed
from mm_bot.prices.oracle import OracleSpec
from mm_bot.settings import VARIABLES, effective, load
from tests.settings.test_settings import (
    EXTERNAL,
    KEY,
    OTHER_KEY,
    REQUIRED,
    TOKEN,
    ZERO_EX,
    fault,
    faults,
    numo,
    settings,
)

OWNER = address_of(bytes.fromhex(KEY))
SIGNER = address_of(bytes.fromhex(OTHER_KEY))
FEED = "0xdfbb5cbc88e382de007bfe6ce99c388176ed80ad"
FUTURE = {"MM_MARKET_SYMBOL": "USDCcNGN-NOV30-2026"}
LOCAL = {"MM_CHAIN_ID": "31337"}
PYTH = {"MM_ANCHOR_SOURCE_TYPE": "pyth", "MM_ANCHOR_PYTH_FEED_ID": "ab" * 32}
STRAILS = {"MM_ANCHOR_SOURCE_TYPE": "strails", "MM_ANCHOR_STRAILS_API_URL": "https://h"}


def keystore(folder: Path, key: str, password: str = "pass word") -> tuple[str, str]:
    """The paths of a keystore and of its password's file."""
    file, password_file = folder / f"{key[:4]}.json", folder / f"{key[:4]}.password"
    content = Account.encrypt(bytes.fromhex(key), password, kdf="pbkdf2", iterations=5)
    file.write_text(json.dumps(content))
    password_file.write_text(password + "\n")
    password_file.chmod(0o600)
    return str(file), str(password_file)


def without_key() -> dict[str, str]:
    """The required variables but the owner's key."""
    return {n: v for n, v in REQUIRED.items() if n != "MM_OWNER_PRIVATE_KEY"}


def test_a_signer_of_its_own_is_told_apart_from_the_owner() -> None:
    """With a signer's key orders are signed by it; addresses that fit the keys are accepted."""
    s = settings(
        MM_SIGNER_PRIVATE_KEY=OTHER_KEY,
        MM_OWNER_ADDRESS=checksummed(OWNER),
        MM_SIGNER_ADDRESS=SIGNER,
    )
    assert (s.owner_address, numo(s).signer) == (OWNER, SIGNER)
    assert numo(s).signer_key == bytes.fromhex(OTHER_KEY)


def test_an_address_that_is_not_the_key_s_is_a_fault_with_the_right_one() -> None:
    """A given address must be that of its key; the message has the one that is."""
    assert checksummed(OWNER) in fault(MM_OWNER_ADDRESS=SIGNER)
    assert checksummed(SIGNER) in fault(MM_SIGNER_ADDRESS=OWNER, MM_SIGNER_PRIVATE_KEY=OTHER_KEY)
    assert "owner's key, which signs here" in fault(MM_SIGNER_ADDRESS=SIGNER)


def test_keys_come_from_keystores_too(tmp_path: Path) -> None:
    """Owner and signer may each be a keystore with a password file."""
    file, password = keystore(tmp_path, KEY)
    signer_file, signer_password = keystore(tmp_path, OTHER_KEY)
    s = load(
        without_key()
        | {"MM_OWNER_KEYSTORE_FILE": file, "MM_OWNER_KEYSTORE_PASSWORD_FILE": password}
        | {"MM_SIGNER_KEYSTORE_FILE": signer_file}
        | {"MM_SIGNER_KEYSTORE_PASSWORD_FILE": signer_password}
    )
    assert (s.owner_address, numo(s).signer) == (OWNER, SIGNER)
    assert s.warnings == ()
    Path(password).chmod(0o644)
    assert "can be read by every user" in " ".join(load(s_environment(file, password)).warnings)


def s_environment(file: str, password: str) -> dict[str, str]:
    """The required variables with the owner's key in a keystore."""
    files = {"MM_OWNER_KEYSTORE_FILE": file, "MM_OWNER_KEYSTORE_PASSWORD_FILE": password}
    return without_key() | files


def test_a_keystore_needs_its_password_and_no_key_beside_it(tmp_path: Path) -> None:
    """Half a keystore is a fault, and so is a keystore beside a key."""
    file, password = keystore(tmp_path, KEY)
    half = faults(without_key() | {"MM_OWNER_KEYSTORE_FILE": file})
    assert half[0].startswith("MM_OWNER_KEYSTORE_PASSWORD_FILE is not set")
    half = faults(without_key() | {"MM_OWNER_KEYSTORE_PASSWORD_FILE": password})
    assert half[0].startswith("MM_OWNER_KEYSTORE_FILE is not set")
    assert "choose one" in fault(MM_OWNER_KEYSTORE_FILE=file)
    gone = faults(s_environment(file + "x", password))
    assert "cannot be read" in gone[0]


def write_deployment(folder: Path, matching: object, core: object) -> dict[str, str]:
    """A foreign repository's deployment on chain 31337, and the variables that name it."""
    target = folder / "deployments" / "31337"
    target.mkdir(parents=True)
    (target / "matching.json").write_text(json.dumps(matching))
    (target / "core.json").write_text(json.dumps(core))
    paths = {"MM_MATCHING_REPO_PATH": str(folder), "MM_RISK_CORE_REPO_PATH": str(folder)}
    return LOCAL | paths


def test_addresses_come_from_the_named_folders_and_overrides_win(tmp_path: Path) -> None:
    """Files are read below <path>/deployments/<chain id>; a given address beats them."""
    core = {"subAccounts": "0x" + "03" * 20, "cngnUsdFeed": FEED}
    matching = {"matching": "0x" + "01" * 20, "trade": "0x" + "02" * 20}
    paths = write_deployment(tmp_path, matching, core)
    s = settings(**paths, MM_ANCHOR_SOURCE_TYPE="oracle_carry")
    assert (numo(s).matching, numo(s).trade) == (
        matching["matching"],
        matching["trade"],
    )
    assert numo(s).sub_accounts == core["subAccounts"]
    assert [part.spec for part in s.anchor.parts] == [
        OracleSpec(address=FEED, max_age_ms=14_400_000)
    ]
    s = settings(**paths, MM_TRADE_MODULE_ADDRESS=TOKEN)
    assert (numo(s).matching, numo(s).trade) == (matching["matching"], TOKEN)


def test_a_file_that_lacks_an_address_is_named(tmp_path: Path) -> None:
    """Broken deployments are faults that name the file; unreadable ones are named once."""
    found = faults(REQUIRED | write_deployment(tmp_path, {"matching": TOKEN}, {}))
    assert [("matching.json" in f, "core.json" in f) for f in found] == [
        (True, False),
        (False, True),
    ]
    (tmp_path / "deployments/31337/matching.json").unlink()
    assert len(faults(REQUIRED | LOCAL | {"MM_MATCHING_REPO_PATH": str(tmp_path)})) == 2


def test_an_unknown_chain_says_which_variables_to_set() -> None:
    """A chain without a deployment needs all three addresses or the two folders."""
    found = faults(REQUIRED | LOCAL)
    assert [f.split()[0] for f in found] == [
        "MM_MATCHING_ADDRESS",
        "MM_TRADE_MODULE_ADDRESS",
        "MM_SUBACCOUNTS_ADDRESS",
    ]
    assert "known: 8453, 84532" in found[0]
    assert "MM_MATCHING_REPO_PATH" in found[0]
    names = ("MM_MATCHING_ADDRESS", "MM_TRADE_MODULE_ADDRESS", "MM_SUBACCOUNTS_ADDRESS")
    assert numo(load(REQUIRED | LOCAL | dict.fromkeys(names, TOKEN))).matching == TOKEN


ALONE = [
    ({"MM_MAX_SHORT_INVENTORY": "1000"}, "write it as a negative number"),
    ({"MM_MAX_LONG_INVENTORY": "-1"}, "at least 0"),
    ({"MM_HALF_SPREAD_BPS": "0"}, "above 0"),
    ({"MM_HALF_SPREAD_BPS": "9985"}, "keep the sum below 10000"),
    ({"MM_HALF_SPREAD_BPS": "5000", **ZERO_EX}, "keep the sum below 10000"),
    ({"MM_QUOTE_LEVELS": "2"}, "give basis points above 0"),
    ({"MM_QUOTE_LEVELS": "21"}, "at most 20"),
    ({"MM_RECIPIENT_ID": "0"}, "at least 1"),
    ({"MM_WORST_FEE": "0.1"}, "a whole number"),
    ({"MM_CARRY_RATE_APR": "8"}, "0.08 is 8 %"),
    ({"MM_PROTECTED_ORDER_ID_PREFIXES": "mm:"}, "the bot's own orders"),
    ({"MM_KILL_SWITCH_FILE": ".mm-bot-state.json"}, "the same file"),
    ({"MM_MARKET_SYMBOL": "a:b"}, "a symbol"),
    ({"MM_ANCHOR_SOURCE_TYPE": "fixed"}, "MM_ANCHOR_FIXED_PRICE is not set"),
    ({"MM_ANCHOR_SOURCE_TYPE": "fixed", "MM_ANCHOR_FIXED_PRICE": "0"}, "above 0"),
    ({"MM_ANCHOR_SOURCE_TYPE": "http"}, "MM_ANCHOR_URL is not set"),
    ({"MM_ANCHOR_SOURCE_TYPE": "oracle_carry", "MM_CHAIN_ID": "84532"}, "no feed is known"),
    ({"MM_ANCHOR_SOURCE_TYPE": "http", "MM_ANCHOR_URL": "http://h", **ZERO_EX}, "choose one"),
    ({**ZERO_EX, EXTERNAL + "SIZE_MULTIPLIER": "2"}, "at most 1"),
    ({**ZERO_EX, EXTERNAL + "SPREAD_MULTIPLIER": "0.5"}, "at least 1"),
    ({**ZERO_EX, EXTERNAL + "BUY_TOKEN": TOKEN}, "the sold token too"),
]


@pytest.mark.parametrize(("changes", "remedy"), ALONE)
def test_each_contradiction_is_one_fault_with_its_remedy(
    changes: dict[str, str], remedy: str
) -> None:
    """What cannot work is refused before anything starts, and says what would."""
    assert remedy in fault(**changes)


def test_the_external_anchor_says_all_that_it_needs() -> None:
    """Switched on alone, 0x lacks four settings; a feed elsewhere lacks its node."""
    assert len(faults(REQUIRED | {EXTERNAL + "ENABLED": "true"})) == 4
    oracle = {EXTERNAL + "ENABLED": "true", EXTERNAL + "PROVIDER": "cngn-price-oracle"}
    external = settings(**oracle).external_anchor
    assert external is not None
    assert external.spec == OracleSpec(address=FEED)
    elsewhere = {"MM_CHAIN_ID": "84532", EXTERNAL + "CHAIN_ID": "8453"}
    assert "_RPC_URL is not set" in fault(**oracle, **elsewhere)


def test_the_external_anchor_is_of_its_market_only() -> None:
    """On another market it is inactive, needs nothing more, and start-up says so."""
    s = settings(**FUTURE, **{EXTERNAL + "ENABLED": "true"})
    assert s.external_anchor is None
    assert "it is not used" in s.warnings[0]


def test_surprising_settings_are_said_at_start_up() -> None:
    """Valid settings that may not do what one thinks are warned about, one sentence each."""
    s = settings(
        MM_ORDER_EXPIRY_SECONDS="7200",
        MM_DRY_RUN="yes",
        MM_METRICS_ADDR=":8080",
        MM_STALE_BALANCE_TIMEOUT_SECONDS="1.5",
        MM_REFERENCE_TRADE_MAX_AGE_SECONDS="0",
        MM_MAX_LONG_INVENTORY="0",
        MM_MAX_SHORT_INVENTORY="0",
    )
    assert [w.split()[0] for w in s.warnings] == [
        "MM_REFERENCE_TRADE_MAX_AGE_SECONDS",
        "MM_MAX_LONG_INVENTORY",
        "MM_ORDER_EXPIRY_SECONDS",
        "MM_DRY_RUN",
        "MM_STALE_BALANCE_TIMEOUT_SECONDS",
        "MM_METRICS_ADDR",
    ]


KEYS = ("c0ffee" * 10 + "beef", "f" * 64)


@pytest.mark.parametrize("name", sorted(VARIABLES))
@pytest.mark.parametrize("secret", KEYS)
def test_a_key_in_any_variable_is_never_shown(name: str, secret: str) -> None:
    """Whichever variable a key was pasted into, nothing that comes out repeats it."""
    assert secret not in all_text(REQUIRED | {name: secret}).lower()
    assert secret not in all_text({name: "0x" + secret + "/x"}).lower()


@pytest.mark.parametrize(
    "changes",
    [
        {"MM_OWNER_PRIVATE_KEY": "5ecret"},
        {"MM_SIGNER_PRIVATE_KEY": "0x5ecret"},
        {EXTERNAL + "API_KEY": "5ecret", **ZERO_EX},
        {"MM_DATABASE_URL": "postgres://bot:5ecret@h/db"},
        {"MM_DATABASE_URL": "postgres://bot:5ecret"},
        {"MM_DATABASE_URL": "postgres://bot:5ecret/x@h/db"},
        {"MM_DATABASE_URL": "mysql://bot:5ecret@h/db"},
        {"MM_DATABASE_URL": "host=h password=5ecret"},
        {"MM_DATABASE_URL": "", "DATABASE_URL": "postgres://h/db?password=5ecret"},
        {"MM_RPC_URL": "https://node.example/v2/5ecret"},
        {"MM_RPC_URL": "wss://node.example/v2/5ecret"},
        {"MM_RPC_URL": "node.example/5ecret"},
        {"MM_API_BASE_URL": "http://u:5ecret@h/"},
        {"MM_API_BASE_URL": "ftp://u:5ecret@h/"},
        {"MM_API_BASE_URL": "http://u:5ecret"},
        {"MM_ANCHOR_URL": "http://h/price?key=5ecret", "MM_ANCHOR_SOURCE_TYPE": "http"},
        {"MM_ANCHOR_URL": "h/price?key=5ecret"},
        {"MM_ANCHOR_PYTH_API_KEY": "Bearer 5ecret", **PYTH},
        {"MM_ANCHOR_PYTH_API_KEY": "Bearer\n5ecret", **PYTH},
        {"MM_ANCHOR_STRAILS_API_KEY": "5ecret", **STRAILS},
        {"MM_ANCHOR_STRAILS_API_URL": "https://u:5ecret@h", "MM_ANCHOR_SOURCE_TYPE": "strails"},
        {"MM_ANCHOR_COINBASE_URL": "wss://u:5ecret@h/x?key=5ecret"},
        {EXTERNAL + "RPC_URL": "https://node.example/5ecret"},
        {"MM_PRIVATE_KEY": "5ecret"},
    ],
)
def test_passwords_and_api_keys_are_never_shown(changes: dict[str, str]) -> None:
    """Valid or not, secrets appear in no fault, warning, repr or effective value."""
    assert "5ecret" not in all_text(REQUIRED | changes)


def test_a_keystore_s_password_is_never_shown(tmp_path: Path) -> None:
    """Neither a password that opens the keystore nor one that does not appears anywhere."""
    file, password = keystore(tmp_path, KEY, "5ecret")
    assert "5ecret" not in all_text(s_environment(file, password))
    assert KEY not in all_text(s_environment(file, password))
    Path(password).write_text("5ecret too")
    assert "5ecret" not in all_text(s_environment(file, password))


def all_text(environment: dict[str, str]) -> str:
    """Everything in words that an environment leads to."""
    try:
        s = load(environment)
    except SettingsError as error:
        context = (error.__context__, error.__cause__)
        return f"{error} {error!r} {error.faults} {context!r} {effective(environment)!r}"
    parts = (s, s.warnings, s.effective(), s.anchor, s.external_anchor, s.reading)
    return f"{s} {parts!r}"

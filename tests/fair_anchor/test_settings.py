"""The service's environment: every name, every default, every fault at once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fair_anchor.settings import VARIABLES, Settings, load, markdown
from mm_bot.core.exact import Price
from mm_bot.errors import SettingsError
from mm_bot.prices.combine import InvertSpec, MultiplySpec
from mm_bot.prices.median import MedianSpec
from mm_bot.prices.oracle import OracleSpec
from mm_bot.prices.pyth import PythSpec
from mm_bot.prices.strails import StrailsSpec
from tests.fair_anchor.support import FUTURE, ended

API = {"FAIR_ANCHOR_API_BASE_URL": "http://127.0.0.1:8080"}
FEED = "ab" * 32
OWNER = "0x" + "ab" * 20
SPECIFIED = (
    "API_BASE_URL FUTURES_SYMBOL EXPIRY_UTC RATE_APR CARRY_ABS CARRY_BPS MAX_SPOT_AGE_SECONDS "
    "SPOT_SYMBOL LISTEN_ADDR TIMEOUT_MS ALLOW_ANY_MARKET GUARDED_FALLBACK_ENABLED "
    "GUARDED_FALLBACK_SPOT_PRICE STRAILS_API_URL STRAILS_API_KEY STRAILS_PAIR IGNORE_OWNERS "
    "MARKETS CACHE_MS"
)


def settings(**changes: str) -> Settings:
    """Settings from the API's URL and these, without their prefix."""
    given = {name if name == "PORT" else f"FAIR_ANCHOR_{name}": v for name, v in changes.items()}
    return load(API | given)


def faults(**changes: str) -> list[str]:
    """What is wrong with them."""
    with pytest.raises(SettingsError) as caught:
        settings(**changes)
    return caught.value.faults


def test_every_specified_name_is_known() -> None:
    """No name of the specification is missing."""
    assert {f"FAIR_ANCHOR_{name}" for name in SPECIFIED.split()} | {"PORT"} <= set(VARIABLES)


def test_each_default_is_the_specification_s() -> None:
    """With only the API's URL everything is as the specification says."""
    found = settings()
    assert (found.host, found.port) == ("127.0.0.1", 8090)
    assert (found.spot_symbol, found.timeout_ms, found.cache_ms) == ("USDCcNGN-SPOT", 1500, 1000)
    assert found.guard.max_age_ms == 300_000
    assert found.carry.rates.rate(FUTURE, 1) == found.carry.absolute == found.carry.bps == 0
    assert [choice.name for choice in found.sources] == ["book", "trade"]
    assert (found.futures, found.fallback, found.any_market) == ({}, None, False)


def test_port_alone_binds_that_port() -> None:
    """`PORT` listens on every interface; an address given in full goes first."""
    found = settings(PORT="9000")
    assert (found.host, found.port) == ("0.0.0.0", 9000)
    found = settings(PORT="9000", LISTEN_ADDR="127.0.0.1:7")
    assert (found.host, found.port) == ("127.0.0.1", 7)


def test_several_futures_each_with_its_rate() -> None:
    """Symbols with expiries in either form, rates by symbol and by expiry, and the single one."""
    found = settings(
        MARKETS="A=2026-11-30T00:00:00Z, B=1811721600",
        FUTURES_SYMBOL="C",
        RATES="A=0.1",
        RATE_CURVE="2026-11-30T00:00:00Z=0.2,1811721600=0.3",
    )
    assert found.futures == {"A": 1_795_996_800_000, "B": 1_811_721_600_000, "C": None}
    rates = found.carry.rates
    assert rates.rate("A", 1_795_996_800_000) == Decimal("0.1")
    assert rates.rate("B", 1_811_721_600_000) == Decimal("0.3")


def test_sources_are_taken_in_the_given_order() -> None:
    """Names, expressions with commas of their own, further feeds of a kind, and a weighted
    median."""
    found = settings(
        SPOT_SOURCES=f"median, multiply(invert(pyth), pyth:{FEED}),book",
        MEDIAN_OF="strails*2, fixed",
        STRAILS_API_URL="http://127.0.0.1:1",
        FIXED_PRICE="1600",
        PYTH_FEED_ID=FEED,
    )
    median, cross, book = found.sources
    assert isinstance(median.spec, MedianSpec)
    assert [(m.name, m.weight) for m in median.spec.members] == [
        ("strails", Decimal(2)),
        ("fixed", Decimal(1)),
    ]
    assert isinstance(cross.spec, MultiplySpec)
    assert isinstance(cross.spec.left, InvertSpec)
    assert isinstance(cross.spec.right, PythSpec)
    assert FEED not in cross.name
    assert book.is_exchange


def test_a_source_whose_address_is_set_is_used_before_the_exchange() -> None:
    """Without a list, outside sources that are set up come first."""
    found = settings(STRAILS_API_URL="http://127.0.0.1:1", STRAILS_API_KEY="hush-hush")
    assert [choice.name for choice in found.sources] == ["strails", "book", "trade"]
    assert isinstance(found.sources[0].spec, StrailsSpec)
    assert "hush-hush" in found.secrets
    assert "hush-hush" not in repr(found)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"RATE_APRR": "1"}, "FAIR_ANCHOR_RATE_APRR is not a variable of the service: did you"),
        ({"RATE_APR": "nan"}, "FAIR_ANCHOR_RATE_APR is 'nan': give a number"),
        ({"EXPIRY_UTC": "2026-04-30T00:00:00Z"}, "it is the expiry of FAIR_ANCHOR_FUTURES_SYMBOL"),
        ({"MARKETS": "A=tomorrow"}, "give a time such as"),
        ({"MARKETS": "A=1,A=2"}, "each once"),
        ({"MARKETS": "A=1", "FUTURES_SYMBOL": "A", "EXPIRY_UTC": "2"}, "gives A another"),
        ({"MARKETS": "USDCcNGN-SPOT=1"}, "it is among the futures too"),
        ({"ALLOW_ANY_MARKET": "true", "MARKETS": "A=1,B=2"}, "there are 2 futures"),
        ({"GUARDED_FALLBACK_ENABLED": "true"}, "GUARDED_FALLBACK_SPOT_PRICE is not set"),
        (
            {"GUARDED_FALLBACK_ENABLED": "true", "GUARDED_FALLBACK_SPOT_PRICE": "0.000625"},
            "give a plausible price, 1 to 1000000",
        ),
        ({"MIN_SPOT_PRICE": "5", "MAX_SPOT_PRICE": "4"}, "give a lower price than that"),
        ({"SPOT_SOURCES": "book,bok"}, "'bok' is no source"),
        ({"SPOT_SOURCES": "book,book"}, "one is there twice"),
        ({"SPOT_SOURCES": "oracle", "RPC_URL": "http://127.0.0.1:1"}, "ORACLE_ADDRESS is not set"),
        ({"SPOT_SOURCES": "strails:x,book"}, "names no feed of strails"),
        ({"SPOT_SOURCES": "pyth:,book"}, "names no feed of pyth"),
        ({"SPOT_SOURCES": "coinbase:USDC_USD,book"}, "names no feed of coinbase"),
        (
            {"SPOT_SOURCES": "median", "MEDIAN_OF": "book,fixed", "FIXED_PRICE": "1600"},
            "book and trade are no members",
        ),
        (
            {"SPOT_SOURCES": "median", "MEDIAN_OF": "fixed", "FIXED_PRICE": "1600"},
            "give at most the 1 members",
        ),
        ({"IGNORE_OWNERS": f"{OWNER},0x12"}, "IGNORE_OWNERS"),
        ({"LISTEN_ADDR": "8090"}, "LISTEN_ADDR"),
        ({"PORT": "70000"}, "PORT is '70000'"),
    ],
)
def test_what_is_not_valid_is_a_fault(changes: dict[str, str], fault: str) -> None:
    """Each fault names its variable and what would be valid, and is the only one."""
    found = faults(**changes)
    assert len(found) == 1, found
    assert fault in found[0]


def test_the_api_is_needed_only_by_who_reads_it() -> None:
    """Without the exchange's book and with every expiry given, no API URL is asked for."""
    alone = {"FAIR_ANCHOR_SPOT_SOURCES": "fixed", "FAIR_ANCHOR_FIXED_PRICE": "1600"}
    assert load(alone | {"FAIR_ANCHOR_MARKETS": "A=1"}).api_base_url is None
    for missing in (alone, {"FAIR_ANCHOR_MARKETS": "A=1"}):
        with pytest.raises(SettingsError, match="FAIR_ANCHOR_API_BASE_URL is not set"):
            load(missing)


def test_the_feed_has_a_maximum_age_of_its_own() -> None:
    """FAIR_ANCHOR_ORACLE_MAX_AGE_SECONDS loosens the feed's limit alone, in a median too."""
    found = settings(
        SPOT_SOURCES="oracle,trade,median",
        MEDIAN_OF="oracle,fixed",
        FIXED_PRICE="1600",
        ORACLE_ADDRESS=OWNER,
        RPC_URL="http://127.0.0.1:1",
        ORACLE_MAX_AGE_SECONDS="14400",
    )
    feed = OracleSpec(address=OWNER, max_age_ms=14_400_000)
    assert found.sources[0].spec == feed
    median = found.sources[2].spec
    assert isinstance(median, MedianSpec)
    assert median.members[0].source == feed
    assert [m.guard.max_age_ms for m in median.members] == [300_000, 300_000]


def test_a_plausible_fallback_is_taken() -> None:
    """A fallback has its price and how far from the last spot it may be."""
    found = settings(GUARDED_FALLBACK_ENABLED="true", GUARDED_FALLBACK_SPOT_PRICE="1600").fallback
    assert found is not None
    assert (found.price, found.max_deviation_bps) == (Price.of(1600), Decimal(500))


def test_the_process_lists_every_fault_and_ends_with_2(tmp_path: Path) -> None:
    """Bad settings: exit code 2 before anything is contacted, all faults, no secret."""
    key = "super-secret-key"
    done = ended(
        {
            "FAIR_ANCHOR_STRAILS_API_URL": f"ftp://user:{key}@host/?key={key}",
            "FAIR_ANCHOR_STRAILS_API_KEY": key,
            "FAIR_ANCHOR_RATE_APR": "lots",
            "FAIR_ANCHOR_TYPO": key,
        }
    )
    assert done.returncode == 2
    for name in ("STRAILS_API_URL", "RATE_APR", "TYPO", "API_BASE_URL"):
        assert f"FAIR_ANCHOR_{name}" in done.stderr
    assert key not in done.stderr + done.stdout


def test_the_documentation_has_every_variable() -> None:
    """The tables of docs/anchors.md are those that `python -m fair_anchor.settings` prints."""
    page = (Path(__file__).parents[2] / "docs" / "anchors.md").read_text()
    assert markdown().replace("### ", "#### ") in page

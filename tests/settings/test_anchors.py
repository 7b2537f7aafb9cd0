"""Settings of the anchor's sources: what each needs, what is refused, and what it becomes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_bot.core.exact import Price
from mm_bot.prices.coinbase import CoinbaseSpec
from mm_bot.prices.combine import InvertSpec, MultiplySpec
from mm_bot.prices.fixed import FixedSpec
from mm_bot.prices.http import HttpSpec
from mm_bot.prices.oracle import OracleSpec
from mm_bot.prices.pyth import PythSpec
from mm_bot.prices.strails import StrailsSpec
from mm_bot.prices.synthetic import SyntheticSpec
from mm_bot.settings import load, secrets
from tests.settings.test_settings import REQUIRED, fault, faults, settings

TYPE = "MM_ANCHOR_SOURCE_TYPE"
FEED_ID = "ab" * 32
OTHER_FEED_ID = "cd" * 32
FEED = "0xdfbb5cbc88e382de007bfe6ce99c388176ed80ad"
PYTH = {"MM_ANCHOR_PYTH_FEED_ID": FEED_ID}
COINBASE = {"MM_ANCHOR_COINBASE_PRODUCT_ID": "USDC-USD"}
STRAILS = {"MM_ANCHOR_STRAILS_API_URL": "https://board.example/"}
HTTP = {"MM_ANCHOR_URL": "http://h/price"}
MEDIAN = {TYPE: "median", "MM_ANCHOR_MEDIAN_OF": "pyth*2, http", **PYTH, **HTTP}


def test_each_source_has_its_settings_and_defaults() -> None:
    """With only what it needs, each has the public service and the stated limits."""
    cases = {
        "fixed": ({"MM_ANCHOR_FIXED_PRICE": "1600"}, FixedSpec(price=Price.of(1600))),
        "synthetic": (
            {"MM_ANCHOR_SYNTHETIC_START_PRICE": "1600"},
            SyntheticSpec(
                seed=1,
                start=Price.of(1600),
                drift_bps_per_hour=Decimal(0),
                volatility_bps=Decimal(1),
                jump_every_s=0,
                jump_bps=Decimal(100),
                session_s=0,
            ),
        ),
        "http": (HTTP, HttpSpec(url="http://h/price", market="USDCcNGN-SPOT")),
        "oracle_carry": ({}, OracleSpec(address=FEED, max_age_ms=14_400_000)),
        "pyth": (
            PYTH,
            PythSpec(
                feed_id=FEED_ID,
                base_url="https://hermes.pyth.network",
                key_header="authorization",
                max_confidence_bps=Decimal(50),
            ),
        ),
        "coinbase": (
            COINBASE,
            CoinbaseSpec(product_id="USDC-USD", url="wss://advanced-trade-ws.coinbase.com"),
        ),
        "strails": (STRAILS, StrailsSpec(base_url="https://board.example", pair="CNGN-USDC")),
    }
    for name, (needed, spec) in cases.items():
        (part,) = settings(**{TYPE: name}, **needed).anchor.parts
        assert (part.name, part.spec) == (name, spec)
        assert part.carried is (name not in ("fixed", "synthetic", "http"))


def test_a_source_without_what_it_needs_is_one_fault_with_the_remedy() -> None:
    """Each source names the variable that it cannot do without."""
    for name, variable in (
        ("pyth", "MM_ANCHOR_PYTH_FEED_ID"),
        ("coinbase", "MM_ANCHOR_COINBASE_PRODUCT_ID"),
        ("strails", "MM_ANCHOR_STRAILS_API_URL"),
        ("median", "MM_ANCHOR_MEDIAN_OF"),
        ("expression", "MM_ANCHOR_EXPRESSION"),
    ):
        found = fault(**{TYPE: name})
        assert found.startswith(f"{variable} is not set: {TYPE}={name} needs it")


def test_an_expression_is_made_of_the_sources_it_names() -> None:
    """Another feed of a kind is named behind a colon; the whole is a spot price."""
    text = f"multiply(invert(pyth), multiply(pyth:{OTHER_FEED_ID}, coinbase:btc-usd))"
    anchor = settings(**{TYPE: "expression", "MM_ANCHOR_EXPRESSION": text}, **PYTH).anchor
    (part,) = anchor.parts
    assert (part.name, part.carried) == ("expression", True)
    assert isinstance(part.spec, MultiplySpec)
    assert isinstance(part.spec.left, InvertSpec)
    inner = part.spec.right
    assert isinstance(inner, MultiplySpec)
    assert isinstance(inner.left, PythSpec)
    assert isinstance(inner.right, CoinbaseSpec)
    assert (inner.left.feed_id, inner.right.product_id) == (OTHER_FEED_ID, "BTC-USD")


def test_a_median_has_named_and_weighted_members() -> None:
    """Members are words or expressions; feed ids are cut short in their names."""
    text = f"pyth*2, http, invert(multiply(coinbase, pyth:0x{OTHER_FEED_ID}))*0.5"
    anchor = settings(**{**MEDIAN, "MM_ANCHOR_MEDIAN_OF": text}, **COINBASE).anchor
    assert anchor.source == "median"
    assert [(p.name, p.weight, p.carried) for p in anchor.parts] == [
        ("pyth", Decimal(2), True),
        ("http", Decimal(1), False),
        ("invert(multiply(coinbase, pyth:cdcdcdcd))", Decimal("0.5"), True),
    ]
    assert (anchor.quorum, anchor.outlier_bps, anchor.max_age_ms) == (2, Decimal(100), 60_000)


def test_beside_other_sources_the_feed_keeps_its_own_limit() -> None:
    """Its own age limit goes with its readings; the others are held to that of all."""
    members = {"MM_ANCHOR_MEDIAN_OF": "http, oracle_carry", **HTTP}
    parts = settings(**{TYPE: "median"}, **members).anchor.parts
    feed = OracleSpec(address=FEED, max_age_ms=14_400_000)
    assert parts[1].spec == feed
    text = {"MM_ANCHOR_EXPRESSION": "multiply(oracle, coinbase)", **COINBASE}
    (part,) = settings(**{TYPE: "expression"}, **text).anchor.parts
    assert isinstance(part.spec, MultiplySpec)
    assert part.spec.left == feed
    risk_off = fault(**{TYPE: "expression"}, **text, MM_STALE_ANCHOR_TIMEOUT_SECONDS="0")
    assert "told fresh from stale by it" in risk_off


ALONE = [
    ({"MM_ANCHOR_MEDIAN_OF": "pyth"}, "has 1: give at most as many"),
    ({"MM_ANCHOR_MEDIAN_OF": "pyth, pyth*2"}, "there twice"),
    ({"MM_ANCHOR_MEDIAN_OF": "pyth*0, http"}, "weight 0 counts nothing"),
    ({"MM_ANCHOR_MEDIAN_OF": "pyth, http, bok"}, "'bok' is no source"),
    ({"MM_ANCHOR_MEDIAN_OF": "pyth, http, median"}, "give fixed, synthetic, http, oracle"),
    ({"MM_ANCHOR_MEDIAN_OF": "pyth, http,"}, "the expression ends"),
    ({"MM_ANCHOR_MEDIAN_OF": "pyth, http; fixed"}, "with commas between them"),
    ({"MM_ANCHOR_MEDIAN_OF": "pyth:1, http"}, "names no feed of pyth"),
    ({"MM_ANCHOR_MEDIAN_OF": "http:8080, http, pyth"}, "names no feed of http"),
    ({"MM_ANCHOR_MEDIAN_OF": "pyth, http, coinbase"}, "coinbase in MM_ANCHOR_MEDIAN_OF needs it"),
    ({"MM_ANCHOR_MEDIAN_OF": "pyth, oracle", "MM_CHAIN_ID": "84532"}, "no feed is known"),
    ({"MM_STALE_ANCHOR_TIMEOUT_SECONDS": "0"}, "give seconds above 0"),
    ({"MM_ANCHOR_PYTH_FEED_ID": "abc"}, "64 hexadecimal digits"),
    ({"MM_ANCHOR_PYTH_API_KEY": "a\nb"}, "printable ASCII"),
    ({"MM_ANCHOR_PYTH_API_KEY_HEADER": "x-key:"}, "a header's name"),
    ({"MM_ANCHOR_COINBASE_URL": "https://h"}, "ws:// or wss://"),
    ({"MM_ANCHOR_MIN_PRICE": "2000", "MM_ANCHOR_MAX_PRICE": "1000"}, "give a price above it"),
    ({"MM_ANCHOR_FIXED_PRICE": "1", "MM_ANCHOR_MIN_PRICE": "500"}, "give a price within"),
]


@pytest.mark.parametrize(("changes", "remedy"), ALONE)
def test_what_cannot_work_is_refused_with_its_remedy(changes: dict[str, str], remedy: str) -> None:
    """Each contradiction of a median's settings is one fault, and says what would be right."""
    assert remedy in fault(**{**MEDIAN, **changes})


def test_every_fault_of_a_median_is_listed_at_once() -> None:
    """What each member lacks, the quorum and the bounds, in one message."""
    found = faults(
        REQUIRED
        | {
            TYPE: "median",
            "MM_ANCHOR_MEDIAN_OF": "pyth, coinbase, strails, fixed",
            "MM_ANCHOR_MEDIAN_QUORUM": "0",
            "MM_ANCHOR_PYTH_BASE_URL": "hermes",
            "MM_ANCHOR_MIN_PRICE": "-1",
        }
    )
    assert sorted(line.split()[0] for line in found) == [
        "MM_ANCHOR_COINBASE_PRODUCT_ID",
        "MM_ANCHOR_FIXED_PRICE",
        "MM_ANCHOR_MEDIAN_QUORUM",
        "MM_ANCHOR_MIN_PRICE",
        "MM_ANCHOR_PYTH_BASE_URL",
        "MM_ANCHOR_PYTH_FEED_ID",
        "MM_ANCHOR_STRAILS_API_URL",
    ]


def test_the_keys_of_sources_are_kept_out_of_every_log() -> None:
    """Keys and passwords of the sources are among the texts that are never written."""
    environment = REQUIRED | {
        TYPE: "pyth",
        **PYTH,
        "MM_ANCHOR_PYTH_API_KEY": "Bearer one",
        "MM_ANCHOR_STRAILS_API_KEY": "two",
        "MM_ANCHOR_COINBASE_URL": "wss://user:three@h",
    }
    found = set(secrets(environment, load(environment)))
    assert {"Bearer one", "one", "two", "three"} <= found

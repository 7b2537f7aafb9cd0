"""What a fleet is, from a file and from an environment, and what is rendered of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mm_bot.errors import SettingsError
from mm_bot.fleet.manifests import render
from mm_bot.fleet.pages import merged
from mm_bot.fleet.plan import Fleet, read_file
from mm_bot.fleet.summary import cells, summary
from mm_bot.fleet.tickers import read_tickers
from tests.deployments.kustomize import build
from tests.deployments.schemas import validate

_KEY = "0x" + "b2" * 32
_BASE = Path(__file__).parents[2] / "deployments/kubernetes/base"
_FILE = """
[fleet]
metrics_addr = "127.0.0.1:9700"

[environment]
MM_VENUE = "derive"
MM_OWNER_ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
MM_SUBACCOUNT_ID = 7
MM_HALF_SPREAD_BPS = 12.5
MM_DRY_RUN = true

[market.ETH-PERP]
MM_ORDER_SIZE = "0.5"
MM_DERIVE_REQUESTS_PER_MINUTE = 100

[market.BTC-PERP]
MM_HALF_SPREAD_BPS = "8"

[market.SOL-PERP]

[[budget]]
name = "our account"
variable = "MM_DERIVE_REQUESTS_PER_MINUTE"
total = 300
"""


def fleet_of(folder: Path, text: str = _FILE, **environment: str) -> Fleet:
    file = folder / "fleet.toml"
    file.write_text(text)
    return read_file(file, {"MM_SIGNER_PRIVATE_KEY": _KEY, **environment})


def test_a_market_gets_the_file_over_the_environment(tmp_path: Path) -> None:
    """A market's own variables win over those of all markets, those over the parent's; its symbol,
    pages, files and a proven stop come by themselves; numbers stay as they were written."""
    fleet = fleet_of(tmp_path, MM_HALF_SPREAD_BPS="99", HOME="/x")
    eth, btc, _ = fleet.markets
    assert eth.environment["MM_HALF_SPREAD_BPS"] == "12.5"
    assert btc.environment["MM_HALF_SPREAD_BPS"] == "8"
    assert eth.environment["MM_DRY_RUN"] == "true"
    assert eth.environment["MM_SIGNER_PRIVATE_KEY"] == _KEY
    assert eth.environment["HOME"] == "/x"
    assert eth.environment["MM_MARKET_SYMBOL"] == "ETH-PERP"
    assert eth.environment["MM_CANCEL_ON_SHUTDOWN"] == "true"
    assert (fleet.url, eth.url) == ("http://127.0.0.1:9700", "http://127.0.0.1:9701")
    assert eth.environment["MM_STATE_FILE"] == str(tmp_path / "fleet" / "ETH-PERP.json")
    assert eth.environment["MM_STATE_FILE"] != btc.environment["MM_STATE_FILE"]


def test_a_budget_is_shared_and_never_exceeded(tmp_path: Path) -> None:
    """Who says nothing has an even share of what the others leave; what asks for more is a fault
    that names the sums."""
    shares = [m.environment["MM_DERIVE_REQUESTS_PER_MINUTE"] for m in fleet_of(tmp_path).markets]
    assert shares == ["100", "100", "100"]
    with pytest.raises(SettingsError, match=r"'our account': its markets ask for 100 of 100"):
        fleet_of(tmp_path, _FILE.replace("total = 300", "total = 100"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[flet]\n[market.X]", "flet: unknown here"),
        ("[environment]", "there is none"),
        ("[market.X]\nA = [1]", "market.X.A"),
        ("[market.X]\n[[budget]]\nvariable='MM_A'\ntotal=0.5", "budget 1.total"),
        ("[market.X]\n[[budget]]\nvariable='MM_A'\ntotal=5\nmarkets=['Y']", "budget 1.markets"),
        ("[fleet]\nmetrics_addr='x'\n[market.X]", "fleet.metrics_addr"),
        ("[market", "no TOML"),
    ],
)
def test_a_fault_of_the_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    """Whatever is wrong is a fault in the settings, with its place."""
    with pytest.raises(SettingsError) as caught:
        fleet_of(tmp_path, text)
    assert told in str(caught.value)


def test_tickers_with_overrides_make_the_same_fleet() -> None:
    """The environment of the bot that came before: spreads there are from bid to ask, deviations
    are percents, and an override of one ticker wins."""
    fleet = read_tickers(
        {
            "TICKERS": "BTCUSD,ETHUSD",
            "QUOTE_REFRESH_CYCLE": "1000",
            "SPREAD_WIDTH": "10",
            "MAX_PRICE_DEVIATION": "5.0",
            "BTC_USD_SPREAD_WIDTH": "8",
            "BTC_USD_ORDER_SIZE": "0.001",
            "BTC_USD_MAX_PRICE_DEVIATION": "3.0",
            "BTC_USD_MM_ANCHOR_MAX_PRICE": "200000",
            "HERMES_ENDPOINT": "https://hermes.example",
            "ETHEREAL_API_BASE_URL": "https://api.example/v1",
        },
        Path("fleet"),
    )
    btc, eth = (market.environment for market in fleet.markets)
    assert (btc["MM_MARKET_SYMBOL"], eth["MM_MARKET_SYMBOL"]) == ("BTCUSD", "ETHUSD")
    assert [e["MM_POLL_INTERVAL_MS"] for e in (btc, eth)] == ["1000", "1000"]
    assert [Decimal(e["MM_HALF_SPREAD_BPS"]) for e in (btc, eth)] == [4, 5]
    furthest = "MM_MAX_ORDER_DEVIATION_BPS"
    assert [Decimal(e[furthest]) for e in (btc, eth)] == [300, 500]
    assert [e["MM_VENUE"] for e in (btc, eth)] == ["ethereal", "ethereal"]
    assert eth["MM_ANCHOR_PYTH_BASE_URL"] == "https://hermes.example"
    assert eth["MM_ETHEREAL_REST_URL"] == "https://api.example"
    assert [e["MM_ETHEREAL_WRITES_PER_MINUTE"] for e in (btc, eth)] == ["110", "110"]
    assert btc["MM_ANCHOR_MAX_PRICE"] == "200000"
    assert "MM_ANCHOR_MAX_PRICE" not in eth
    assert btc["MM_ORDER_SIZE"] == "0.001"
    assert "MM_ORDER_SIZE" not in eth
    with pytest.raises(SettingsError, match="BTC_USD_SPREAD_WIDTH"):
        read_tickers({"TICKERS": "BTCUSD", "BTC_USD_SPREAD_WIDTH": "wide"}, Path("fleet"))


def test_it_renders_one_deployment_a_market_without_a_secret(tmp_path: Path) -> None:
    """Each market is an overlay of the base in a namespace of its own that fits the published
    schemas; the key is in no file and named for the Secret; an exchange without a keystore is given
    none."""
    out = tmp_path / "out"
    done = render(fleet_of(tmp_path), out, _BASE)
    assert [r.namespace for r in done] == ["mm-eth-perp", "mm-btc-perp", "mm-sol-perp"]
    assert {r.secrets for r in done} == {("MM_SIGNER_PRIVATE_KEY",)}
    written = "".join(path.read_text() for path in out.rglob("*") if path.is_file())
    assert _KEY not in written
    objects: list[dict[str, Any]] = build(out)
    for each in objects:
        validate(each)
    deployments = [each for each in objects if each["kind"] == "Deployment"]
    assert [d["metadata"]["namespace"] for d in deployments] == sorted(r.namespace for r in done)
    for each in deployments:
        spec = each["spec"]["template"]["spec"]
        names = {v["name"] for v in spec["containers"][0]["env"]}
        assert "MM_STATE_FILE" in names
        assert not names & {"MM_OWNER_KEYSTORE_FILE", "PGSERVICEFILE"}
        assert {v["name"] for v in spec["volumes"]} == {"state", "tmp"}


def test_one_scrape_has_every_market() -> None:
    """Families come once, each sample with its market before its own labels; a histogram's series
    stay with their family."""
    first = (
        '# HELP a A.\n# TYPE a counter\na{side="buy"} 1\n# TYPE h histogram\nh_bucket{le="1"} 2\n'
    )
    second = '# HELP a A.\n# TYPE a counter\na{side="buy"} 3\n'
    assert merged([("X", first), ("Y", second)]) == (
        '# HELP a A.\n# TYPE a counter\na{market="X",side="buy"} 1\na{market="Y",side="buy"} 3\n'
        '# TYPE h histogram\nh_bucket{market="X",le="1"} 2\n'
    )


def test_a_line_of_the_table_has_the_best_of_each_side() -> None:
    """The best bid is the highest, the best ask the lowest, and a market whose pages do not answer
    says so."""
    status = {
        "ready": True,
        "live": [
            {"side": "buy", "price": "9.5"},
            {"side": "buy", "price": "10"},
            {"side": "sell", "price": "11"},
            {"side": "sell", "price": "9.9"},
        ],
        "reference": {"price": "10.5"},
    }
    told = {"market": "X", "state": "running", **summary(status)}
    assert cells(told) == ("X", "running", "yes", "10.5", "10", "9.9", "-", "")
    assert cells({"market": "X", "state": "ended", **summary(None)})[-1] == (
        "its pages do not answer"
    )

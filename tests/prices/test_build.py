"""Claims about how a description becomes an anchor."""

from __future__ import annotations

import subprocess
import sys

from mm_bot.core.exact import Price
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.prices.build import AnchorConfig, build
from mm_bot.prices.fixed import FixedSpec
from mm_bot.prices.http import HttpSpec
from mm_bot.prices.oracle import OracleSpec
from mm_bot.prices.spec import SourceContext, SourceSpec
from mm_bot.prices.zero_ex import ZeroExSpec
from tests.prices.support import NOW_MS, OPEN_GUARD, ManualClock, run


def config_of(source: SourceSpec | None) -> AnchorConfig:
    return AnchorConfig(source=source, guard=OPEN_GUARD, interval_ms=1_000, timeout_ms=1_000)


async def no_node(address: str, data: bytes) -> bytes:
    raise AssertionError("nothing is read before it is started")


def test_none_is_no_anchor() -> None:
    """And needs no context."""
    assert build(config_of(None), SourceContext(clock=ManualClock())) is None


def test_every_source_is_built_without_touching_the_world() -> None:
    """Nothing is read before `start`; the name is the source's."""
    specs: dict[str, SourceSpec] = {
        "fixed": FixedSpec(price=Price.of(1600)),
        "http": HttpSpec(url="http://127.0.0.1:1/price", market="M"),
        "cngn-price-oracle": OracleSpec(address="0x01"),
        "0x": ZeroExSpec(
            base_url="http://127.0.0.1:1", chain_id=1, sell_token="a", buy_token="b", amount=1
        ),
    }
    around = SourceContext(clock=ManualClock(), eth_call=no_node)
    for name, spec in specs.items():
        runner = build(config_of(spec), around)
        assert runner is not None
        assert runner.name == name
        assert runner.latest() == AnchorQuote(price=None, as_of_ms=None, source=name)
        run(runner.aclose())


def test_a_fixed_anchor_is_always_as_old_as_its_read() -> None:
    """It never goes stale while the bot runs."""

    async def scenario() -> AnchorQuote:
        runner = build(
            config_of(FixedSpec(price=Price.of("1600.5"))), SourceContext(clock=ManualClock())
        )
        assert runner is not None
        runner.start()
        quote = await runner.first_reading(1_000)
        await runner.aclose()
        return quote

    assert run(scenario()) == AnchorQuote(price=Price.of("1600.5"), as_of_ms=NOW_MS, source="fixed")


def test_the_package_is_light_until_a_source_needs_more() -> None:
    """Building a fixed anchor imports no HTTP, no web sockets."""
    code = (
        "import sys; import mm_bot.prices.build;"
        "heavy = {'httpx', 'websockets', 'web3'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

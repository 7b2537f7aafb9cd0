"""Claims about the cNGN/USD feed, against the real contract on a real chain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest
from web3.exceptions import Web3RPCError

from integration_harness.stack.chain import Chain
from integration_harness.stack.deploy import DeployOptions, deploy
from integration_harness.stack.evm_node import EvmNode
from integration_harness.stack.node_client import ask
from integration_harness.stack.supervisor import Supervisor
from mm_bot.core.carry import YEAR_MS
from mm_bot.core.exact import Price
from mm_bot.errors import EdgeError
from mm_bot.prices.guarded import Guarded, GuardPolicy
from mm_bot.prices.oracle import CarriedSource, OracleSource
from mm_bot.prices.source import AnchorError, EthCall, Reading, RejectReason
from tests.prices.support import NOW_MS, OPEN_GUARD, ManualClock, ScriptedSource, reading, run

ANSWER_1600 = 62_500
"""0.000625 USD per cNGN in the feed's eight decimals."""


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Supervisor() as supervisor:
        node = EvmNode(supervisor)
        node.start()
        deployment = deploy(node.url, supervisor.folder / "deployments", DeployOptions())
        with Chain(node.url, deployment) as chain:
            yield chain


def eth_call_of(chain: Chain, calls: list[bytes] | None = None) -> EthCall:
    """The seam as the application fills it: raw JSON-RPC, errors mapped."""

    async def eth_call(address: str, data: bytes) -> bytes:
        if calls is not None:
            calls.append(data)
        request = {"to": address, "data": "0x" + data.hex()}
        try:
            returned = await asyncio.to_thread(ask, chain.web3, "eth_call", request, "latest")
        except Web3RPCError as error:
            code = (error.rpc_response or {})["error"]["code"]
            raise EdgeError("node", f"eth_call failed with code {code}") from None
        return bytes.fromhex(returned[2:])

    return eth_call


def returning(*answers: bytes) -> EthCall:
    """A node that returns what it is told to, for what no feed of ours would answer."""
    left = list(answers)

    async def eth_call(address: str, data: bytes) -> bytes:
        return left.pop(0)

    return eth_call


def words(*values: int) -> bytes:
    return b"".join((value % 2**256).to_bytes(32) for value in values)


def feed_of(chain: Chain) -> OracleSource:
    return OracleSource(chain.deployment.addresses.feed, eth_call_of(chain))


def read(chain: Chain, policy: GuardPolicy = OPEN_GUARD, *, at_ms: int | None = None) -> Reading:
    clock = ManualClock(at_ms or chain.now() * 1_000)
    return run(Guarded(feed_of(chain), policy, timeout_ms=5_000, clock=clock).read())


def test_the_human_price_is_the_inverse_to_six_decimals(chain: Chain) -> None:
    """Half-even on the sixth, not the 24 digits of a division; the time is the feed's own."""
    for answer, price in ((ANSWER_1600, "1600"), (62_501, "1599.9744"), (61_234, "1633.079662")):
        chain.set_feed(answer)
        got = read(chain)
        assert got.price == Price.of(price)
        assert got.as_of_ms is not None
        assert chain.now() * 1_000 - got.as_of_ms < 60_000


def test_the_scale_is_read_with_each_round(chain: Chain) -> None:
    """What stands behind the address may be replaced by a feed that counts otherwise."""

    async def scenario() -> list[bytes]:
        calls: list[bytes] = []
        source = OracleSource(chain.deployment.addresses.feed, eth_call_of(chain, calls))
        await source.read()
        await source.read()
        return calls

    chain.set_feed(ANSWER_1600)
    assert [call.hex() for call in run(scenario())] == ["313ce567", "feaf968c"] * 2


def test_a_feed_that_changes_its_scale_keeps_its_price() -> None:
    """Eight decimals, then ten under a running bot: 1600 both times, not 16 and not 160000."""

    async def scenario() -> list[Price]:
        answers = [words(8), words(1, ANSWER_1600, 5, 5, 1)]
        answers += [words(10), words(2, ANSWER_1600 * 100, 6, 6, 2)]
        source = OracleSource("0x", returning(*answers))
        return [(await source.read()).price for _ in range(2)]

    assert run(scenario()) == [Price.of(1600)] * 2


@pytest.mark.parametrize("answer", [0, -1, -ANSWER_1600, -(2**255)])
def test_an_answer_that_is_not_positive_is_refused(chain: Chain, answer: int) -> None:
    """Zero and negative answers are what a broken feed gives."""
    chain.set_feed(answer)
    with pytest.raises(AnchorError) as caught:
        read(chain)
    assert caught.value.refusal is RejectReason.NOT_POSITIVE


@pytest.mark.parametrize("answer", [1, 2**255 - 1])
def test_a_huge_or_tiny_price_is_refused(chain: Chain, answer: int) -> None:
    """1 / 2^255 rounds to zero; one unit of a feed is no plausible price under the bounds."""
    chain.set_feed(answer)
    policy = GuardPolicy(max_age_ms=None, max_deviation_bps=None, high=Price.of(1_000_000))
    with pytest.raises(AnchorError) as caught:
        read(chain, policy)
    assert caught.value.refusal in (RejectReason.IMPLAUSIBLE, RejectReason.NOT_POSITIVE)


def test_a_feed_that_nobody_feeds_goes_stale(chain: Chain) -> None:
    """It answers, but its own time is old; from the future is refused too."""
    policy = GuardPolicy(max_age_ms=30_000, max_deviation_bps=None)
    now = chain.now()
    for updated_at, expected in (
        (now - 31, RejectReason.STALE),
        (now + 600, RejectReason.FUTURE),
        (2**256 - 1, RejectReason.FUTURE),
        (0, RejectReason.NO_PRICE),
    ):
        chain.set_feed_round(ANSWER_1600, updated_at)
        with pytest.raises(AnchorError) as caught:
            read(chain, policy, at_ms=now * 1_000)
        assert caught.value.refusal is expected
    chain.set_feed_round(ANSWER_1600, now - 30)
    assert read(chain, policy, at_ms=now * 1_000).as_of_ms == (now - 30) * 1_000


def test_a_jump_of_the_feed_is_confirmed_by_reading_it_again(chain: Chain) -> None:
    """A feed updates once and then not for hours: three reads of the new round are enough."""
    chain.set_feed(ANSWER_1600)
    clock = ManualClock(chain.now() * 1_000)
    policy = GuardPolicy(max_age_ms=3_600_000, max_deviation_bps=Decimal(500), max_ahead_ms=60_000)
    guarded = Guarded(feed_of(chain), policy, timeout_ms=5_000, clock=clock)
    assert run(guarded.read()).price == Price.of(1600)
    chain.set_feed(ANSWER_1600 // 2)
    for _ in range(2):
        with pytest.raises(AnchorError) as caught:
            run(guarded.read())
        assert caught.value.refusal is RejectReason.JUMP
    assert run(guarded.read()).price == Price.of(3200)


def test_an_address_without_a_feed_is_told(chain: Chain) -> None:
    """No contract returns nothing; a contract that is no feed reverts."""
    nobody = OracleSource("0x" + "11" * 20, eth_call_of(chain))
    with pytest.raises(AnchorError, match="no contract answers at 0x1111"):
        run(nobody.read())
    other = OracleSource(chain.deployment.addresses.matching, eth_call_of(chain))
    with pytest.raises(EdgeError, match="eth_call failed"):
        run(other.read())


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([words(8), b""], RejectReason.EMPTY),
        ([words(8), words(1, 2, 3, 4)], RejectReason.MALFORMED),
        ([words(8), words(1, 2, 3, 4, 5)[:-1]], RejectReason.MALFORMED),
        ([words(37)], RejectReason.MALFORMED),
        ([words(2**255)], RejectReason.MALFORMED),
        ([b"\x08"], RejectReason.MALFORMED),
    ],
)
def test_what_is_no_feeds_answer_is_refused(answers: list[bytes], expected: RejectReason) -> None:
    """Short, long, or with decimals that no feed has."""
    with pytest.raises(AnchorError) as caught:
        run(OracleSource("0x", returning(*answers)).read())
    assert caught.value.refusal is expected


def carried(rate_apr: str, *, left_ms: int | None) -> Reading:
    clock = ManualClock()
    source = CarriedSource(
        ScriptedSource(reading("1600", NOW_MS - 7)),
        rate_apr=Decimal(rate_apr),
        expiry_ms=None if left_ms is None else NOW_MS + left_ms,
        clock=clock,
    )
    return run(source.read())


def test_the_carried_price_grows_until_expiry_and_keeps_the_feeds_time() -> None:
    """1600 x e^0.08 a year before expiry; the feed's own price after it or without one."""
    got = carried("0.08", left_ms=YEAR_MS)
    assert got.price == Price.of("1733.259308279934")
    assert got.as_of_ms == NOW_MS - 7
    assert carried("0.08", left_ms=-1).price == Price.of(1600)
    assert carried("0.08", left_ms=None).price == Price.of(1600)


def test_an_absurd_rate_is_refused_and_not_computed() -> None:
    """It is a refusal of this anchor, not an exception of arithmetic."""
    with pytest.raises(AnchorError) as caught:
        carried("99999", left_ms=YEAR_MS)
    assert caught.value.refusal is RejectReason.IMPLAUSIBLE

"""Claims about the 0x price endpoint."""

from __future__ import annotations

import pytest

from mm_bot.core.exact import Price
from mm_bot.prices.source import AnchorError, EthCall, Reading, RejectReason
from mm_bot.prices.zero_ex import ZeroExSource, ZeroExSpec
from tests.prices.servers import RawServer, json_answer, raw_server
from tests.prices.support import read_guarded, run

USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
CNGN = "0x9D806fD040a719D27a8E5E77dC5aE0ED1e089493"


def zero_ex_spec(
    server: RawServer, *, api_key: str | None = None, reverse: bool = False
) -> ZeroExSpec:
    sell, buy = (CNGN, USDC) if reverse else (USDC, CNGN)
    return ZeroExSpec(
        base_url=server.url + "/swap/permit2/price?affiliate=us",
        api_key=api_key,
        chain_id=8453,
        sell_token=sell,
        buy_token=buy,
        amount=1_000_000,
        base_token=USDC.upper().replace("0X", "0x"),
    )


def test_the_0x_endpoint_is_asked_as_it_wants() -> None:
    """Chain, tokens and amount in the query, version and key in the headers."""

    async def scenario() -> tuple[Reading, bytes]:
        async with raw_server(json_answer('{"price": "1601.5"}')) as server:
            reading = await read_guarded(ZeroExSource(zero_ex_spec(server, api_key="k-1")))
            return reading, server.requests[0]

    reading, request = run(scenario())
    assert reading.price == Price.of("1601.5")
    line, *headers = request.decode().split("\r\n")
    asked = f"affiliate=us&chainId=8453&sellToken={USDC}&buyToken={CNGN}&sellAmount=1000000"
    assert line == f"GET /swap/permit2/price?{asked} HTTP/1.1"
    assert "0x-version: v2" in headers
    assert "0x-api-key: k-1" in headers


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"price": "0"}', RejectReason.NOT_POSITIVE),
        ('{"price": "-1600"}', RejectReason.NOT_POSITIVE),
        ('{"price": "NaN"}', RejectReason.NOT_FINITE),
        ('{"buyAmount": "1"}', RejectReason.NO_PRICE),
        ('{"liquidityAvailable": false, "price": "1600"}', RejectReason.NO_PRICE),
        ('{"price": "1600", "buyToken": "0x01"}', RejectReason.WRONG_PAIR),
        ("1600", RejectReason.MALFORMED),
        ("", RejectReason.EMPTY),
    ],
)
def test_bad_0x_answers_are_refused(body: str, expected: RejectReason) -> None:
    """As with any HTTP source, and where the answer is about other tokens."""

    async def scenario() -> RejectReason:
        async with raw_server(json_answer(body)) as server:
            with pytest.raises(AnchorError) as caught:
                await read_guarded(ZeroExSource(zero_ex_spec(server)))
            return caught.value.refusal

    assert run(scenario()) is expected


def test_tokens_compare_without_regard_to_case() -> None:
    """A checksum address echoed in lower case is the same token."""

    async def scenario() -> Reading:
        body = f'{{"price": "1600", "sellToken": "{USDC.lower()}", "buyToken": "{CNGN.lower()}"}}'
        async with raw_server(json_answer(body)) as server:
            return await read_guarded(ZeroExSource(zero_ex_spec(server)))

    assert run(scenario()).price == Price.of(1600)


def test_a_pair_asked_the_other_way_round_is_inverted() -> None:
    """cNGN sold for USDC prices cNGN; the human price is 1 / that, to six decimals."""

    async def scenario(price: str) -> Reading:
        async with raw_server(json_answer(f'{{"price": "{price}"}}')) as server:
            return await read_guarded(ZeroExSource(zero_ex_spec(server, reverse=True)))

    assert run(scenario("0.000625")).price == Price.of(1600)
    with pytest.raises(AnchorError, match="not positive"):
        run(scenario("0"))


def tokens(sell: int, buy: int) -> EthCall:
    """A chain on which the two tokens have so many decimals."""

    async def eth_call(address: str, data: bytes) -> bytes:
        assert data == bytes.fromhex("313ce567")
        return {USDC: sell, CNGN: buy}[address].to_bytes(32)

    return eth_call


def quoted(body: str, *, eth_call: EthCall | None, reverse: bool = False) -> Reading:
    async def scenario() -> Reading:
        async with raw_server(json_answer(body)) as server:
            spec = zero_ex_spec(server, reverse=reverse)
            return await read_guarded(ZeroExSource(spec, eth_call))

    return run(scenario())


@pytest.mark.parametrize(
    ("sell", "buy", "bought"), [(6, 6, "1601500000"), (6, 18, "1601500000000000000000")]
)
def test_version_2_without_a_price_is_the_quotient_of_its_amounts(
    sell: int, buy: int, bought: str
) -> None:
    """buyAmount / sellAmount, each scaled by its token's decimals as the chain tells them."""
    body = f'{{"buyAmount": "{bought}", "sellAmount": "1000000"}}'
    assert quoted(body, eth_call=tokens(sell, buy)).price == Price.of("1601.5")


def test_a_price_that_is_there_goes_before_the_amounts() -> None:
    """Version 1 says it as it is, and no chain is asked."""
    body = '{"price": "1600", "buyAmount": "5", "sellAmount": "1"}'
    assert quoted(body, eth_call=None).price == Price.of(1600)


def test_a_quotient_asked_the_other_way_round_is_inverted() -> None:
    """1600 cNGN sold for 1 USDC."""
    body = '{"buyAmount": "1000000", "sellAmount": "1600000000"}'
    assert quoted(body, eth_call=tokens(6, 6), reverse=True).price == Price.of(1600)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"buyAmount": "1600000000"}', RejectReason.NO_PRICE),
        ('{"buyAmount": "0", "sellAmount": "1000000"}', RejectReason.NOT_POSITIVE),
        ('{"buyAmount": "1600000000", "sellAmount": "0"}', RejectReason.NOT_POSITIVE),
        ('{"buyAmount": "x", "sellAmount": "1000000"}', RejectReason.NO_PRICE),
    ],
)
def test_amounts_that_make_no_price_are_refused(body: str, expected: RejectReason) -> None:
    """One is missing, zero or no number."""
    with pytest.raises(AnchorError) as caught:
        quoted(body, eth_call=tokens(6, 6))
    assert caught.value.refusal is expected

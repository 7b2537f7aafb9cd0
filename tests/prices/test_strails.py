"""Claims about the StablesRail board."""

from __future__ import annotations

import json

import pytest

from mm_bot.core.exact import Price
from mm_bot.prices.source import AnchorError, RejectReason
from mm_bot.prices.strails import StrailsSource, StrailsSpec, mid_of
from tests.prices.servers import json_answer, raw_server
from tests.prices.support import run


def order(price: object, status: str | None = "active") -> dict[str, object]:
    return {"price": price} if status is None else {"price": price, "status": status}


def board(buys: object, sells: object) -> bytes:
    return json.dumps({"data": {"buyOrders": buys, "sellOrders": sells}}).encode()


def test_the_board_is_asked_with_pair_limit_and_key() -> None:
    """And answers the mid of the best orders that count, in any order."""

    async def scenario() -> tuple[Price, str]:
        buys = [order("1590"), order(1592, "ACTIVE"), order("1604", "filled"), order("1", "")]
        sells = [order("1700", None), order("1608"), order("1599", "cancelled")]
        async with raw_server(json_answer(board(buys, sells).decode())) as server:
            source = StrailsSource(StrailsSpec(base_url=server.url + "/api/", api_key="k-1"))
            price = (await source.read()).price
            await source.aclose()
            return price, server.requests[0].decode()

    price, request = run(scenario())
    assert price == Price.of(1600)
    assert request.startswith("GET /api/fx/orderbook?pair=CNGN-USDC&limit=10 HTTP/1.1")
    assert "x-api-key: k-1" in request


def test_a_board_in_usdc_per_cngn_is_inverted_order_by_order() -> None:
    """1592 and 1608 in human orientation give 1600, not the inverse of a mean."""
    buys = [order("0.0006218905472636815"), order("0.0005")]  # 1 / 1608
    sells = [order("0.000628140703517588"), order("0.0007")]  # 1 / 1592
    assert mid_of(board(buys, sells), "strails") == Price.of(1600)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", RejectReason.MALFORMED),
        (b'{"data": []}', RejectReason.MALFORMED),
        (b'{"data": {"buyOrders": []}}', RejectReason.MALFORMED),
        (board([], [order("1")]), RejectReason.ONE_SIDED),
        (board([order("1")], [order("1", "filled")]), RejectReason.ONE_SIDED),
        (board([order("1610")], [order("1600")]), RejectReason.CROSSED),
        (board([order("1600")], [order("1600")]), RejectReason.CROSSED),
        (board([order("0.0007")], [order("0.0006")]), RejectReason.CROSSED),
        (board([order("0")], [order("1")]), RejectReason.NOT_POSITIVE),
        (board([order("-5")], [order("1")]), RejectReason.NOT_POSITIVE),
        (board([order("NaN")], [order("1")]), RejectReason.NOT_FINITE),
        (board([order(None)], [order("1")]), RejectReason.NO_PRICE),
        (board([5], [order("1")]), RejectReason.MALFORMED),
        (b"", RejectReason.EMPTY),
    ],
)
def test_bad_boards_are_refused(body: bytes, expected: RejectReason) -> None:
    """Each with its own reason."""
    with pytest.raises(AnchorError) as caught:
        mid_of(body, "strails")
    assert caught.value.refusal is expected

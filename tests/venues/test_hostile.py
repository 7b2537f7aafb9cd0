"""Whatever rows, RPC answers and anchors hold: a value or an `EdgeError`, nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_bot.core.snapshot import OwnOrders
from mm_bot.errors import EdgeError
from mm_bot.io.errors import answered, excerpt, target
from mm_bot.io.http import LeanClient
from mm_bot.prices.level2 import Level2Book
from mm_bot.prices.parse import json_body, number_of, price_or_object
from mm_bot.prices.pyth import update_of
from mm_bot.venues.numo import wire
from mm_bot.venues.numo.account import AccountBalances, decode_balances
from mm_bot.venues.numo.chain import Chain
from mm_bot.venues.numo.order_rows import OwnAccount, own_orders
from mm_bot.venues.signing import WORD_BYTES, uint_word
from tests.venues.desk import CNGN, FUTURE_MARKET, SPOT_MARKET, watch
from tests.venues.raw_server import Server, with_server

NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from((10**400, "1e400", "NaN", "-0", "9" * 400, "0x"))
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20))
NAMES = st.builds(
    ":".join,
    st.lists(
        st.sampled_from(("mm", "USDCcNGN-SPOT", "buy", "7", "9" * 5_000, "", "٣")), max_size=5
    ),
)
"""Ids that look like ours, or nearly."""
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
OWNER = "0x" + "aa" * 20
DESK = OwnAccount(
    owner=OWNER,
    subaccount_id=1,
    market=SPOT_MARKET,
    others=(FUTURE_MARKET,),
    protected_prefixes=("manual:",),
)
ROW: dict[str, Any] = {
    "order_id": "mm:USDCcNGN-SPOT:buy:7",
    "owner_address": OWNER,
    "subaccount_id": "1",
    "asset_address": CNGN,
    "sub_id": "0",
    "side": "buy",
    "desired_amount": "10",
    "filled_amount": "0",
    "limit_price": "0.000625",
    "nonce": "7",
    "created_ms": 1,
    "expiry": 2_000_000_000,
    "status": "active",
    "cancel_reason": None,
    "trade_id": 3,
    "price": "0.000625",
    "size": "1",
    "at_ms": 5,
    "is_maker": True,
    "completes_order": False,
}


def row_of(column: int, value: object) -> tuple[object, ...]:
    """An answer of the table with that in one of its columns and nothing in the others."""
    empty: list[object] = [None] * 11
    empty[column] = value
    return tuple(empty)


@settings(max_examples=200)
@given(column=st.integers(0, 9), name=st.sampled_from(sorted(ROW)), value=VALUES | NAMES)
def test_a_damaged_row_is_an_edge_error_or_harmless(column: int, name: str, value: object) -> None:
    """One member of one row of any column is anything at all."""
    with contextlib.suppress(EdgeError):
        read = own_orders(row_of(column, [{**ROW, name: value}]), DESK, watch())
        assert isinstance(read, OwnOrders)


@settings(max_examples=100)
@given(column=st.integers(0, 9), value=VALUES)
def test_a_column_that_is_anything_is_an_edge_error_or_harmless(column: int, value: object) -> None:
    """A column is no list of rows."""
    with contextlib.suppress(EdgeError):
        assert isinstance(own_orders(row_of(column, value), DESK, watch()), OwnOrders)


@given(words=st.lists(st.integers(0, 2**256 - 1), max_size=12), tail=st.binary(max_size=31))
def test_balances_of_any_bytes_are_an_edge_error_or_balances(words: list[int], tail: bytes) -> None:
    """A count that the bytes do not hold is never believed."""
    with contextlib.suppress(EdgeError):
        read = decode_balances(b"".join(map(uint_word, words)) + tail)
        assert isinstance(read, AccountBalances)
        assert len(words) * WORD_BYTES == (4 + 3 * len(read.entries)) * WORD_BYTES


def chain_faults(body: bytes, status: int) -> list[str]:
    """What every read of a chain says whose node answers that to everything."""

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 %d X\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % (status, len(body)) + body)
        writer.close()

    faults: list[str] = []

    async def use(client: LeanClient, server: Server) -> None:
        chain = Chain(client, f"{client.base_url}k3y")
        for read in (
            chain.chain_id(),
            chain.block_time_s(),
            chain.has_code(CNGN),
            chain.balances(CNGN, 1),
            chain.owner_of(CNGN, 1),
            chain.domain_separator(CNGN),
        ):
            try:
                await read
            except EdgeError as error:
                faults.append(error.reason)

    with_server(answer, use)
    return faults


@settings(max_examples=40, deadline=None)
@given(
    answer=st.one_of(
        st.binary(max_size=60),
        VALUES.map(lambda value: _json({"id": 1, "result": value})),
        VALUES.map(lambda value: _json({"id": 1, "error": value})),
        st.fixed_dictionaries({"code": VALUES, "message": VALUES, "data": VALUES}).map(
            lambda error: _json({"id": 1, "error": error})
        ),
    ),
    status=st.sampled_from((200, 200, 204, 302, 404, 429, 500)),
)
def test_an_rpc_answer_is_an_edge_error_or_a_value(answer: bytes, status: int) -> None:
    """Noise, results and errors of any shape, of any status."""
    for fault in chain_faults(answer, status):
        assert "k3y" not in fault
        assert len(fault) < 1000


@settings(max_examples=200)
@given(
    body=st.one_of(
        st.binary(max_size=80),
        VALUES.map(lambda value: _json(value)),
        VALUES.map(lambda value: _json({"price": value, "generated_at": value})),
        VALUES.map(lambda value: _json({"parsed": [{"id": "ab", "price": value}]})),
        st.fixed_dictionaries(dict.fromkeys(("price", "conf", "expo", "publish_time"), VALUES)).map(
            lambda price: _json({"parsed": [{"id": "ab", "price": price}]})
        ),
        st.integers(1, 60_000).map(lambda depth: b"[" * depth),
        st.integers(1, 9_000).map(lambda depth: b'{"a":' * depth),
    )
)
def test_an_anchors_body_is_an_edge_error_or_a_price(body: bytes) -> None:
    """Every parser of a body is given every body."""
    with contextlib.suppress(EdgeError):
        json_body(body, "x")
    with contextlib.suppress(EdgeError):
        price_or_object(body, "x")
    with contextlib.suppress(EdgeError):
        update_of(body, "ab", "x")
    with contextlib.suppress(EdgeError):
        number_of(body.decode("latin-1"), "x")


@settings(max_examples=100)
@given(
    events=VALUES,
    sequence=st.one_of(st.just(0), VALUES),
    channel=st.sampled_from(("l2_data", "heartbeats", "subscriptions", 1, None)),
)
def test_a_stream_message_is_an_edge_error_or_taken(
    events: object, sequence: object, channel: object
) -> None:
    """A book that is fed anything has a reading, has none, or says why."""
    book = Level2Book("coinbase", "A-B")
    with contextlib.suppress(EdgeError):
        book.take({"channel": channel, "sequence_num": sequence, "events": events})
        book.reading()


@settings(max_examples=100)
@given(body=st.binary(max_size=200), text=st.text(max_size=300))
def test_a_services_words_are_always_short_and_printable(body: bytes, text: str) -> None:
    """Whatever it says."""
    for shown in (excerpt(body), excerpt(text)):
        assert len(shown) <= 161
        assert shown.isprintable()
    request = httpx.Request("GET", "http://api.test/v1/v1/x")
    with contextlib.suppress(UnicodeEncodeError):  # httpx writes headers in ASCII
        headers = {"location": text.replace("\r", "").replace("\n", "")}
        response = httpx.Response(302, content=body, headers=headers, request=request)
        assert len(answered(response, wire.parse_error(body))) < 900
    assert len(target(request.url, text)) < 600


def _json(value: object) -> bytes:
    """JSON of anything, with numbers of any size, as a hostile service may write it."""
    return json.dumps(value, ensure_ascii=True).encode()

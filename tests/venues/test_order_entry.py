"""Commands: what each answer means, and what is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from mm_bot.core.commands import Outcome, Verdict
from mm_bot.core.exact import Amount
from mm_bot.core.instrument import Instrument, Side
from mm_bot.io.http import LeanClient, LeanTransport, dialed, open_client
from mm_bot.io.http_connection import Answer
from mm_bot.io.resolver import SYSTEM
from mm_bot.io.streamed_body import StreamedBody
from mm_bot.venues import signing
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.order_entry import OrderEntry, machine_token, read_outcome
from mm_bot.venues.numo.units import EngineSide, ref, to_engine
from mm_bot.venues.signing import Action, CancelRequest, Domain, Signer, TradeData
from tests.venues.desk import FUTURE_MARKET, SPOT_MARKET, new_order

CAPTURES = Path(__file__).parents[1] / "captures"
OWNER_KEY, SESSION_KEY = bytes([1]) * 32, bytes([2]) * 32
OWNER, SESSION = Signer(OWNER_KEY).address, Signer(SESSION_KEY).address
CONFIG = NumoConfig(
    api_base_url="http://user:secret@api",
    rpc_url="http://node/secret",
    database_url="postgresql://user:secret@db/x",
    chain_id=31337,
    matching="0x" + "AA" * 20,
    trade="0x" + "bb" * 20,
    sub_accounts="0x" + "cc" * 20,
    owner_key=OWNER_KEY,
    signer_key=SESSION_KEY,
    owner=OWNER,
    signer=SESSION,
    subaccount_id=4,
    recipient_id=5,
    worst_fee=17,
    market_symbol=SPOT_MARKET.symbol,
    price_tick=None,
    contract_size=Decimal(10_000),
    margin_rate=Decimal("0.2"),
    protected_prefixes=(),
    service_name="Market Maker!",
    dry_run=False,
    wait_for_lock=False,
    request_timeout_ms=1000,
)
NOW_MS = 1_795_000_000_000


class Answering(LeanTransport):
    """An API that gives one answer, without a network."""

    def __init__(self, answer: httpx.Response | Exception, seen: list[httpx.Request]) -> None:
        super().__init__(partial(dialed, SYSTEM))
        self._gives = answer
        self._seen = seen

    async def exchanged(
        self,
        request: httpx.Request,
        data: bytes,
        extensions: Mapping[str, Any],
        streamed: StreamedBody | None = None,
    ) -> Answer:
        body = data.partition(b"\r\n\r\n")[2]
        self._seen.append(httpx.Request(request.method, request.url, content=body))
        if isinstance(self._gives, Exception):
            raise self._gives
        given = self._gives
        return Answer(
            request=request,
            status_code=given.status_code,
            fields=given.headers.raw,
            content=given.content,
        )


def entry_over(answer: httpx.Response | Exception, seen: list[httpx.Request]) -> OrderEntry:
    """An order entry whose API gives one answer."""
    client = LeanClient(base_url="http://api", transport=Answering(answer, seen))
    entry = OrderEntry(CONFIG, client, lambda: NOW_MS)
    entry.market = SPOT_MARKET
    return entry


def placed(answer: httpx.Response | Exception) -> Outcome:
    """How a place of nonce 7 ends when the API answers that."""
    order = new_order(SPOT_MARKET, Side.BUY, "1600", "100")

    async def run() -> Outcome:
        entry = entry_over(answer, [])
        return await entry.place(entry.prepare(order), lambda: True)

    return asyncio.run(run())


def cancelled(answer: httpx.Response | Exception, seen: list[httpx.Request]) -> Outcome:
    return asyncio.run(entry_over(answer, seen).cancel("mm:x:buy:7", 7, "Stale or wrong"))


ERROR = b'{"error": "no"}'
AMOUNTS = b'"limit_price": "1600", "desired_amount": "10", "filled_amount": "4"'
OURS = b'{"order": {"nonce": "7", %s}}' % AMOUNTS
THEIRS = b'{"order": {"nonce": "8", %s}}' % AMOUNTS


@pytest.mark.parametrize(
    ("status", "body", "place", "cancel"),
    [
        (201, OURS, Verdict.ACCEPTED, Verdict.UNKNOWN),
        (200, OURS, Verdict.UNKNOWN, Verdict.ACCEPTED),
        (201, THEIRS, Verdict.UNKNOWN, Verdict.UNKNOWN),
        (201, b"<html>", Verdict.UNKNOWN, Verdict.UNKNOWN),
        (200, b"{}", Verdict.UNKNOWN, Verdict.UNKNOWN),
        (400, ERROR, Verdict.REFUSED, Verdict.REFUSED),
        (403, ERROR, Verdict.REFUSED, Verdict.REFUSED),
        (400, b"<html>", Verdict.UNKNOWN, Verdict.UNKNOWN),
        (403, b"", Verdict.UNKNOWN, Verdict.UNKNOWN),
        (404, ERROR, Verdict.UNKNOWN, Verdict.UNKNOWN),
        (409, ERROR, Verdict.UNKNOWN, Verdict.UNKNOWN),
        (429, b"slow down", Verdict.REFUSED, Verdict.REFUSED),
        (500, ERROR, Verdict.UNKNOWN, Verdict.UNKNOWN),
        (502, b"<html>", Verdict.UNKNOWN, Verdict.UNKNOWN),
        (302, b"", Verdict.UNKNOWN, Verdict.UNKNOWN),
    ],
)
def test_answers_mean_what_the_table_says(
    status: int, body: bytes, place: Verdict, cancel: Verdict
) -> None:
    """Accepted and refused need a definite answer; everything else stays unknown."""
    assert read_outcome(status, body, 201, 7, FUTURE_MARKET).verdict is place
    assert read_outcome(status, body, 200, 7, FUTURE_MARKET).verdict is cancel


@pytest.mark.parametrize(
    ("market", "left"), [(FUTURE_MARKET, 1600 * 6 * 10), (SPOT_MARKET, 6)], ids=("future", "spot")
)
def test_an_accepted_cancel_says_what_was_left(market: Instrument, left: int) -> None:
    """In cNGN, exactly: 6 lots of 0.001 x 10,000 USDC at 1600, or the 6 whole cNGN of spot."""
    assert read_outcome(200, OURS, 200, 7, market).left == Amount.of(left)


@pytest.mark.parametrize(
    "amounts", [b"", AMOUNTS.replace(b'"4"', b'"11"'), AMOUNTS.replace(b'"1600"', b'"0"')]
)
def test_an_answer_without_sound_amounts_proves_nothing(amounts: bytes) -> None:
    """A body that is broken where we look is a broken body."""
    body = b'{"order": {"nonce": "7"%s}}' % (b", " + amounts if amounts else b"")
    assert read_outcome(200, body, 200, 7, FUTURE_MARKET).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("status", "unjudged"), [(400, False), (403, True), (429, True)])
def test_only_a_bad_request_judges_the_bytes(status: int, unjudged: bool) -> None:
    """A 400 is about what they say (exchange.md, section 3), so each sending of them ends the same;
    a 403 or 429 passes, and an earlier sending may still be taken."""
    for accepted in (201, 200):
        outcome = read_outcome(status, ERROR, accepted, 7, FUTURE_MARKET)
        assert (outcome.verdict, outcome.unjudged) == (Verdict.REFUSED, unjudged)


def test_a_conflict_is_marked_only_where_an_order_was_placed() -> None:
    """409 on a place is unknown with `conflict`; on a cancel it is merely unknown."""
    assert read_outcome(409, ERROR, 201, 7, FUTURE_MARKET).conflict is True
    assert read_outcome(409, ERROR, 200, 7, FUTURE_MARKET).conflict is False


@pytest.mark.parametrize("case", ["create-err", "create-err-custody", "create-ok", "cancel"])
def test_recorded_answers_are_never_misread(case: str) -> None:
    """Of the recorded answers exactly the 2xx are accepted, and the 400 and 403 refused."""
    for line in (CAPTURES / f"{case}.jsonl").read_text().splitlines():
        pair = json.loads(line)
        answer, sent = pair["response"], pair["request"].get("body")
        nonce = str(sent.get("nonce", "")) if isinstance(sent, dict) else ""
        if not nonce.isdigit():
            continue
        accepted = 201 if pair["request"]["path"] == "/v1/orders" else 200
        body = orjson.dumps(answer.get("json"))
        verdict = read_outcome(answer["status"], body, accepted, int(nonce), FUTURE_MARKET).verdict
        if answer["status"] == accepted:
            assert verdict is Verdict.ACCEPTED, pair["case"]
        elif answer["status"] in (400, 403):
            assert verdict is Verdict.REFUSED, pair["case"]
        else:
            assert verdict is Verdict.UNKNOWN, pair["case"]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (httpx.ConnectError("x"), Verdict.REFUSED),
        (httpx.ConnectTimeout("x"), Verdict.REFUSED),
        (httpx.PoolTimeout("x"), Verdict.REFUSED),
        (httpx.ReadTimeout("x"), Verdict.UNKNOWN),
        (httpx.WriteError("x"), Verdict.UNKNOWN),
        (httpx.ReadError("x"), Verdict.UNKNOWN),
        (httpx.RemoteProtocolError("x"), Verdict.UNKNOWN),
        (OSError("x"), Verdict.UNKNOWN),
    ],
)
def test_only_what_was_never_sent_is_refused(error: Exception, verdict: Verdict) -> None:
    """A failure before the first byte is a refusal, a failure after it is unknown."""
    for outcome in (placed(error), cancelled(error, [])):
        assert outcome.verdict is verdict
        assert outcome.detail.startswith("not sent") is (verdict is Verdict.REFUSED)


def test_a_cancel_is_signed_by_the_owner() -> None:
    """Also where a session key signs orders; all members are strings, the life is two minutes."""
    seen: list[httpx.Request] = []
    assert cancelled(httpx.Response(200, content=OURS), seen).verdict is Verdict.ACCEPTED
    body = orjson.loads(seen[0].content)
    assert body["reason"] == "bot.market_maker_.stale_or_wrong"
    assert body["service"] == "market_maker_"
    assert (body["owner_address"], body["signer_address"]) == (OWNER, OWNER)
    assert body["expiry"] == str(NOW_MS // 1000 + 120)
    assert all(isinstance(value, str) for value in body.values())
    digest = Domain(chain_id=31337, matching=CONFIG.matching).cancel_digest(
        CancelRequest(owner=OWNER, signer=OWNER, nonce=7, expiry_s=int(body["expiry"]))
    )
    assert signing.recover(digest, bytes.fromhex(body["signature"][2:])) == OWNER


def test_a_signed_order_has_the_recorded_shape() -> None:
    """The body has the members, and the kinds of members, that the exchange was seen to take."""
    lines = (CAPTURES / "create-ok.jsonl").read_text().splitlines()
    recorded = json.loads(lines[0])["request"]["body"]
    for market in (SPOT_MARKET, FUTURE_MARKET):
        order = new_order(market, Side.SELL, "1610", "2")
        client = open_client("http://api", 1_000)
        entry = OrderEntry(CONFIG, client, lambda: NOW_MS)
        entry.market = market
        signed = entry.prepare(order)
        body = orjson.loads(signed.body)
        assert {k: type(v) for k, v in body.items()} == {k: type(v) for k, v in recorded.items()}
        assert set(body["action_json"]) == set(recorded["action_json"])
        assert (body["signer_address"], body["recipient_id"], body["worst_fee"]) == (
            SESSION,
            "5",
            "17",
        )
        assert signed.order is order


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("market", [SPOT_MARKET, FUTURE_MARKET], ids=["spot", "future"])
def test_a_body_says_what_is_signed_by_the_session_key(market: Instrument, side: Side) -> None:
    """Member by member, each order with its own numbers; an id may need escapes."""
    entry = entry_over(httpx.Response(500), [])
    entry.market = market
    for price, order_id in (("1610", 'mm:"\\%s:é'), ("1599", "mm:x")):
        order = replace(new_order(market, side, price, "2"), order_id=order_id)
        engine = to_engine(market, side, order.price, order.size, order.notional)
        at, is_bid = ref(market), engine.side is EngineSide.BUY
        trade = TradeData(
            at.asset, at.sub_id, engine.limit_price, engine.desired_amount, 17, 5, is_bid
        )
        action = Action(
            4, order.nonce, CONFIG.trade, trade.encode(), order.expiry_s, OWNER, SESSION
        )
        body = orjson.loads(entry.prepare(order).body)
        digest = Domain(chain_id=31337, matching=CONFIG.matching).action_digest(action)
        assert signing.recover(digest, bytes.fromhex(body.pop("signature")[2:])) == SESSION
        assert body == {
            "owner_address": OWNER,
            "signer_address": SESSION,
            "subaccount_id": "4",
            "recipient_id": "5",
            "filled_amount": "0",
            "worst_fee": "17",
            "order_id": order_id,
            "nonce": str(order.nonce),
            "side": "buy" if is_bid else "sell",
            "asset_address": at.asset,
            "sub_id": str(at.sub_id),
            "desired_amount": engine.amount_text,
            "limit_price": engine.price_text,
            "expiry": order.expiry_s,
            "action_json": {
                "subaccount_id": "4",
                "module": CONFIG.trade,
                "owner": OWNER,
                "signer": SESSION,
                "nonce": str(order.nonce),
                "data": "0x" + trade.encode().hex(),
                "expiry": str(order.expiry_s),
            },
        }


def test_signing_is_repeatable() -> None:
    """The same order gives the same bytes, so a repeated post cannot be another order."""
    order = new_order(SPOT_MARKET, Side.BUY, "1600", "100")
    entry = entry_over(httpx.Response(500), [])
    assert entry.prepare(order).body == entry.prepare(order).body


def test_secrets_do_not_show() -> None:
    """Neither keys nor URLs are in the configuration's repr."""
    shown = repr(CONFIG)
    assert "secret" not in shown
    assert repr(OWNER_KEY) not in shown
    assert repr(SESSION_KEY) not in shown


@pytest.mark.parametrize(("text", "token"), [("Stale", "stale"), ("a b/c", "a_b_c"), ("", "_")])
def test_reasons_are_machine_tokens(text: str, token: str) -> None:
    """Reasons are kept to the exchange's alphabet."""
    assert machine_token(text) == token

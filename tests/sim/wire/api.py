"""The markets API over the model: what it lists, and what it makes of posts.

It looks at every post as the contracts would: the numbers are those that are signed, our session
key signed them, and they are never worse for us than what was decided. What is not so is told to
`wrong`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qs

import orjson

from mm_bot.core.commands import NewOrder
from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderStatus
from mm_bot.venues.numo.units import CHAIN_ONE, human_price, ref
from mm_bot.venues.signing import Action, CancelRequest, TradeData, recover
from tests.sim.model import PROTECTED, US, Model, Row, ranked
from tests.sim.weather import Weather
from tests.sim.wire import places
from tests.sim.wire.answers import Answer, Request
from tests.sim.wire.rendering import api_order, api_trade, side_of

LISTED = 25


class Api:
    def __init__(self, model: Model, weather: Weather, wrong: Callable[[str], None]) -> None:
        self._model = model
        self._weather = weather
        self._wrong = wrong
        self._markets = places.markets(model.market)
        self._bodies: dict[int, bytes] = {}
        self.sent: dict[str, NewOrder] = {}
        """Every order that a process let go at the last moment, by id."""

    def answer(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", "/v1/markets":
                return Answer(200, self._markets)
            case "GET", "/v1/book":
                return self._book()
            case "GET", "/v1/trades":
                return self._trades(int(parse_qs(request.query)["limit"][0]))
            case "POST", "/v1/orders":
                return self._place(request.body)
            case "POST", "/v1/orders/cancel":
                return self._cancel(request.body)
        return Answer(404, b"404 page not found\n", "text/plain")

    def _presented(self, **members: Any) -> Answer:
        return Answer.json(
            200, {"market_presentation": {"market": self._model.market.symbol}, **members}
        )

    def _book(self) -> Answer:
        model, market = self._model, self._model.market
        model.expire()
        active = [r for r in model.live() if r.status is OrderStatus.ACTIVE]
        sides = {
            side: [
                api_order(market, r) for r in ranked((r for r in active if r.side is side), side)
            ][:LISTED]
            for side in Side
        }
        bids, asks = (sides[side_of(market, word)] for word in ("buy", "sell"))
        return self._presented(bids=bids, asks=asks)

    def _trades(self, limit: int) -> Answer:
        newest = sorted(self._model.matches, key=lambda match: -match.trade_id)[:limit]
        return self._presented(trades=[api_trade(self._model, match) for match in newest])

    def _place(self, body: bytes) -> Answer:
        model, post = self._model, orjson.loads(body)
        nonce, now_ms = int(post["nonce"]), model.clock.now_ms()
        for fault in self._faults(post):
            self._wrong(f"{post['order_id']}: {fault}")
        if self._bodies.setdefault(nonce, body) != body:
            self._wrong(f"{post['order_id']}: other bytes under its nonce")
        if model.refuses(nonce, self._weather.place_refused):
            return Answer.error(400, "refused")
        end_ms = model.market.expiry_ms
        if post["expiry"] * 1000 <= now_ms or (end_ms is not None and now_ms >= end_ms):
            return Answer.error(400, "expiry must be in the future")
        row = self._row(post, now_ms)
        if not model.accept(row):
            return Answer.error(409, "order_id or nonce exists")
        return Answer.json(201, {"order": api_order(model.market, row)})

    def _row(self, post: dict[str, Any], now_ms: int) -> Row:
        market, engine = self._model.market, Decimal(post["limit_price"])
        amount = Decimal(post["desired_amount"])
        price = human_price(market, engine)
        return Row(
            order_id=post["order_id"],
            nonce=int(post["nonce"]),
            owner=US,
            side=side_of(market, post["side"]),
            price=price,
            steps=int(amount if market.is_spot else amount / market.size_step.value),
            unit=Size(engine) if market.is_spot else market.size_step,
            created_ms=now_ms,
            expiry_ms=post["expiry"] * 1000,
        )

    def _faults(self, post: dict[str, Any]) -> Iterator[str]:
        market, signed = self._model.market, post["action_json"]
        engine, amount = Decimal(post["limit_price"]), Decimal(post["desired_amount"])
        where = ref(market)
        data = TradeData(
            asset=where.asset,
            sub_id=where.sub_id,
            limit_price=int(engine * CHAIN_ONE),
            desired_amount=int(amount * CHAIN_ONE),
            worst_fee=int(post["worst_fee"]),
            recipient_id=places.SUBACCOUNT,
            is_bid=post["side"] == "buy",
        )
        action = Action(
            subaccount_id=places.SUBACCOUNT,
            nonce=int(post["nonce"]),
            module=places.TRADE,
            data=data.encode(),
            expiry_s=post["expiry"],
            owner=places.OWNER,
            signer=places.SIGNER,
        )
        digest = places.DOMAIN.action_digest(action)
        if recover(digest, bytes.fromhex(post["signature"][2:])) != places.SIGNER:
            yield "its signature is not the session key's over the numbers of the body"
        if signed["data"] != "0x" + action.data.hex() or int(signed["nonce"]) != action.nonce:
            yield "what is signed differs from the body"
        order = self.sent.get(post["order_id"])
        if order is None or order.nonce != action.nonce or order.expiry_s != post["expiry"]:
            yield "nobody let it go"
            return
        side = side_of(market, post["side"])
        if side is not order.side or _worse(market.is_spot, side, order.price, engine):
            yield f"{post['side']} at {engine} is not {order.side.value} at {order.price}"
        most = order.notional.value if market.is_spot else order.size.value
        if amount > most:
            yield f"{amount} is more than {most}"

    def _cancel(self, body: bytes) -> Answer:
        model, post = self._model, orjson.loads(body)
        nonce = int(post["nonce"])
        cancel = CancelRequest(
            owner=places.OWNER, signer=places.OWNER, nonce=nonce, expiry_s=int(post["expiry"])
        )
        digest = places.DOMAIN.cancel_digest(cancel)
        if recover(digest, bytes.fromhex(post["signature"][2:])) != places.OWNER:
            self._wrong(f"the cancel of {nonce} is not signed by the owner")
        held = model.rows.get(model.nonces.get((US, nonce), ""))
        if held is not None and held.order_id.startswith(PROTECTED):
            return Answer.error(403, "order is protected")
        row = model.cancel(US, nonce)
        if row is None:
            return Answer.error(404, "active order not found")
        return Answer.json(200, {"order": api_order(model.market, row)})


def _worse(inverted: bool, side: Side, decided: Price, engine: Decimal) -> bool:
    """Whether an engine price is worse for us than the human one that was decided."""
    human = 1 / Fraction(engine) if inverted else Fraction(engine)
    return side.sign * (human - Fraction(decided.value)) > 0

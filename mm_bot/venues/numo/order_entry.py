"""Signed posts: an order or a cancel goes out, an `Outcome` comes back.

How an answer is read (behaviour, section 6), and nothing else decides it:

| answer | place | cancel |
| --- | --- | --- |
| 201 / 200 with our order in the body | accepted | accepted |
| 400 with an error text | refused: the same bytes always are | refused |
| 403 with an error text, 429 | refused for now, `unjudged` | refused |
| no connection: nothing was sent | refused, "not sent" | refused, "not sent" |
| 409 | unknown, `conflict` | unknown |
| 404 | unknown | unknown, `held` |
| 5xx, timeout, broken body, connection lost, all else | unknown | unknown |

No exception leaves `place` and `cancel` but cancellation, and nothing is sent twice in here: the
same `PreparedOrder` may be placed again by whoever holds it, since owner and nonce are unique.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import orjson

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict
from mm_bot.core.instrument import Instrument
from mm_bot.errors import EdgeError
from mm_bot.io.errors import FOREIGN, NOT_SENT, describe
from mm_bot.io.http import LeanClient
from mm_bot.venues.numo import units, wire
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.signing import Action, CancelRequest, Domain, SharedWords, Signer, TradeData

CANCEL_LIFE_S: Final = 120
_OK: Final = 200
_CREATED: Final = 201
_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_CONFLICT: Final = 409


class OrderEntry:
    """Signs and posts for one subaccount in one market."""

    def __init__(
        self,
        config: NumoConfig,
        client: LeanClient,
        now_ms: Callable[[], int],
    ) -> None:
        self._config = config
        self._market: Instrument | None = None
        self._client = client
        self._now_ms = now_ms
        self._domain = Domain(chain_id=config.chain_id, matching=config.matching)
        self._owner = Signer(config.owner_key)
        self._signer = Signer(config.signer_key)
        # The API takes any signature; a bad one would show only when a match fails on chain.
        self._owner.check()
        self._signer.check()
        assert self._owner.address == config.owner, "the owner's key is not the owner's"
        assert self._signer.address == config.signer, "the signer's key is not the signer's"

    @property
    def market(self) -> Instrument | None:
        """Set once it is known; cancels do without."""
        return self._market

    @market.setter
    def market(self, market: Instrument) -> None:
        self._market, where = market, units.ref(market)
        self._words = self._shared_words(where)
        self._body = self._shared_body(where)

    def prepare(self, order: NewOrder) -> PreparedOrder:
        """The order as the bytes that are posted.

        Raises:
            ValueError: where the order is too small for the engine to express.
        """
        market, words, nonce, expiry_s = self._market, self._words, order.nonce, order.expiry_s
        assert market is not None, "orders are prepared once the instrument is known"
        engine = units.to_engine(market, order.side, order.price, order.size, order.notional)
        is_bid = engine.side is units.EngineSide.BUY
        data = words.data(engine.limit_price, engine.desired_amount, is_bid)
        signature = self._signer.sign(words.digest(nonce, data, expiry_s))
        body = self._body % (
            orjson.dumps(order.order_id),
            nonce,
            b"buy" if is_bid else b"sell",
            engine.amount_text.encode(),
            engine.price_text.encode(),
            expiry_s,
            nonce,
            data.hex().encode(),
            expiry_s,
            signature.hex().encode(),
        )
        return PreparedOrder(order=order, body=body)

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        """Post a signed order, once, unless `may_send` forbids it at the last moment."""
        nonce = prepared.order.nonce
        return await self._post("/v1/orders", prepared.body, _CREATED, nonce, may_send=may_send)

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        """Ask for an order to be taken off the book; `reason` is a word of ours, such as `stale`.

        The owner signs, also where a session key signs the orders.
        """
        config = self._config
        cancel = CancelRequest(
            owner=config.owner,
            signer=config.owner,
            nonce=nonce,
            expiry_s=self._now_ms() // 1000 + CANCEL_LIFE_S,
        )
        service = machine_token(config.service_name)
        body = {
            "owner_address": cancel.owner,
            "signer_address": cancel.signer,
            "nonce": str(nonce),
            "expiry": str(cancel.expiry_s),
            "signature": "0x" + self._owner.sign_cancel(self._domain, cancel).hex(),
            "reason": f"bot.{service}.{machine_token(reason)}",
            "service": service,
        }
        return await self._post("/v1/orders/cancel", orjson.dumps(body), _OK, nonce, urgent=True)

    def _shared_words(self, where: units.AssetRef) -> SharedWords:
        """What is signed in every order of that market."""
        config = self._config
        trade = TradeData(
            asset=where.asset,
            sub_id=where.sub_id,
            limit_price=0,
            desired_amount=0,
            worst_fee=config.worst_fee,
            recipient_id=config.recipient_id,
            is_bid=False,
        )
        action = Action(
            subaccount_id=config.subaccount_id,
            nonce=0,
            module=config.trade,
            data=b"",
            expiry_s=0,
            owner=config.owner,
            signer=config.signer,
        )
        return SharedWords(self._domain, action, trade)

    def _shared_body(self, where: units.AssetRef) -> bytes:
        """What is posted of every order of that market; what is each one's own is left open, in the
        order in which `prepare` fills it in."""
        config = self._config
        body = {
            "owner_address": config.owner,
            "signer_address": config.signer,
            "subaccount_id": str(config.subaccount_id),
            "recipient_id": str(config.recipient_id),
            "filled_amount": "0",
            "worst_fee": str(config.worst_fee),
            "order_id": orjson.Fragment("%b"),
            "nonce": "%d",
            "side": "%b",
            "asset_address": where.asset,
            "sub_id": str(where.sub_id),
            "desired_amount": "%b",
            "limit_price": "%b",
            "expiry": orjson.Fragment("%d"),
            "action_json": {
                "subaccount_id": str(config.subaccount_id),
                "module": config.trade,
                "owner": config.owner,
                "signer": config.signer,
                "nonce": "%d",
                "data": "0x%b",
                "expiry": "%d",
            },
            "signature": "0x%b",
        }
        return orjson.dumps(body)

    async def _post(
        self, path: str, body: bytes, accepted: int, nonce: int, **extensions: object
    ) -> Outcome:
        try:
            response = await self._client.post_json(path, body, **extensions)
        except NOT_SENT as error:
            detail = f"not sent: {describe(error)}"
            return Outcome(verdict=Verdict.REFUSED, detail=detail, unjudged=True)
        except FOREIGN as error:
            return Outcome(verdict=Verdict.UNKNOWN, detail=describe(error))
        return read_outcome(response.status_code, response.content, accepted, nonce, self.market)


def read_outcome(
    status: int, body: bytes, accepted: int, nonce: int, market: Instrument | None
) -> Outcome:
    """What an answer says of the command, by the table above."""
    if status == accepted:
        try:
            echoed, left = wire.parse_order(body, market)
        except EdgeError as error:
            return Outcome(verdict=Verdict.UNKNOWN, detail=f"{status}, but {error.reason}")
        if echoed != nonce:
            return Outcome(verdict=Verdict.UNKNOWN, detail=f"{status} for nonce {echoed}")
        return Outcome(verdict=Verdict.ACCEPTED, left=left)
    text = wire.parse_error(body)
    detail = f"{status}: {(text or 'no error text')[:200]}"
    if status == _TOO_MANY or (status in (_BAD_REQUEST, _FORBIDDEN) and text is not None):
        return Outcome(verdict=Verdict.REFUSED, detail=detail, unjudged=status != _BAD_REQUEST)
    conflict = status == _CONFLICT and accepted == _CREATED
    held = status == _NOT_FOUND and accepted == _OK
    return Outcome(verdict=Verdict.UNKNOWN, detail=detail, conflict=conflict, held=held)


@lru_cache(maxsize=64)
def machine_token(text: str) -> str:
    """`text` in the alphabet of the exchange's reason tokens."""
    return re.sub(r"[^a-z0-9_.-]", "_", text.lower()) or "_"

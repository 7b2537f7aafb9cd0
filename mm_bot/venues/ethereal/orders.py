"""Signed posts: an order or a cancel goes out, an `Outcome` comes back.

| answer to a place | outcome |
| --- | --- |
| 201, `result` `Ok` | accepted |
| 201, another `result` but `Unknown` | refused: created, and over at once |
| 422 `NonceAlreadyUsed`, `DuplicateClientOrderId` | unknown, `conflict` |
| 400, 401, 403, 422, 429 with the documented body | refused, where it was the first sending |
| not sent | refused, where it was the first sending |
| all else | unknown |

Bytes that were sent before with an unknown end are judged by `Unsure`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

import orjson

from mm_bot.clock import Clock
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict
from mm_bot.core.instrument import Instrument
from mm_bot.errors import EdgeError
from mm_bot.fields.keys import checksummed
from mm_bot.venues.ethereal import codec, wire
from mm_bot.venues.ethereal.account import AccountReads
from mm_bot.venues.ethereal.api import (
    ACCEPTED,
    CREATED,
    EtherealApi,
    NotSentError,
    RefusedError,
)
from mm_bot.venues.ethereal.cancels import Cancels
from mm_bot.venues.ethereal.config import EtherealConfig
from mm_bot.venues.ethereal.signing import PERPETUALS, CancelOrder, Domain, TradeOrder
from mm_bot.venues.ethereal.wire import read
from mm_bot.venues.names import FOREIGN, Names
from mm_bot.venues.signing import Signer
from mm_bot.venues.unsure import Unsure

TAKEN_BEFORE: Final = ("NonceAlreadyUsed", "DuplicateClientOrderId")
UNSAID: Final = "Unknown"
NS_PER_MS: Final = 1_000_000
LANE_NS: Final = 1_000
LANES: Final = 499
CANCELS_NS: Final = 500_000
"""Nonces must differ by signer, and bots of several markets may share one. Ours begin at a whole
millisecond; each process adds its own lane inside of it, and cancels the second half."""


class OrderEntry:
    """Signs and posts for one subaccount in one market."""

    def __init__(
        self, config: EtherealConfig, api: EtherealApi, clock: Clock, lane: int | None = None
    ) -> None:
        self._config = config
        self._api = api
        self._clock = clock
        self._key = Signer(config.signer_key)
        self._key.check()
        self._domain = Domain(chain_id=config.chain_id, contract=config.contract)
        self._lane_ns = LANE_NS * (secrets.randbelow(LANES) if lane is None else lane)
        self._last_cancel = 0
        self._unsure = Unsure()
        self._cancels = Cancels(self._send_cancels)
        self.ahead_ms = 0
        """How far the exchange's clock is ahead of ours: what it compares is on its own."""
        self.names = Names()

    @property
    def signer(self) -> str:
        """Lower case."""
        return self._key.address

    def prepare(self, order: NewOrder, market: Instrument) -> PreparedOrder:
        """The body of `POST /v1/order`, signed. Times and nonce are as the exchange's clock has
        them, the client id has our own nonce."""
        config, product = self._config, wire.listing(market)
        signed = TradeOrder(
            sender=self.signer,
            subaccount=config.subaccount_word,
            quantity=wire.billionths(order.size.value),
            price=wire.billionths(order.price.value),
            reduce_only=order.reduce_only,
            side=wire.SIDES.index(order.side),
            product_id=product.onchain_id,
            nonce=order.nonce + self.ahead_ms * NS_PER_MS + self._lane_ns,
            signed_at_s=self.their_ms() // 1000,
        )
        data = {
            **self._who(signed.nonce),
            "quantity": wire.text(order.size.value),
            "price": wire.text(order.price.value),
            "reduceOnly": signed.reduce_only,
            "side": signed.side,
            "engineType": PERPETUALS,
            "onchainId": signed.product_id,
            "type": "LIMIT",
            "timeInForce": "GTD",
            "postOnly": not order.may_take,
            "expiresAt": order.expiry_s + self.ahead_ms // 1000,
            "signedAt": signed.signed_at_s,
            "clientOrderId": codec.client_id(order.order_id),
        }
        signature = self._domain.sign_order(self._key, signed)
        return PreparedOrder(order=order, body=orjson.dumps({"data": data, "signature": signature}))

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        """Post a signed order, once, unless `may_send` forbids it at the last moment."""
        order_id = prepared.order.order_id
        try:
            answer = await self._api.write(
                "order", prepared.body, CREATED, is_cancel=False, may_send=may_send
            )
            return self._result(answer, order_id)
        except NotSentError as error:
            outcome = Outcome(verdict=Verdict.REFUSED, detail=error.reason)
        except RefusedError as error:
            outcome = _refusal(error)
        except EdgeError as error:
            outcome = Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
        return self._unsure.judged(order_id, outcome)

    async def cancel(self, order_id: str, reads: AccountReads) -> Outcome:
        """By client id, which needs no answer to the place. What was left is asked for after it:
        what is decided to follow must not ignore a fill that the cancel crossed."""
        try:
            name, is_client_id = codec.client_id(order_id), True
        except ValueError:
            is_client_id = not order_id.startswith(FOREIGN)
            name = order_id.removeprefix(FOREIGN)
        outcome = await self._cancels.cancel(name, is_client_id=is_client_id)
        if outcome.verdict is not Verdict.ACCEPTED:
            return outcome
        return Outcome(verdict=Verdict.ACCEPTED, left=await reads.left(order_id))

    async def probe(self) -> Outcome:
        """How a signed cancel of an order ends that cannot be."""
        return await self._cancels.cancel(f"mmprobe{self._cancel_nonce()}", is_client_id=True)

    def _result(self, answer: object, order_id: str) -> Outcome:
        """Of a 201: it says of the order itself that it rests or is over."""
        members = read.members(answer, "order answer")
        result = read.text(members, "result", "order answer")
        if members.get("clientOrderId") != codec.client_id(order_id) or result == UNSAID:
            detail = f"201, and says {result} of {members.get('clientOrderId')!r}"
            unknown = Outcome(verdict=Verdict.UNKNOWN, detail=detail)
            return self._unsure.judged(order_id, unknown)
        if result != "Ok":
            return Outcome(verdict=Verdict.REFUSED, detail=result[:100])
        self.names.note(order_id, read.text(members, "id", "order answer"))
        return self._unsure.judged(order_id, Outcome(verdict=Verdict.ACCEPTED))

    async def _send_cancels(self, client_ids: list[str], order_ids: list[str]) -> Any:
        nonce = self._cancel_nonce()
        cancel = CancelOrder(
            sender=self.signer, subaccount=self._config.subaccount_word, nonce=nonce
        )
        data = {**self._who(nonce), "orderIds": order_ids, "clientOrderIds": client_ids}
        body = {"data": data, "signature": self._domain.sign_cancel(self._key, cancel)}
        return await self._api.write("order/cancel", orjson.dumps(body), ACCEPTED, is_cancel=True)

    def _cancel_nonce(self) -> int:
        now = self.their_ms() * NS_PER_MS + CANCELS_NS + self._lane_ns
        self._last_cancel = max(self._last_cancel + 1, now)
        return self._last_cancel

    def _who(self, nonce: int) -> dict[str, object]:
        return {
            "sender": checksummed(self.signer),
            "subaccount": "0x" + self._config.subaccount_word.hex(),
            "nonce": str(nonce),
        }

    def their_ms(self) -> int:
        """The exchange's clock now."""
        return self._clock.now_ms() + self.ahead_ms


def _refusal(error: RefusedError) -> Outcome:
    conflict = error.code in TAKEN_BEFORE
    is_unknown = conflict or error.code == UNSAID
    verdict = Verdict.UNKNOWN if is_unknown else Verdict.REFUSED
    return Outcome(verdict=verdict, detail=error.reason, conflict=conflict)

"""Signed orders, cancels and replaces: a command goes out, an `Outcome` comes back.

What can go wrong (specification, sections 7 and 11): only -32603, 9000, 9001, an unreadable answer,
a timeout or a lost socket leave an outcome unknown; every other answer is definite. The same bytes
may be sent again: a signed order is taken once, and 11016 or 11017 then say that it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Replaced, Verdict
from mm_bot.core.exact import Amount, subtract
from mm_bot.core.instrument import Instrument, Side
from mm_bot.errors import EdgeError
from mm_bot.venues.derive import wire
from mm_bot.venues.derive.account import AccountReads
from mm_bot.venues.derive.api import DeriveApi, LostError, NotSentError, RefusedError
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.their_clock import TheirClock
from mm_bot.venues.signing import Action, Domain, Signer, TradeData
from mm_bot.venues.unsure import Unsure

UNKNOWN_CODES: Final = frozenset({-32603, 9000, 9001})
CONSUMED_CODES: Final = frozenset({11016, 11017})


class OrderEntry:
    """Signs and sends for one subaccount in one market."""

    def __init__(
        self, config: DeriveConfig, api: DeriveApi, clock: TheirClock, reads: AccountReads
    ) -> None:
        self._config = config
        self._api = api
        self._clock = clock
        self._reads = reads
        self._unsure = Unsure()
        self._key = Signer(config.signer_key)
        self._key.check()
        self._domain = Domain(chain_id=config.chain_id, matching=config.matching)

    @property
    def signer(self) -> str:
        """Lower case."""
        return self._key.address

    @property
    def separator(self) -> str:
        """Of the domain that we sign for, as hex."""
        return "0x" + self._domain.separator.hex()

    def prepare(self, order: NewOrder, market: Instrument) -> PreparedOrder:
        """The params of `private/order`, signed."""
        config, listed = self._config, wire.perpetual(market)
        price, amount = order.price.value, order.size.value
        max_fee = listed.max_fee(price, amount)
        expiry_s = self._clock.theirs(order.expiry_s * 1000) // 1000
        data = TradeData(
            asset=listed.asset,
            sub_id=listed.sub_id,
            limit_price=wire.chain(price),
            desired_amount=wire.chain(amount),
            worst_fee=wire.chain(max_fee),
            recipient_id=config.subaccount_id,
            is_bid=order.side is Side.BUY,
        )
        action = Action(
            subaccount_id=config.subaccount_id,
            nonce=order.nonce,
            module=config.trade_module,
            data=data.encode(),
            expiry_s=expiry_s,
            owner=config.owner,
            signer=self.signer,
        )
        body = {
            **self._market(),
            "direction": order.side.value,
            "amount": wire.text(amount),
            "limit_price": wire.text(price),
            "max_fee": wire.text(max_fee),
            "nonce": str(order.nonce),
            "signature": "0x" + self._key.sign_action(self._domain, action).hex(),
            "signature_expiry_sec": expiry_s,
            "signer": self.signer,
            "order_type": "limit",
            "time_in_force": "gtc" if order.may_take else "post_only",
            "reject_post_only": not order.may_take,
            "label": order.order_id,
            "mmp": False,
        }
        return PreparedOrder(order=order, body=orjson.dumps(body))

    async def place(self, prepared: PreparedOrder, why_not: str | None) -> Outcome:
        """Send a signed order, once, or not at all where something is against it."""
        order_id = prepared.order.order_id
        if why_not is not None:
            outcome = Outcome(verdict=Verdict.REFUSED, detail=f"not sent: {why_not}")
        else:
            answer = await self._write("private/order", prepared.body, is_cancel=False)
            if isinstance(answer, Outcome):
                outcome = answer
            else:
                outcome = self._taken(answer.get("order"), order_id)
        return self._unsure.judged(order_id, outcome)

    async def cancel(self, order_id: str, nonce: int) -> Outcome:
        """By the exchange's id where it is known: that answer says what was left. Else by nonce."""
        known = self._reads.venue_ids.get(order_id)
        if known is not None:
            body = orjson.dumps({**self._market(), "order_id": known})
            answer = await self._write("private/cancel", body, is_cancel=True)
            return answer if isinstance(answer, Outcome) else self._taken(answer, order_id)
        body = orjson.dumps({**self._market(), "nonce": str(nonce)})
        answer = await self._write("private/cancel_by_nonce", body, is_cancel=True)
        if isinstance(answer, Outcome):
            return answer
        if answer.get("cancelled_orders") == 1:
            return Outcome(verdict=Verdict.ACCEPTED)
        return Outcome(verdict=Verdict.UNKNOWN, detail="no open order of that nonce")

    async def replace(
        self, prepared: PreparedOrder, order_id: str, left: Amount | None
    ) -> Replaced:
        """See `Replacing.replace`: the exchange itself looks whether more was filled."""
        row, venue_id = self._reads.row(order_id), self._reads.venue_ids.get(order_id)
        if row is None or venue_id is None or (left is not None and row.notional < left):
            return Replaced.neither(Verdict.REFUSED, "not sent: not as it was decided")
        filled = subtract(row.original_size.value, row.size.value)
        body = {
            **orjson.loads(prepared.body),
            "order_id_to_cancel": venue_id,
            "expected_filled_amount": wire.text(filled),
        }
        answer = await self._write("private/replace", orjson.dumps(body), is_cancel=False)
        if isinstance(answer, Outcome):
            return Replaced.neither(answer.verdict, answer.detail, conflict=answer.conflict)
        gone = self._taken(answer.get("cancelled_order"), order_id)
        if answer.get("order") is None:
            failed = answer.get("create_order_error")
            verdict = Verdict.UNKNOWN if failed is None else Verdict.REFUSED
            return Replaced(cancel=gone, place=Outcome(verdict=verdict, detail=str(failed)[:200]))
        return Replaced(
            cancel=gone, place=self._taken(answer.get("order"), prepared.order.order_id)
        )

    def _market(self) -> dict[str, object]:
        config = self._config
        return {
            "instrument_name": config.market_symbol,
            "subaccount_id": config.subaccount_id,
        }

    async def _write(
        self, method: str, body: bytes, *, is_cancel: bool
    ) -> Mapping[str, Any] | Outcome:
        """The result, or how the command ended without one."""
        try:
            answer = await self._api.write(method, body, is_cancel=is_cancel)
        except NotSentError as error:
            return Outcome(verdict=Verdict.REFUSED, detail=error.reason)
        except LostError as error:
            return Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
        except RefusedError as error:
            if error.code in UNKNOWN_CODES or is_cancel:
                return Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
            conflict = error.code in CONSUMED_CODES
            verdict = Verdict.UNKNOWN if conflict else Verdict.REFUSED
            return Outcome(verdict=verdict, detail=error.reason, conflict=conflict)
        if not isinstance(answer, dict):
            return Outcome(verdict=Verdict.UNKNOWN, detail=f"{method}: the result is no object")
        return answer

    def _taken(self, entry: object, order_id: str) -> Outcome:
        """What an accepted command says of one order."""
        try:
            row = self._reads.note(entry)
        except EdgeError as error:
            return Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
        if row is None or row.order_id != order_id:
            return Outcome(verdict=Verdict.UNKNOWN, detail="the answer is of another order")
        return Outcome(verdict=Verdict.ACCEPTED, left=row.notional)

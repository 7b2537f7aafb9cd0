"""Posts: an order or a cancel goes out, an `Outcome` comes back.

| answer to a place | outcome |
| --- | --- |
| 200, `success` true, of our client id | accepted |
| 200, `success` false | refused, but for `DUPLICATE_CLIENT_ORDER_ID`: unknown, `conflict` |
| 400 with a body, 401, 403, 429; not sent | refused |
| all else | unknown |

Accepted is not resting: a post-only order that would take may fail later, as its row then says. A
cancel is accepted once its order is read as over; until then it is only asked for. Orders that were
sent before with an unknown end are judged by `Unsure`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict
from mm_bot.core.exact import plain
from mm_bot.core.instrument import Instrument
from mm_bot.errors import EdgeError
from mm_bot.venues.coinbase import wire
from mm_bot.venues.coinbase.account import AccountReads
from mm_bot.venues.coinbase.api import CoinbaseApi, NotSentError, RefusedError
from mm_bot.venues.coinbase.wire import read
from mm_bot.venues.names import Names
from mm_bot.venues.unsure import Unsure

TAKEN_BEFORE: Final = "DUPLICATE_CLIENT_ORDER_ID"


class OrderEntry:
    """Posts for one market."""

    def __init__(self, api: CoinbaseApi, names: Names) -> None:
        self._api = api
        self._names = names
        self._unsure = Unsure()
        self.ahead_ms = 0
        """How far the exchange's clock is ahead of ours."""

    def prepare(self, order: NewOrder, market: Instrument) -> PreparedOrder:
        """The body of `POST /orders`: post-only but for a forced reduction, and over at its end
        time, the one dead man's switch there is."""
        terms = {
            "base_size": plain(order.size.value),
            "limit_price": plain(order.price.value),
            "end_time": wire.time_text(order.expiry_s * 1000 + self.ahead_ms),
            "post_only": not order.may_take,
        }
        body = {
            "client_order_id": order.order_id,
            "product_id": market.symbol,
            "side": order.side.value.upper(),
            "order_configuration": {"limit_limit_gtd": terms},
        }
        return PreparedOrder(order=order, body=orjson.dumps(body))

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        """Post an order, once, unless `may_send` forbids it at the last moment."""
        order_id = prepared.order.order_id
        try:
            answer = await self._api.write(
                "orders", prepared.body, is_cancel=False, may_send=may_send
            )
            outcome = self._result(answer, order_id)
        except (NotSentError, RefusedError) as error:
            outcome = Outcome(verdict=Verdict.REFUSED, detail=error.reason)
        except EdgeError as error:
            outcome = Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
        return self._unsure.judged(order_id, outcome)

    def _result(self, answer: dict[str, Any], order_id: str) -> Outcome:
        """Of a 200: `success` alone decides."""
        if not read.truth(answer, "success", "order answer"):
            why = wire.reason(answer)
            conflict = why == TAKEN_BEFORE
            verdict = Verdict.UNKNOWN if conflict else Verdict.REFUSED
            return Outcome(verdict=verdict, detail=why, conflict=conflict)
        said = read.members(answer.get("success_response"), "success_response")
        if said.get("client_order_id") != order_id:
            return Outcome(verdict=Verdict.UNKNOWN, detail="the answer is of another order")
        self._names.note(order_id, read.text(said, "order_id", "success_response"))
        return Outcome(verdict=Verdict.ACCEPTED)

    async def cancel(self, order_id: str, reads: AccountReads) -> Outcome:
        """By the exchange's id, the only one that a cancel can name."""
        try:
            theirs = await reads.theirs(order_id)
            if theirs is None:
                detail = "not known by its client id (yet)"
                return Outcome(verdict=Verdict.UNKNOWN, detail=detail)
            answer = await self._api.write(
                "orders/batch_cancel", orjson.dumps({"order_ids": [theirs]}), is_cancel=True
            )
            results = read.array(answer.get("results"), "cancel results")
            result = read.members(results[0] if results else None, "cancel result")
            success = read.truth(result, "success", "cancel result")
        except NotSentError as error:
            return Outcome(verdict=Verdict.REFUSED, detail=error.reason)
        except EdgeError as error:
            return Outcome(verdict=Verdict.UNKNOWN, detail=error.reason)
        if not success:
            return Outcome(verdict=Verdict.UNKNOWN, detail=str(result.get("failure_reason"))[:100])
        left = await reads.gone(theirs)
        if left is None:
            return Outcome(verdict=Verdict.UNKNOWN, detail="asked for, and not over yet")
        return Outcome(verdict=Verdict.ACCEPTED, left=left)

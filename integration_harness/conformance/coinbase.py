"""Coinbase as the kit sees it: the server of `venues/coinbase`, asked directly."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from Crypto.PublicKey import ECC

from integration_harness.conformance.driver import Sent
from integration_harness.conformance.fake import FakeDriver
from integration_harness.stack.quantities import Side
from integration_harness.venues.coinbase import CoinbaseServer, Order
from integration_harness.venues.coinbase.model import OURS

_KEY: Final = ECC.construct(curve="P-256", d=int("b2" * 32, 16))
_KEY_NAME: Final = "organizations/11111111-2222-4333-8444-555555555555/apiKeys/kit"
_LIFE_SECONDS: Final = 120.0
"""Longer than an order of `short_life` lives."""


class CoinbaseDriver(FakeDriver[CoinbaseServer]):
    """One spot market."""

    name = "coinbase"
    symbol = CoinbaseServer.symbol
    lacks: Mapping[str, str] = {"dead_man": "only their end time ends orders there"}
    account = OURS
    step = Decimal("0.00001")

    def made(self) -> CoinbaseServer:
        return CoinbaseServer(_KEY_NAME, str(_KEY.public_key().export_key(format="PEM")))

    def own_environment(self) -> dict[str, str]:
        pem = str(_KEY.export_key(format="PEM", use_pkcs8=False))
        return {
            "MM_COINBASE_REST_URL": self.server.rest_url,
            "MM_COINBASE_MARKET_SOCKET_URL": self.server.socket_url("market"),
            "MM_COINBASE_USER_SOCKET_URL": self.server.socket_url("user"),
            "MM_COINBASE_LOCK_FILE": str(self.lock_file),
            "MM_COINBASE_KEY_NAME": _KEY_NAME,
            "MM_COINBASE_PRIVATE_KEY": pem.replace("\n", "\\n"),
            "MM_COINBASE_REQUESTS_PER_HOUR": "100000",
            "MM_COINBASE_RESEND": "true",
            "MM_MAX_LONG_INVENTORY": "200",
        }

    def short_life(self) -> dict[str, str]:
        return {"MM_ORDER_EXPIRY_SECONDS": "30"}

    def fills(self) -> tuple[tuple[Side, Fraction], ...]:
        mine = list(self.server.exchange.fills)
        return tuple(("buy" if f["side"] == "BUY" else "sell", Fraction(f["size"])) for f in mine)

    def sent(self) -> tuple[Sent, ...]:
        """Nothing is signed of an order but its request: the body stands for the signature."""
        return tuple(
            Sent(
                nonce=body["client_order_id"].rpartition(":")[2],
                signature=str(sorted(body["order_configuration"].items())) + body["side"],
            )
            for path, body in list(self.server.received)
            if path == "orders"
        )

    def takeable(self, side: Side) -> Sequence[Order]:
        """Also one that is accepted and not on the book yet, once it is there."""
        live = [order for order in self.server.live(OURS) if order.direction == side]
        found = [order for order in live if order.works]
        if live and not found:
            time.sleep(2 * self.server.faults.pending_s)
            found = [order for order in live if order.works]
        return found

    def refuse(self, count: int) -> None:
        reasons = itertools.cycle(("INSUFFICIENT_FUND", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"))
        self.server.faults.reasons = deque(itertools.islice(reasons, count))

    def outlive(self) -> None:
        self.server.faults.clock_ahead_s += _LIFE_SECONDS

"""Ethereal as the kit sees it: the server of `venues/ethereal`, asked directly."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from eth_account import Account

from integration_harness.conformance.driver import Sent
from integration_harness.conformance.fake import FakeDriver
from integration_harness.stack.quantities import Side
from integration_harness.venues.ethereal import EtherealServer, Order

_OWNER: Final = str(Account.from_key("0x" + "a1" * 32).address)
_LINKED_KEY: Final = "0x" + "b2" * 32
_LIFE_SECONDS: Final = 120.0
"""Longer than an order of `short_life` lives."""
_OURS: Final = re.compile(rf"mm{EtherealServer.symbol}([bs])([1-9][0-9]{{18}})")


class EtherealDriver(FakeDriver[EtherealServer]):
    """One perpetual."""

    name = "ethereal"
    symbol = EtherealServer.symbol
    lacks: Mapping[str, str] = {"dead_man": "only their expiry ends orders there"}
    account = 7
    tick = Decimal("0.1")

    def made(self) -> EtherealServer:
        server = EtherealServer()
        server.add_trader(_OWNER, self.account, str(Account.from_key(_LINKED_KEY).address))
        return server

    def own_environment(self) -> dict[str, str]:
        return {
            "MM_ETHEREAL_NETWORK": "testnet",
            "MM_ETHEREAL_REST_URL": self.server.rest_url,
            "MM_ETHEREAL_SOCKET_URL": self.server.socket_url,
            "MM_ETHEREAL_LOCK_FILE": str(self.lock_file),
            "MM_OWNER_ADDRESS": _OWNER,
            "MM_SIGNER_PRIVATE_KEY": _LINKED_KEY,
            "MM_PROTECTED_ORDER_ID_PREFIXES": "test",
        }

    def short_life(self) -> dict[str, str]:
        return {"MM_ORDER_EXPIRY_SECONDS": "30"}

    def orders(self) -> Sequence[Order]:
        return self.server.live(self.account, self.symbol)

    def fills(self) -> tuple[tuple[Side, Fraction], ...]:
        mine = list(self.server.exchange.fills)
        return tuple(("sell" if f["side"] else "buy", Fraction(f["filled"])) for f in mine)

    def sent(self) -> tuple[Sent, ...]:
        return tuple(
            Sent(
                nonce=self.named(body["data"]["clientOrderId"]).rpartition(":")[2],
                signature=body["signature"],
            )
            for path, body in list(self.server.received)
            if path == "order"
        )

    def hit(self, side: Side, amount: str) -> None:
        """In a block that ends at once, so that no requote comes between."""
        super().hit(side, amount)
        self.server.match()

    def refuse(self, count: int) -> None:
        """By turns as not created at all, and as created and over at once."""
        self.server.faults.codes = deque(["RiskLimitExceeded"] * (count - count // 2))
        self.server.faults.results = deque(["ImmediateMatchPostOnly"] * (count // 2))

    def outlive(self) -> None:
        self.server.faults.clock_ahead_s += _LIFE_SECONDS

    def named(self, label: str) -> str:
        found = _OURS.fullmatch(label)
        if found is None:
            return label
        return f"mm:{self.symbol}:{'buy' if found[1] == 'b' else 'sell'}:{found[2]}"

    def carried(self, name: str) -> str:
        """A client id has no colons: the name without them, its side as a letter."""
        return name.replace(":buy:", "b").replace(":sell:", "s").replace(":", "")

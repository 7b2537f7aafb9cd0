"""Derive as the kit sees it: the server of `venues/derive`, asked directly."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from eth_account import Account

from integration_harness.conformance.driver import Sent
from integration_harness.conformance.fake import FakeDriver
from integration_harness.stack.quantities import Side
from integration_harness.venues.derive.server import WRITES, DeriveServer

_OWNER: Final = str(Account.from_key("0x" + "a1" * 32).address)
_SESSION_KEY: Final = "0x" + "b2" * 32
_LIFE_SECONDS: Final = 1000.0
"""Longer than any order of the bot lives."""


class DeriveDriver(FakeDriver[DeriveServer]):
    """One perpetual."""

    name = "derive"
    symbol = DeriveServer.symbol
    lacks: Mapping[str, str] = {}
    account = 75723

    def made(self) -> DeriveServer:
        server = DeriveServer()
        signer = str(Account.from_key(_SESSION_KEY).address)
        server.add_trader(_OWNER, self.account, signer)
        return server

    def own_environment(self) -> dict[str, str]:
        return {
            "MM_DERIVE_NETWORK": "testnet",
            "MM_DERIVE_SOCKET_URL": self.server.socket_url,
            "MM_DERIVE_HTTP_URL": self.server.http_url,
            "MM_DERIVE_LOCK_FILE": str(self.lock_file),
            "MM_OWNER_ADDRESS": _OWNER,
            "MM_SIGNER_PRIVATE_KEY": _SESSION_KEY,
            "MM_SUBACCOUNT_ID": str(self.account),
        }

    def short_life(self) -> dict[str, str]:
        return {}

    def fills(self) -> tuple[tuple[Side, Fraction], ...]:
        mine = (t for t in list(self.server.trades) if t["subaccount_id"] == self.account)
        return tuple(
            ("buy" if t["direction"] == "buy" else "sell", Fraction(t["trade_amount"]))
            for t in mine
        )

    def sent(self) -> tuple[Sent, ...]:
        return tuple(
            Sent(nonce=params["nonce"], signature=params["signature"])
            for method, params in list(self.server.received)
            if method in WRITES
        )

    def refuse(self, count: int) -> None:
        self.server.faults.refused = count

    def limit_rate(self, on: bool) -> None:
        self.server.faults.no_orders = on

    def cut(self) -> None:
        unseen = self.server.faults.disconnects_unseen
        self.server.faults.disconnects_unseen = True
        self.server.drop_sockets()
        self.server.faults.disconnects_unseen = unseen

    def dead_man(self, on: bool) -> None:
        self.server.faults.disconnects_unseen = not on

    def outlive(self) -> None:
        self.server.faults.clock_ahead_s += _LIFE_SECONDS

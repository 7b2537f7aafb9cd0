"""What the Ethereal adapter needs to be told, as one frozen value, and the networks there are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from mm_bot.core.exact import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One of the vendor's networks, with the signing domain that it must show."""

    rest_url: str
    socket_url: str
    chain_id: int
    contract: str
    """Lower case."""


NETWORKS: Final = {
    "mainnet": Network(
        rest_url="https://api.ethereal.trade",
        socket_url="wss://ws2.ethereal.trade/v1/stream",
        chain_id=5064014,
        contract="0xb3cdc82035c495c484c9ff11ed5f3ff6d342e3cc",
    ),
    "testnet": Network(
        rest_url="https://api.etherealtest.net",
        socket_url="wss://ws2.etherealtest.net/v1/stream",
        chain_id=13374202,
        contract="0x1f0327a80e43fef1cd872dc5d38dce4a165c0643",
    ),
}
WRITES_PER_MINUTE: Final = 220
"""What an address may write, all its subaccounts and markets together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EtherealConfig:
    """Addresses are in lower case; the key never shows in the repr."""

    rest_url: str
    socket_url: str
    chain_id: int
    contract: str
    owner: str
    signer_key: bytes = field(repr=False)
    signer: str
    subaccount: str
    """The name given at the first deposit, in its exact case."""
    market_symbol: str
    price_tick: Price | None
    """None takes the market's own."""
    margin_rate: Decimal
    """The part of an order's worth in the quote that its margin is taken to be."""
    protected_prefixes: tuple[str, ...]
    lock_file: Path
    """Held by the one writer; the exchange has no lock to offer."""
    writes_per_minute: int
    """This process's share of `WRITES_PER_MINUTE`."""
    dry_run: bool
    wait_for_lock: bool
    request_timeout_ms: int
    reach_timeout_ms: int = 5000

    @property
    def subaccount_id(self) -> int:
        """A number that stands for the name wherever the bot wants one."""
        return int.from_bytes(hashlib.sha256(self.subaccount.encode()).digest()[:4])

    @property
    def subaccount_word(self) -> bytes:
        """The name as it is signed: text, then zeros."""
        return self.subaccount.encode().ljust(32, b"\0")

    @property
    def keys(self) -> tuple[bytes, ...]:
        return (self.signer_key,)

    @property
    def rpc_url(self) -> None:
        """Nothing is read of a chain."""

    def for_command(self, timeout_ms: int) -> EtherealConfig:
        """See `base.VenueConfig`."""
        return replace(
            self,
            wait_for_lock=False,
            request_timeout_ms=timeout_ms,
            reach_timeout_ms=timeout_ms,
        )

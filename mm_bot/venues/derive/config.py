"""What the Derive adapter needs to be told, as one frozen value, and the two networks there are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from mm_bot.core.exact import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One of the vendor's networks. Only the chain id differs in what is signed."""

    socket_url: str
    http_url: str
    chain_id: int


NETWORKS: Final = {
    "mainnet": Network(
        socket_url="wss://api.derive.xyz/v3/ws", http_url="https://api.derive.xyz/v3", chain_id=1
    ),
    "testnet": Network(
        socket_url="wss://testnet.api.derive.xyz/v3/ws",
        http_url="https://testnet.api.derive.xyz/v3",
        chain_id=11155111,
    ),
}
REQUESTS_PER_MINUTE: Final = 300
"""The trader tier's published limit, for the matching engine and for everything else alike."""
MATCHING: Final = "0xeb8d770ec18db98db922e9d83260a585b9f0dead"
TRADE_MODULE: Final = "0xb8d20c2b7a1ad2ee33bc50ef10876ed3035b5e7b"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeriveConfig:
    """Addresses are in lower case; the key never shows in the repr."""

    socket_url: str
    http_url: str
    chain_id: int
    matching: str = MATCHING
    trade_module: str = TRADE_MODULE
    owner: str
    signer_key: bytes = field(repr=False)
    signer: str
    subaccount_id: int
    market_symbol: str
    price_tick: Price | None
    """None takes the market's own."""
    margin_rate: Decimal
    """The part of an order's worth in USDC that its margin is taken to be."""
    protected_prefixes: tuple[str, ...]
    lock_file: Path
    """Held by the one writer; the exchange has no lock to offer."""
    requests_per_minute: int
    """This bot's part of the account's limit: to the matching engine, and of everything else."""
    dry_run: bool
    commanding: bool = False
    """Of one command, beside a bot that may run."""
    wait_for_lock: bool
    request_timeout_ms: int
    reach_timeout_ms: int = 5000

    @property
    def keys(self) -> tuple[bytes, ...]:
        return (self.signer_key,)

    @property
    def only_reads(self) -> bool:
        """Whether no order leaves it. Then no socket logs in: where cancel-on-disconnect is on, the
        end of any logged-in socket of the wallet cancels what the bot rests."""
        return self.dry_run or self.commanding

    @property
    def rpc_url(self) -> None:
        """Nothing is read of a chain."""

    def for_command(self, timeout_ms: int) -> DeriveConfig:
        """See `base.VenueConfig`."""
        return replace(
            self,
            commanding=True,
            wait_for_lock=False,
            request_timeout_ms=timeout_ms,
            reach_timeout_ms=timeout_ms,
        )

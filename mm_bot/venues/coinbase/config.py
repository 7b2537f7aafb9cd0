"""What the Coinbase adapter needs to be told, as one frozen value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from mm_bot.core.exact import Price

REST_URL: Final = "https://api.coinbase.com"
MARKET_SOCKET_URL: Final = "wss://advanced-trade-ws.coinbase.com"
USER_SOCKET_URL: Final = "wss://advanced-trade-ws-user.coinbase.com"
REQUESTS_PER_HOUR: Final = 10_000
"""The general rule of a key; whether it holds for Advanced Trade is not documented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinbaseConfig:
    """The key never shows in the repr."""

    rest_url: str
    market_socket_url: str
    user_socket_url: str
    key_name: str
    key: bytes = field(repr=False)
    """The private number, 32 bytes."""
    portfolio: str
    """The key's portfolio, in lower case; empty where any is right."""
    market_symbol: str
    price_tick: Price | None
    """None takes the market's own."""
    protected_prefixes: tuple[str, ...]
    lock_file: Path
    """Held by the one writer; the exchange has no lock to offer."""
    requests_per_hour: int
    """This process's share of `REQUESTS_PER_HOUR`."""
    resend: bool
    """Whether it is proven that a client id posted again gives the first order."""
    dry_run: bool
    wait_for_lock: bool
    request_timeout_ms: int
    reach_timeout_ms: int = 5000

    @property
    def chain_id(self) -> int:
        """There is no chain."""
        return 0

    @property
    def owner(self) -> str:
        """Who trades: the portfolio, or the key where that is not given."""
        return self.portfolio or self.key_name.lower()

    @property
    def subaccount_id(self) -> int:
        """A number that stands for the owner wherever the bot wants one."""
        return int.from_bytes(hashlib.sha256(self.owner.encode()).digest()[:4])

    @property
    def keys(self) -> tuple[bytes, ...]:
        return (self.key,)

    @property
    def rpc_url(self) -> None:
        """Nothing is read of a chain."""

    def for_command(self, timeout_ms: int) -> CoinbaseConfig:
        """See `base.VenueConfig`."""
        return replace(
            self,
            wait_for_lock=False,
            request_timeout_ms=timeout_ms,
            reach_timeout_ms=timeout_ms,
        )

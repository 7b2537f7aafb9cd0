"""What the venue needs to be told, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from mm_bot.core.exact import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class NumoConfig:
    """Where the exchange is and who we are on it. Addresses are kept in lower case; keys and URLs
    (which may carry credentials) never show in the repr."""

    api_base_url: str = field(repr=False)
    rpc_url: str = field(repr=False)
    database_url: str = field(repr=False)
    chain_id: int
    matching: str
    trade: str
    sub_accounts: str
    owner_key: bytes = field(repr=False)
    signer_key: bytes = field(repr=False)
    owner: str
    signer: str
    subaccount_id: int
    recipient_id: int
    worst_fee: int
    """The raw 18-decimal integer, the same in body and signed data."""
    market_symbol: str
    price_tick: Price | None
    """None takes the market's own, 0.01 on spot."""
    contract_size: Decimal
    margin_rate: Decimal
    protected_prefixes: tuple[str, ...]
    service_name: str
    dry_run: bool
    wait_for_lock: bool
    request_timeout_ms: int
    command: bool = False
    """Whether this is a command of the operator rather than the bot."""
    reach_timeout_ms: int = 5000
    """How long a dependency may take to answer at start."""

    def __post_init__(self) -> None:
        for name in ("matching", "trade", "sub_accounts", "owner", "signer"):
            object.__setattr__(self, name, getattr(self, name).lower())

    @property
    def keys(self) -> tuple[bytes, ...]:
        return self.owner_key, self.signer_key

    def for_command(self, timeout_ms: int) -> NumoConfig:
        """See `base.VenueConfig`."""
        return replace(
            self,
            command=True,
            wait_for_lock=False,
            request_timeout_ms=timeout_ms,
            reach_timeout_ms=timeout_ms,
        )

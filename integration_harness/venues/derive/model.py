"""Orders, wallets and faults of the fake Derive."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from integration_harness.venues.serving import CommonFaults, CommonOrder

Json = dict[str, Any]

SYMBOL: Final = "ETH-PERP"
TICK: Final = Decimal("0.01")
STEP: Final = Decimal("0.001")
LEAST: Final = Decimal("0.01")
MOST: Final = Decimal(1000)
FAR: Final = Decimal(10**9)
"""The price at which a stranger buys whatever there is."""


class RpcError(Exception):
    """An answered error."""

    def __init__(self, code: int, message: str, data: str = "") -> None:
        self.code, self.message, self.data = code, message, data
        super().__init__(message)

    @property
    def told(self) -> Json:
        return {"code": self.code, "message": self.message, "data": self.data}


@dataclass(slots=True)
class Faults(CommonFaults):
    """What goes wrong beside, until it is turned off again. A swallowed order and a lost reply are
    silence; what is too much is refused with -32000."""

    confirmation_timeouts: int = 0
    """So many orders are taken and answered with 9000."""
    failed_creates: int = 0
    """So many replaces take the old order and refuse the new one."""
    disarmed: bool = False
    """Cancel-on-disconnect is not kept, though asked for."""
    disconnects_unseen: bool = False
    """It is kept, and does nothing."""
    refused: int = 0
    """So many orders are refused for want of funds."""
    no_orders: bool = False
    """Every order is refused with -32000; cancels are not."""
    mmp_frozen: bool = False
    """Orders that count into market maker protection are refused with 11015."""
    settle_s: float = 0.0
    """How long a trade takes to settle."""
    settlement_unlisted: bool = False
    """The history of trades goes on to say that they are being batched: only a push tells."""
    unsettled: int = 0
    """So many trades end as a `SettlingError`."""
    tps: int = 5
    """What the account may ask of the matching engine a second."""


@dataclass(slots=True, kw_only=True)
class Order(CommonOrder):
    nonce: str
    signer: str
    expiry_s: int
    status: str = "open"
    cancel_reason: str = ""
    replaced_order_id: str | None = None
    takes: bool = False
    """A stranger's that takes what there is and goes."""


@dataclass(slots=True, kw_only=True)
class Trader:
    """A wallet with one subaccount, and the keys that may sign for it."""

    owner: str
    subaccount_id: int
    signers: set[str]
    position: Decimal = Decimal(0)
    collateral: Decimal = Decimal(1_000_000)
    cancel_on_disconnect: bool = False
    nonces: set[str] = field(default_factory=set)
    """Used up, also by a cancel that found no order."""

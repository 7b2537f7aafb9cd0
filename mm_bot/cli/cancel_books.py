"""What `cancel-all` knows of each order, and from where."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class State(Enum):
    """What is known of an order now."""

    UNSEEN = "not looked up"
    LIVE = "live"
    GONE = "gone"
    ABSENT = "no row"
    """It may still arrive, for a few seconds after its sender is gone."""

    @property
    def upper_if_bad(self) -> str:
        return {State.GONE: "gone", State.LIVE: "LIVE"}.get(self, "NOT PROVEN")


@dataclass(slots=True, kw_only=True)
class Order:
    """One order that is to be cancelled."""

    order_id: str
    nonce: int
    expiry_s: int | None = None
    known_from: set[str] = field(default_factory=set)
    state: State = State.UNSEEN
    cancel: str = ""
    """How its last cancel ended; empty where none was sent."""
    acknowledged: bool = False
    proof: str = ""

    @property
    def sources(self) -> str:
        return "+".join(sorted(self.known_from))

    def told(self) -> dict[str, object]:
        return {
            "order_id": self.order_id,
            "nonce": str(self.nonce),
            "known_from": sorted(self.known_from),
            "cancel": self.cancel or None,
            "state": self.state.value,
            "proof": self.proof,
            "expiry_s": self.expiry_s,
        }


@dataclass(slots=True, kw_only=True)
class Books:
    """All of them by id, and what proves the whole."""

    orders: dict[str, Order] = field(default_factory=dict)
    proof: str = ""
    rows_seen: int = 0
    """Rows that the last look brought."""
    block: int | None = None
    """The chain's block at the last look, where it was read."""
    signed_until_s: int = 0
    """Until when something that this bot signed can still be executed, as far as is known."""

    def note(self, order_id: str, nonce: int, expiry_s: int | None, known_from: str) -> Order:
        """The order of that id, also known from there."""
        found = self.orders.setdefault(order_id, Order(order_id=order_id, nonce=nonce))
        found.expiry_s = found.expiry_s or expiry_s
        found.known_from.add(known_from)
        return found

    def open(self) -> list[Order]:
        """Those not known to be dead."""
        return [each for each in self.orders.values() if each.state is not State.GONE]

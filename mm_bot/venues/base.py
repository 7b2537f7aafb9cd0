"""What an exchange is to this bot: `Venue` to the loop, `LiveVenue` to a process. Each exchange has
one folder beside this file.

Everything here is in human units and in the core's types; wire formats, chain integers, tables and
the exchange's own names of things stay inside its folder. What an exchange can do is told by the
`capabilities` of its instrument, and the core decides by those alone.

An order is known everywhere as `mm:<market>:<side>:<nonce>`. How that becomes what the exchange can
carry (a text, a label, 32 letters, 128 bits) and comes back from it is the adapter's business.

1. Nothing raises for what the outside does once a venue is open: reads say so in their parts,
   commands in their outcome.
2. A command whose outcome is unknown is `UNKNOWN`, never guessed.
3. Nothing is sent twice inside of `place` and `cancel`; the caller decides on sending again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Replaced, Watch
from mm_bot.core.exact import Amount
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import Observation, OwnOrders
from mm_bot.errors import EdgeError
from mm_bot.venues.checks import Checks


@runtime_checkable
class VenueConfig(Protocol):
    """What every adapter's configuration has beside its own."""

    @property
    def chain_id(self) -> int: ...

    @property
    def owner(self) -> str:
        """In lower case."""

    @property
    def subaccount_id(self) -> int: ...

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Every private key, for who keeps them out of what is written."""

    @property
    def rpc_url(self) -> str | None:
        """The node that `LiveVenue.eth_call` reads; None where there is none."""

    def for_command(self, timeout_ms: int) -> VenueConfig:
        """The same for one command of the operator, its every wait bounded by `timeout_ms`. It
        never waits for the one-writer lock, and takes it only by `claim`."""


EthCall = Callable[[str, bytes], Awaitable[bytes]]
"""Contract address and calldata in, what the contract returns out; raises EdgeError."""


def no_chain(venue: str) -> EthCall:
    """That of an exchange whose bot reads no chain."""

    async def refused(_to: str, _data: bytes) -> bytes:
        raise EdgeError(venue, "no chain is read here: give the price source its own node")

    return refused


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOrder:
    """What is known of one order of ours: whether it is live, and what says so."""

    order_id: str
    nonce: int
    live: bool | None
    """None where nothing tells."""
    expiry_s: int | None
    """Unix seconds, where known."""
    proof: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An answer of `Venue.find`. With a `fault` the exchange's own table of orders was not read:
    `orders` is then what some lesser witness says of those asked for, and may miss others."""

    orders: tuple[FoundOrder, ...]
    witness: str = "exchange"
    """Who was asked, in a word."""
    fault: str = ""
    block: int | None = None
    """The chain's latest block at that time, where the exchange settles on one and it was read."""


class Venue(Protocol):
    """One market of one account: what the loop uses, and all that a simulated exchange needs."""

    @property
    def instrument(self) -> Instrument: ...

    async def observe(self, watch: Watch) -> Observation:
        """Everything the loop must know, read at once and bounded by the slowest read's timeout."""

    def prepare(self, order: NewOrder) -> PreparedOrder:
        """The order as the bytes that are sent: the exchange's ids, nonces and signature. The same
        bytes may be sent again where the capabilities say `resend_safe`."""

    async def holds_lock(self) -> bool:
        """Whether we are the one writer of this market and account, asked for now. False where
        nobody answers."""

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        """Send a prepared order, once. `may_send` is asked immediately before its first byte would
        leave us; where it says no, nothing is sent and the order is refused. What says nothing of
        an earlier sending of the same bytes is `unjudged`, or unknown (`unsure.py`)."""

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        """Take an order off the book; `reason` is a word of ours, such as `stale`."""


@runtime_checkable
class Replacing(Protocol):
    """What a venue has as well whose capabilities say `atomic_replace`."""

    async def replace(
        self,
        prepared: PreparedOrder,
        order_id: str,
        left: Amount | None,
        may_send: Callable[[], bool],
    ) -> Replaced:
        """Take the order of that id off the book and send a prepared one, as one command. Where the
        old one has less than `left` (None: whatever it has) neither is done."""


@runtime_checkable
class TellsBlocks(Protocol):
    """What a venue has as well whose orders settle on a chain."""

    def on_block(self, told: Callable[[], None]) -> None:
        """Registers what is called for each new block, and must not wait; nothing is told where the
        node does not tell of blocks."""

    async def blocks(self, on_source: Callable[[str, str], None]) -> None:
        """Hears of new blocks until cancelled, or returns where the node's address is of a kind
        that tells of none. `on_source` is told `subscription`, or `poll` and why."""


class LiveVenue(Venue, Protocol):
    """A venue that is somewhere outside: how it is opened, and what commands ask of it."""

    @property
    def eth_call(self) -> EthCall:
        """Reads of the chain that the exchange settles on, for price feeds there."""

    async def open(self, on_waiting: Callable[[str], None] = ...) -> int:
        """Prove who and where we are and become the one writer; gives the highest nonce that our
        owner ever used there, 0 for none. `on_waiting` is told who holds the lock meanwhile.

        Raises:
            BotError: the first check that fails, with its own exit code.
        """

    async def connect(self) -> None:
        """Learn the instrument, and no more: enough for reading. Nothing is proven or taken.

        Raises:
            BotError: where the exchange does not tell it.
        """

    async def check(self, checks: Checks) -> Instrument | None:
        """Looks at everything that `open` proves, each by itself whatever else failed, and at what
        is worth a look beside it. Connects; takes and sends nothing. Gives the instrument, None
        where it could not be learned."""

    async def claim(self) -> str | None:
        """Become the one writer: None where we are, else who keeps it from us."""

    async def own_orders(self, watch: Watch) -> OwnOrders:
        """The orders' part of `observe`, by itself.

        Raises:
            EdgeError: where it cannot be read.
        """

    async def find(self, order_ids: Sequence[str]) -> Found:
        """Every live order of this bot's ids, and those asked for whatever their status. Works
        before `connect`, and never raises."""

    async def events(
        self, on_event: Callable[[], None], on_source: Callable[[str, str], None]
    ) -> None:
        """Calls `on_event` whenever a look is worth while, until cancelled. `on_source` is told
        what it hears that from (`poll` where from nothing) and why from nothing better."""

    async def aclose(self) -> None:
        """Close every connection; the lock goes with them."""

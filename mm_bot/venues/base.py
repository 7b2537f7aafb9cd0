"""What an exchange is to this bot: the `Venue` protocol. One folder beside this file an exchange.

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

from typing import Protocol

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Watch
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import Observation


class Venue(Protocol):
    """One market of one account, as the loop sees it."""

    @property
    def instrument(self) -> Instrument: ...

    async def observe(self, watch: Watch) -> Observation:
        """Everything the loop must know, read at once and bounded by the slowest read's timeout."""

    def prepare(self, order: NewOrder) -> PreparedOrder:
        """The order as the bytes that are sent: the exchange's ids, nonces and signature. The same
        bytes may be sent again where the capabilities say `resend_safe`."""

    async def place(self, prepared: PreparedOrder) -> Outcome:
        """Send a prepared order, once."""

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        """Take an order off the book; `reason` is a word of ours, such as `stale`."""

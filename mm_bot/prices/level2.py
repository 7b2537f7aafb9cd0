"""One product's book out of level-2 messages, with the checks that make it trustworthy (pure).

1. `sequence_num` counts every message of the connection, over all channels: a message that is not
   the next one means that something was lost, and the book is worth nothing.
2. Updates count only after a snapshot. A new snapshot replaces everything.
3. A message is taken whole or refused; there is no half-updated book to be read.

Whoever refuses a message must throw this book away.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from mm_bot.core.exact import Price
from mm_bot.prices.parse import number_of, rfc3339_ms
from mm_bot.prices.source import AnchorError, Reading, RejectReason

LEVELS_MAX = 200_000
"""Of one side; more than any real book has."""
SIDES = ("bid", "offer")
HALF = Decimal("0.5")


class Level2Book:
    """The book of `product_id` on one connection."""

    def __init__(self, source: str, product_id: str) -> None:
        self._source = source
        self._product_id = product_id
        self._last_sequence: int | None = None
        self._as_of_ms: int | None = None
        self._sides: dict[str, dict[Decimal, None]] | None = None

    @property
    def has_snapshot(self) -> bool:
        """Whether there is a book to read."""
        return self._sides is not None

    def take(self, message: Mapping[str, object]) -> None:
        """One message of the connection, of whatever channel.

        Raises:
            AnchorError: where it is broken, an error, or not the next one.
        """
        if message.get("type") == "error":
            raise AnchorError(self._source, RejectReason.NO_PRICE, "the exchange answered an error")
        self._check_sequence(message.get("sequence_num"))
        if message.get("channel") == "l2_data":
            events = message.get("events")
            if not isinstance(events, list):
                raise self._malformed("no list 'events'")
            for event in events:
                self._take_event(event)
        # Nothing was lost up to here, so the book is true as of any message's time.
        self._as_of_ms = rfc3339_ms(message.get("timestamp"))

    def reading(self) -> Reading | None:
        """The mid of the best bid and offer; None before the first snapshot. The time is None where
        the last message told none.

        Raises:
            AnchorError: where a side is empty or the book is crossed.
        """
        if self._sides is None:
            return None
        bids, offers = self._sides["bid"], self._sides["offer"]
        if not bids or not offers:
            missing = "offer" if bids else "bid"
            raise AnchorError(self._source, RejectReason.ONE_SIDED, f"no {missing}")
        bid, offer = Price(max(bids)), Price(min(offers))
        if bid >= offer:
            raise AnchorError(self._source, RejectReason.CROSSED, f"bid {bid}, offer {offer}")
        return Reading(price=(bid + offer).times(HALF), as_of_ms=self._as_of_ms)

    def _check_sequence(self, sequence: object) -> None:
        if not isinstance(sequence, int) or isinstance(sequence, bool):
            raise self._malformed("no 'sequence_num'")
        last, self._last_sequence = self._last_sequence, sequence
        if last is not None and sequence != last + 1:
            raise AnchorError(self._source, RejectReason.GAP, f"{sequence} after {last}")

    def _take_event(self, event: object) -> None:
        if not isinstance(event, dict) or event.get("product_id") != self._product_id:
            raise AnchorError(self._source, RejectReason.WRONG_PAIR, "an event of another product")
        updates = event.get("updates")
        if not isinstance(updates, list):
            raise self._malformed("no list 'updates'")
        if event.get("type") == "snapshot":
            self._sides = {side: {} for side in SIDES}
        elif event.get("type") != "update":
            raise self._malformed("an event that is neither snapshot nor update")
        elif self._sides is None:
            raise AnchorError(self._source, RejectReason.GAP, "an update before the snapshot")
        for update in updates:
            self._apply(update)

    def _apply(self, update: object) -> None:
        if not isinstance(update, dict) or update.get("side") not in SIDES:
            raise self._malformed("an update without a side")
        price = number_of(update.get("price_level"), self._source)
        quantity = number_of(update.get("new_quantity"), self._source)
        if price <= 0 or quantity < 0:
            raise AnchorError(self._source, RejectReason.NOT_POSITIVE, f"{quantity} at {price}")
        assert self._sides is not None
        levels = self._sides[update["side"]]
        if quantity:
            levels[price] = None
        else:
            levels.pop(price, None)
        if len(levels) > LEVELS_MAX:
            raise AnchorError(self._source, RejectReason.TOO_LARGE, f"over {LEVELS_MAX} levels")

    def _malformed(self, detail: str) -> AnchorError:
        return AnchorError(self._source, RejectReason.MALFORMED, detail)

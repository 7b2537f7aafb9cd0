"""What reconciliation looks at (`ReconcileInput`) and what it says to do (`Plan`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter

from mm_bot.core.again import again
from mm_bot.core.changed import changed, made_directly
from mm_bot.core.exact import Amount, Price
from mm_bot.core.instrument import Instrument, Level, Side
from mm_bot.core.ledger import OpenOrder, Stage
from mm_bot.core.orders import RestingOrder
from mm_bot.core.quoting import NONE_HANGS, Hanging, Ladder, Missing, MissingReason, Reason


class CancelCategory(Enum):
    REPLACE_DRIVEN = "replace_driven"
    STARTUP = "startup_reconciliation"
    RISK = "risk_triggered"
    KILL_SWITCH = "kill_switch"


Slot = tuple[Side, int]
CANCEL_RETRY_MS = 2
CANCEL_RETRY_MAX_MS = 250
"""Pauses before a cancel whose outcome is unknown is sent again: they double from the first on.
A blink of the matcher, the usual cause, lasts some 4 ms, and the read that comes before the next
try takes as long. An order that may not exist is asked for less often."""
COUNTED_RETRY_MAX_MS = 2_000
_COUNTED_LONGER_MS = tuple(
    max(min((CANCEL_RETRY_MS << tries) // 2, COUNTED_RETRY_MAX_MS) - CANCEL_RETRY_MAX_MS, 0)
    for tries in range(12)
)
"""How much longer after so many tries; from the last on it is the longest."""
RENEWAL = "renewal"
"""Reason of a cancel whose order fits and only grows old."""


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel one order. `left` is its last known rest's worth in the quote, where that was known;
    `counted` says whether it uses up the replace budget."""

    order_id: str
    nonce: int
    category: CancelCategory
    reason: str
    left: Amount | None = None
    counted: bool = False


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Place one level once every cancel in `after` is acknowledged. `replaces` tells a replace
    from a first placement."""

    level: Level
    after: tuple[str, ...] = ()
    replaces: str | None = None
    reduce_ms: int | None = None
    """The life of a forced reduction, which may trade at once; None is a quote."""
    atomic: bool = False
    """It goes out in one command with the cancel of what it replaces, and waits for no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An order left resting although it does not fit, and the guard that holds it."""

    order_id: str
    slot: Slot
    guard: str
    fault: str


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send, and why the rest stays."""

    cancels: tuple[Cancel, ...] = ()
    places: tuple[Place, ...] = ()
    resends: tuple[OpenOrder, ...] = ()
    kept: tuple[tuple[Slot, str], ...] = ()
    """Slot and order id of every order that fits and stays."""
    held: tuple[Held, ...] = ()
    missing: tuple[Missing, ...] = ()

    @property
    def quiet(self) -> bool:
        """Whether nothing is sent."""
        return not (self.cancels or self.places or self.resends)

    @property
    def counted_cancels(self) -> int:
        return sum(cancel.counted for cancel in self.cancels)

    def renews(self, place: Place) -> bool:
        """Whether `place` takes the slot of an order that is fine but for its age."""
        return any(c.order_id == place.replaces and c.reason == RENEWAL for c in self.cancels)

    @staticmethod
    def merged(plans: Iterable[Plan]) -> Plan:
        """All of them as one, in their order."""
        each = tuple(plans)
        return Plan(
            cancels=tuple([c for plan in each for c in plan.cancels]),
            places=tuple([p for plan in each for p in plan.places]),
            resends=tuple([r for plan in each for r in plan.resends]),
            kept=tuple([k for plan in each for k in plan.kept]),
            held=tuple([h for plan in each for h in plan.held]),
            missing=tuple([m for plan in each for m in plan.missing]),
        )

    def without(self, place: Place, reason: Reason, *, keep_cancel: bool = False) -> Plan:
        """The plan without `place`, and without the cancel of what it replaces."""
        spared = None if keep_cancel else place.replaces
        return changed(
            self,
            places=tuple(p for p in self.places if p is not place),
            cancels=tuple(c for c in self.cancels if c.order_id != spared),
            missing=(*self.missing, gap(place.level, reason)),
        )


NOTHING = Plan()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRoom:
    """How much of one side may still be signed, in the quote, and the limit that says so."""

    left: Amount
    limit: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileInput:
    """Everything reconciliation looks at."""

    now_ms: int
    market: Instrument
    startup: bool
    levels: int
    """Slots a side that the operator asked for; the ladder may have fewer."""
    ladder: Ladder
    open_orders: tuple[OpenOrder, ...]
    unmanaged: tuple[RestingOrder, ...]
    last_replace_ms: Mapping[Slot, int]
    refused_until_ms: Mapping[Slot, int]
    """Slots whose last order was refused, and when to try again."""
    touch: Mapping[Side, Price] = field(default_factory=dict)
    """Best resting price a side of all that is not managed by us, takers that cross us included."""
    hanging: Hanging = NONE_HANGS
    hold_places: MissingReason | None = None
    """Why nothing new may be placed in this cycle, whatever the slots lack."""
    signed_room: Mapping[Side, SignedRoom] = field(default_factory=dict)
    """Empty where nothing limits what is signed."""
    reference: Price | None = None
    out_of_budget: frozenset[str] = frozenset()
    """Orders whose counted cancel was sent, and is not to be sent again just now."""


@again(len(Side))
def standing(open_orders: tuple[OpenOrder, ...], side: Side) -> tuple[OpenOrder, ...]:
    """Those of one side whose cancel is not acknowledged, best first; of one price as signed."""
    mine = [c for c in open_orders if c.side is side and c.cancel_acked_ms is None]
    mine.sort(key=_BY_NONCE)
    mine.sort(key=_BY_PRICE, reverse=side is Side.BUY)
    return tuple(mine)


_BY_NONCE, _BY_PRICE = attrgetter("nonce"), attrgetter("price.value")


def gap(level: Level, reason: Reason) -> Missing:
    """That level is not quoted, and why."""
    return Missing(side=level.side, index=level.index, reason=reason)


def due_for_renewal(given: ReconcileInput, order: OpenOrder) -> bool:
    """Whether its successor is due; see `renewal_ms`."""
    due_ms = renewal_ms(order, given.market.expiry_ms)
    return due_ms is not None and given.now_ms >= due_ms


def renewal_ms(order: OpenOrder, ends_ms: int | None) -> int | None:
    """From when its successor is due: two thirds of its life. None where that could not live
    longer, since the market ends then."""
    if ends_ms is not None and order.expiry_ms + 1_000 > ends_ms:
        return None
    life_ms = order.expiry_ms - order.created_ms
    return order.expiry_ms - life_ms // 3


def counted_from_ms(open_order: OpenOrder) -> int:
    """From when a cancel that counts against `MM_MAX_CANCELS_PER_MINUTE` is sent again: one order's
    tries leave room for others' cancels, and go on doubling where those of a halt do not."""
    last = len(_COUNTED_LONGER_MS) - 1
    return open_order.next_cancel_ms + _COUNTED_LONGER_MS[min(open_order.cancels, last)]


def cancellable(given: ReconcileInput, open_order: OpenOrder, *, counted: bool = False) -> bool:
    """Whether its cancel may be sent now, for the first time or again."""
    if open_order.stage is Stage.UNKNOWN:
        return False
    if not counted:
        return open_order.next_cancel_ms <= given.now_ms
    spent = open_order.order_id in given.out_of_budget
    return not spent and counted_from_ms(open_order) <= given.now_ms


def cancel_of(
    order: OpenOrder | RestingOrder, category: CancelCategory, reason: str, counted: bool = False
) -> Cancel:
    return Cancel(
        order_id=order.order_id,
        nonce=order.nonce,
        category=category,
        reason=reason,
        left=order.notional,
        counted=counted,
    )

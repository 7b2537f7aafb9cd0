"""A forced reduction goes out alone, within what may be signed, and stays for its life."""

from __future__ import annotations

from dataclasses import replace

from mm_bot.core.exact import Amount
from mm_bot.core.instrument import Side
from mm_bot.core.plan import CancelCategory, Plan, ReconcileInput, SignedRoom
from mm_bot.core.quoting import Ladder, MissingReason, Reduction
from mm_bot.core.reconcile import cancel_everything
from mm_bot.core.reduction import planned
from mm_bot.core.risk import Halt, HaltReason
from tests.core.builders import NOW_MS, SPOT, level, open_order, row

ASK = level(Side.SELL, "1592", "50")
FULL = Amount.of(100_000)
WANTED = Reduction(side=Side.SELL, level=ASK, life_ms=10_000)
HALTED = (Halt(reason=HaltReason.MAX_LONG),)


def desk(*, startup: bool = False, hold: MissingReason | None = None) -> ReconcileInput:
    return ReconcileInput(
        now_ms=NOW_MS,
        market=SPOT,
        startup=startup,
        levels=1,
        ladder=Ladder(),
        open_orders=(),
        unmanaged=(),
        last_replace_ms={},
        refused_until_ms={},
        hold_places=hold,
    )


def sent(given: ReconcileInput, wanted: Reduction | None = WANTED, *more: HaltReason) -> Plan:
    gone = cancel_everything(given, CancelCategory.RISK, "risk_halt")
    return planned(given, gone, wanted, (*HALTED, *(Halt(reason=r) for r in more)))


def test_it_is_sent_alone_and_stays_for_its_life() -> None:
    """Once nothing of ours may be live; under way it is not cancelled, and after its life it is."""
    (place,) = sent(desk()).places
    assert (place.level, place.reduce_ms) == (ASK, 10_000)
    quote = open_order(Side.BUY, "1590")
    with_quote = sent(replace(desk(), open_orders=(quote,)))
    assert (with_quote.places, [c.order_id for c in with_quote.cancels]) == ((), [quote.order_id])
    gone = replace(quote, cancel_acked_ms=NOW_MS)
    assert sent(replace(desk(), open_orders=(gone,))).places
    reducing = replace(open_order(Side.SELL, "1592", created_ms=NOW_MS - 9_000), reduces=True)
    assert sent(replace(desk(), open_orders=(reducing,))).quiet
    old = replace(reducing, created_ms=NOW_MS - 10_000)
    assert [c.order_id for c in sent(replace(desk(), open_orders=(old,))).cancels] == [old.order_id]
    assert sent(replace(desk(), open_orders=(reducing,)), None).cancels, "nobody wants it any more"
    for ends in (replace(reducing, expiry_ms=NOW_MS), replace(reducing, side=Side.BUY)):
        (cancel,) = sent(replace(desk(), open_orders=(ends,))).cancels
        assert cancel.order_id == ends.order_id
    both = sent(replace(desk(), open_orders=(reducing, quote)))
    assert [c.order_id for c in both.cancels] == [quote.order_id]


def test_it_never_goes_by_the_halt_that_it_was_sent_for() -> None:
    """By its life, or by the other halt; a quote beside it goes by the first halt."""
    reducing = replace(open_order(Side.SELL, "1592", created_ms=NOW_MS - 10_000), reduces=True)
    given = replace(desk(), open_orders=(reducing, open_order(Side.BUY, "1590", nonce=2)))

    def reasons(*more: HaltReason) -> dict[str, str]:
        return {cancel.order_id: cancel.reason for cancel in sent(given, WANTED, *more).cancels}

    ids = [order.order_id for order in given.open_orders]
    assert reasons() == dict(zip(ids, ("reduction_over", "risk_halt"), strict=True))
    shocked = ("risk_halt:price shock", "risk_halt")
    assert reasons(HaltReason.PRICE_SHOCK) == dict(zip(ids, shocked, strict=True))


def test_what_holds_it_back() -> None:
    """Another halt, balances that lack a fill, a start-up under way, a refusal of just now, an
    own order that it would meet."""
    assert not sent(desk(), WANTED, HaltReason.PRICE_SHOCK).places
    assert not sent(desk(), WANTED, HaltReason.MIN_BASE).places
    assert sent(desk(), WANTED, HaltReason.MIN_QUOTE).places, "selling is what brings the quote"
    assert not sent(desk(hold=MissingReason.BALANCES_BEHIND_FILLS)).places
    assert not sent(desk(startup=True)).places
    signed = replace(desk(), signed_room={Side.SELL: SignedRoom(left=Amount.of(0), limit=FULL)})
    assert [gap.reason for gap in sent(signed).missing] == [MissingReason.SIGNED_LIABILITY]
    assert not sent(signed).places
    some = {Side.SELL: SignedRoom(left=Amount.of(31_840), limit=FULL)}
    (cut,) = sent(replace(desk(), signed_room=some)).places
    assert (str(cut.level.size), str(cut.level.notional)) == ("20", "31840")
    exact = {Side.SELL: SignedRoom(left=ASK.notional, limit=FULL)}
    (whole,) = sent(replace(desk(), signed_room=exact)).places
    assert whole.level is ASK
    refused = replace(desk(), refused_until_ms={(Side.SELL, 0): NOW_MS + 1})
    assert not sent(refused).places
    assert sent(replace(desk(), refused_until_ms={(Side.SELL, 0): NOW_MS})).places, "it is over"
    assert sent(replace(desk(), refused_until_ms={(Side.SELL, 1): NOW_MS + 1})).places
    assert not sent(desk(), replace(WANTED, level=None)).places
    assert not sent(replace(desk(), unmanaged=(row(Side.BUY, "1593"),))).places
    assert sent(replace(desk(), unmanaged=(row(Side.BUY, "1591"),))).places
    own = (row(Side.BUY, "1591"), row(Side.BUY, "1592", nonce=2), row(Side.SELL, "1500", nonce=3))
    assert not sent(replace(desk(), unmanaged=own)).places, "to touch it is to meet it"
    assert sent(replace(desk(), unmanaged=own[::2])).places, "one of its own side it never meets"


def test_a_purchase_leads_back_from_the_other_side() -> None:
    """Of a halt for the least base or the most short; never of one that it would make worse."""
    bid = replace(WANTED, side=Side.BUY, level=level(Side.BUY, "1608", "50"))
    for reason, leads in (
        (HaltReason.MAX_SHORT, True),
        (HaltReason.MIN_BASE, True),
        (HaltReason.MAX_LONG, False),
        (HaltReason.MIN_QUOTE, False),
        (HaltReason.KILL_SWITCH, False),
    ):
        found = planned(desk(), Plan(), bid, (Halt(reason=reason),))
        assert bool(found.places) is leads, reason

"""The order table on a real Postgres: whose rows, whose fills, and who may write."""

from __future__ import annotations

import re
import time
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mm_bot.core.commands import Watch
from mm_bot.core.exact import Amount, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import Ownership
from mm_bot.core.snapshot import OwnOrders, Reserved
from mm_bot.errors import EdgeError
from mm_bot.venues.numo.order_queries import readable_number
from mm_bot.venues.numo.order_table import OrderTable
from mm_bot.venues.numo.units import ref
from tests.venues.desk import watch
from tests.venues.written_table import THEM, Table


def test_live_is_active_and_matching(table: Table) -> None:
    """Our live rows come in human units, whatever the matcher holds; finished ones do not."""
    held, _ = table.add(
        table.spot,
        side="sell",
        price="0.000625",
        desired="160000",
        filled="40000",
        status="matching",
        human=Side.BUY,
    )
    table.add(table.spot, status="cancelled", price="0.0006")
    table.add(table.spot, status="filled", price="0.0006", filled="100")
    table.add(table.spot, subaccount=8, price="0.0006")
    table.add(table.spot, owner=THEM, price="0.0006")
    (row,) = table.read(table.spot).rows
    assert (row.order_id, row.side, str(row.price)) == (held, Side.BUY, "1600")
    assert (row.size, row.original_size) == (Size.of(75), Size.of(100))
    assert (row.notional, row.lot) == (Amount.of(120000), Size.of("0.000625"))
    assert row.live
    assert row.ownership is Ownership.MANAGED
    assert abs(row.created_ms - time.time_ns() // 10**6) < 60_000
    assert row.expiry_ms > time.time_ns() // 10**6


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(alphabet="0123456789.", max_size=60) | st.text(max_size=9), max_size=99)
)
@example(texts=["", ".", "1.", ".1", "1.2", "1.2.3", "-1", "1e5", "1\n", "\u0663"])
@example(texts=["1" * 48, "1" * 49, "1" * 25 + ".", "0." + "1" * 24, "0." + "1" * 25])
def test_a_number_is_readable_by_its_characters_as_by_the_pattern(
    table: Table, texts: list[str]
) -> None:
    """The fast path of the statement, held against what it means."""
    known = f"SELECT array_agg({readable_number('t')}) FROM unnest(%s::text[]) t"
    texts = [text.replace("\0", "") for text in texts]  # no text of Postgres has one
    found = table.execute(known, ([None, *texts],))
    pattern = re.compile(r"[0-9]{1,48}(\.[0-9]{1,24})?")
    assert found == [([False, *(bool(pattern.fullmatch(text)) for text in texts)],)]


def test_ownership_is_told_from_the_id(table: Table) -> None:
    """Own rows of other conventions are told apart; a wrong side makes an id malformed."""
    table.add(table.future, order_id=f"manual:{table.owner}")
    table.add(table.future, side="sell", human=Side.BUY)
    table.add(table.future)
    kinds = [row.ownership for row in table.read(table.future).rows]
    assert kinds == [Ownership.PROTECTED, Ownership.MALFORMED, Ownership.AMBIGUOUS]


def test_asked_rows_come_whatever_their_status(table: Table) -> None:
    """A vanished order is known by id, with the reason of its cancel; another's id is foreign."""
    gone, nonce = table.add(table.future, status="cancelled")
    table.execute("UPDATE active_orders SET cancel_reason = 'bot.x.y' WHERE order_id = %s", (gone,))
    theirs, _ = table.add(table.future, owner=THEM)
    read = table.read(table.future, watch(order_ids=(gone, theirs, "mm:none")))
    assert [(r.order_id, r.live, r.cancel_reason) for r in read.rows] == [(gone, False, "bot.x.y")]
    found = {lookup.order_id: (lookup.nonce, lookup.foreign) for lookup in read.lookups}
    assert found[gone] == (nonce, False)
    assert found[theirs][1] is True
    assert len(found) == 2


def test_nonces_tell_their_holder(table: Table) -> None:
    """A nonce of ours is held by our own id, or by another, in whatever market of ours."""
    ours, nonce = table.add(table.future, human=Side.BUY)
    other, other_nonce = table.add(table.spot, price="0.0006")
    read = table.read(table.future, watch(nonces=(nonce, other_nonce, 5)))
    found = {lookup.nonce: (lookup.order_id, lookup.foreign) for lookup in read.lookups}
    assert found == {nonce: (ours, False), other_nonce: (other, True)}


def test_unexpired_rows_come_at_start(table: Table) -> None:
    """Once asked, every row of ours here that is not long expired comes, cancelled ones too: a fill
    of the last two minutes may not be on the chain yet."""
    table.add(table.future, status="cancelled")
    table.add(table.future, status="filled", filled="100")
    table.add(table.future, status="cancelled", life_s=-110)
    table.add(table.future, status="cancelled", life_s=-130)
    assert len(table.read(table.future, watch(include_unexpired=True)).rows) == 3
    assert table.read(table.future).rows == ()


def test_what_was_signed_in_other_markets_is_told(table: Table) -> None:
    """Live rows of the subaccount's other markets come with every read, whatever else is unexpired
    with the first one: for a clock of the chain that is behind, also what only ours calls past."""
    here, _ = table.add(table.spot, price="0.0006", status="cancelled")
    live, _ = table.add(table.future, price="1600", desired="1000", filled="400")
    gone, _ = table.add(table.future, side="sell", price="1610", desired="5", status="cancelled")
    past, _ = table.add(table.future, price="1600", desired="1", status="cancelled", life_s=-400)
    table.add(table.future, subaccount=8)

    def signed(asked: Watch, since_s: int | None) -> dict[str, tuple[Side, str, str]]:
        async def use(rows: OrderTable) -> OwnOrders:
            return (await rows.read(asked, since_s)).orders

        found = table.run(table.spot, use).signed_elsewhere
        return {s.order_id: (s.side, str(s.size), str(s.notional)) for s in found}

    assert signed(watch(), None) == {live: (Side.BUY, "0.6", "9600000")}
    every = signed(watch(include_unexpired=True), int(time.time()) - 500)
    assert set(every) == {live, gone, past}
    assert every[gone] == (Side.SELL, "0.005", "80500")
    read = table.read(table.spot, watch(include_unexpired=True))
    assert [row.order_id for row in read.rows] == [here]
    assert {each.order_id for each in read.signed_elsewhere} == {live, gone}


def test_the_best_of_others_include_what_the_matcher_holds(table: Table) -> None:
    """Two a side, best first in human prices, expired ones left out."""
    for price, status in (("0.000625", "active"), ("0.000628", "matching"), ("0.00062", "active")):
        table.add(table.spot, side="buy", price=price, status=status, owner=THEM)
    table.add(table.spot, side="buy", price="0.00063", owner=THEM, life_s=-5)
    table.add(table.spot, side="buy", price="0.00064")
    table.add(table.spot, side="sell", price="0.00064", owner=THEM, desired="1000")
    others = table.read(table.spot).others
    asks = sorted(str(o.price) for o in others if o.side is Side.SELL)
    bids = [(str(o.price), str(o.size)) for o in others if o.side is Side.BUY]
    assert asks == ["1592.356688", "1600"]
    assert bids == [("1562.5", "0.64")]
    assert not any(o.ours for o in others)


def test_the_owners_other_subaccounts_are_ours_among_others(table: Table) -> None:
    """Also what the matcher holds of them, beside the two best of strangers; never our own rows."""
    for price in ("0.000625", "0.000628", "0.00063"):
        table.add(table.spot, price=price, owner=THEM)
    held, _ = table.add(table.spot, price="0.00062", subaccount=8, status="matching")
    table.add(table.spot, price="0.00064", status="matching")
    others = table.read(table.spot).others
    assert [o.order_id for o in others if o.ours] == [held]
    assert len(others) == 3


def test_fills_are_exact_and_counted_once(table: Table) -> None:
    """Each fill names our order, its human side and price, maker or taker, and whether it was the
    last one; the cursor leaves out what was seen."""
    ours, _ = table.add(
        table.spot, side="sell", price="0.000625", desired="1000", filled="1000", status="filled"
    )
    open_one, _ = table.add(table.spot, side="buy", price="0.0006", desired="900", filled="100")
    theirs, _ = table.add(table.spot, side="buy", owner=THEM, price="0.000625")
    first = table.fill(table.spot, ours, theirs, "0.000625", "400")
    second = table.fill(table.spot, ours, theirs, "0.000625", "600")
    third = table.fill(table.spot, theirs, open_one, "0.0006", "100")
    table.fill(table.spot, theirs, theirs, "0.0006", "100")
    read = table.read(table.spot, watch(fills_after=0))
    assert [
        (f.trade_id, f.order_id, f.side, f.is_maker, f.completes_order) for f in read.fills
    ] == [
        (first, ours, Side.BUY, True, False),
        (second, ours, Side.BUY, True, True),
        (third, open_one, Side.SELL, False, False),
    ]
    assert (read.fills[0].size, read.fills[0].notional) == (Size.of("0.25"), Amount.of(400))
    assert read.own_trade_ids == {first, second, third}
    assert read.newest_trade_id is not None
    assert read.newest_trade_id > third
    later = table.read(table.spot, watch(fills_after=first))
    assert [f.trade_id for f in later.fills] == [second, third]
    assert [f.completes_order for f in later.fills] == [True, False]
    assert table.read(table.spot, watch(fills_after=None)).fills == ()


def test_every_fill_of_one_commit_comes_in_one_read(table: Table) -> None:
    """However many fills wait, one read brings each of them once, oldest first."""
    ours, _ = table.add(table.future, desired="9999", filled="2500")
    theirs, _ = table.add(table.future, side="sell", owner=THEM)
    table.execute(
        "INSERT INTO trade_fills (asset_address, sub_id, price, size, aggressor_side,"
        " taker_order_id, maker_order_id)"
        " SELECT %s, %s, '1600', '1', 'sell', %s, %s FROM generate_series(1, 2500)",
        (ref(table.future).asset, ref(table.future).sub_id, theirs, ours),
    )
    read = table.read(table.future, watch(fills_after=0))
    numbers = [fill.trade_id for fill in read.fills]
    assert len(numbers) == 2500
    assert numbers == sorted(set(numbers))
    assert read.newest_trade_id == numbers[-1]
    assert not any(fill.completes_order for fill in read.fills)
    assert [order.filled_steps for order in read.rows] == [2500]


def test_own_trades_are_those_of_any_subaccount(table: Table) -> None:
    """A trade of our other subaccount is no fill of ours here, but it is our own trade."""
    sister, _ = table.add(table.future, subaccount=99)
    theirs, _ = table.add(table.future, owner=THEM, side="sell")
    trade = table.fill(table.future, theirs, sister, "1600", "5")
    read = table.read(table.future, watch(fills_after=0))
    assert (read.fills, read.own_trade_ids) == ((), frozenset({trade}))


def test_other_markets_reserve_what_they_share(table: Table) -> None:
    """Spot sees the margin of resting futures as reserved USDC; a future sees the cash of spot asks
    and not the cNGN of spot bids. Own rows of this market are not counted here."""
    table.add(table.future, side="buy", desired="10", price="1600")
    table.add(table.future, side="sell", desired="5", filled="1", price="1700")
    table.add(table.spot, side="buy", price="0.000625", desired="1600")
    table.add(table.spot, side="sell", price="0.000625", desired="3200")
    table.add(table.future, side="buy", desired="1000", subaccount=8)
    table.add(table.future, side="buy", desired="1000", life_s=-5)
    margin = Amount.of(14).times(Decimal("0.001")).times(Decimal(10_000)).times(Decimal("0.2"))
    assert table.read(table.spot).reserved_elsewhere == Reserved(base=Size(margin.value))
    assert table.read(table.future).reserved_elsewhere == Reserved(quote=Amount.of(1))


def test_the_highest_nonce_is_the_owners(table: Table) -> None:
    """Over all markets and statuses, and None for an owner who never traded."""

    async def use(orders: OrderTable) -> int | None:
        return await orders.highest_nonce()

    assert table.run(table.spot, use) is None
    table.add(table.future, status="expired")
    _, nonce = table.add(table.spot, price="0.0006", subaccount=8, status="cancelled")
    table.add(table.spot, price="0.0006", owner=THEM)
    assert table.run(table.spot, use) == nonce


def test_broken_rows_are_edge_errors(table: Table) -> None:
    """A row that is no number, or filled beyond its size, is named and not believed."""
    order_id, _ = table.add(table.future, price="ten")
    with pytest.raises(EdgeError, match="limit_price"):
        table.read(table.future)
    table.execute(
        "UPDATE active_orders SET limit_price = '1', desired_amount = '1', filled_amount = '2'"
        " WHERE order_id = %s",
        (order_id,),
    )
    with pytest.raises(EdgeError, match="filled_amount"):
        table.read(table.future)

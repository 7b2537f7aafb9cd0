"""The API's bodies: recorded answers are understood, and nonsense is named, never believed."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Instrument, Kind, Side
from mm_bot.errors import EdgeError, SettingsError
from mm_bot.venues.numo import wire
from tests.venues.desk import FUTURE_MARKET, SPOT_MARKET

CAPTURES = Path(__file__).parents[1] / "captures"
JSON_VALUES: st.SearchStrategy[object] = st.sampled_from(
    (None, True, 0, -1, 1.5, "", "x", "1e9", "-1", "0", [], {})
)


def recorded(name: str, path: str) -> Any:
    """The last recorded answer of that path."""
    lines = (CAPTURES / f"{name}.jsonl").read_text().splitlines()
    pairs = map(json.loads, lines)
    return [p["response"]["json"] for p in pairs if p["request"]["path"] == path][-1]


BOOK = recorded("get-after", "/v1/book?symbol=USDCcNGN-SPOT")
FUTURE_BOOK = recorded("get-after", "/v1/book?symbol=USDCcNGN-NOV30-2026")
TRADES = recorded("fills", "/v1/trades?symbol=USDCcNGN-SPOT")
FUTURE_TRADES = recorded("fills", "/v1/trades?symbol=USDCcNGN-NOV30-2026")
MARKETS = recorded("get-after", "/v1/markets")


def as_market(listing: wire.Listing, price_tick: str | None = None) -> Instrument:
    return wire.to_market(
        listing,
        price_tick=None if price_tick is None else Price.of(price_tick),
        contract_size=Decimal(10_000),
        margin_rate=Decimal("0.2"),
    )


def test_the_recorded_markets_are_understood() -> None:
    """Spot and both futures come out in human units, by what they are and not by their names."""
    markets = {m.symbol: m for m in map(as_market, wire.parse_listings(orjson.dumps(MARKETS)))}
    assert markets["USDCcNGN-SPOT"] == SPOT_MARKET
    assert markets["USDCcNGN-NOV30-2026"] == FUTURE_MARKET
    assert markets["USDCcNGN-MAY31-2027"].expiry_ms == 1811721600_000


def test_a_market_is_what_its_members_say() -> None:
    """A spot market under a future's name is spot, and a kind without known units is left out."""
    renamed = [{**m, "market": "USDCcNGN-NOV30-2026"} for m in MARKETS]
    kinds = [listing.kind for listing in wire.parse_listings(orjson.dumps(renamed))]
    assert kinds == [Kind.FUTURE, Kind.FUTURE, Kind.SPOT]
    strange = [{**m, "order_entry_spec": "spot_v2"} for m in MARKETS]
    assert wire.parse_listings(orjson.dumps(strange)) == ()
    assert wire.parse_listings(b'[{"contract_type": "perpetual"}]') == ()


def test_the_last_trade_is_not_the_end_of_trading() -> None:
    """A future that traded a minute ago still ends at its expiry."""
    traded = recorded("fills", "/v1/markets")
    near = next(m for m in traded if m["market"] == "USDCcNGN-NOV30-2026")
    assert near["last_trade_timestamp"] < near["expiry_timestamp"]
    (listing,) = wire.parse_listings(orjson.dumps([near]))
    assert as_market(listing).expiry_ms == 1795996800_000


def test_a_tick_off_the_market_is_a_fault_of_the_settings() -> None:
    """A future's tick must be a multiple of the market's own; on spot any human tick will do."""
    spot, future = (
        next(x for x in wire.parse_listings(orjson.dumps(MARKETS)) if x.kind is kind)
        for kind in (Kind.SPOT, Kind.FUTURE)
    )
    assert as_market(future, "5").price_tick == Price.of(5)
    assert as_market(spot, "0.5").price_tick == Price.of("0.5")
    with pytest.raises(SettingsError, match="no multiple"):
        as_market(future, "0.5")


def test_the_spot_book_is_turned_round() -> None:
    """Engine bids are human asks: the recorded ask of 1610 and the bids of 1600."""
    owner = "0x" + "aa" * 20
    book = wire.parse_book(orjson.dumps(BOOK), SPOT_MARKET, owner)
    assert [(o.order_id, str(o.price)) for o in book.asks] == [("cap:1005", "1610")]
    assert {str(o.price) for o in book.bids} == {"1600"}
    assert all(o.ours for o in book.bids + book.asks)
    assert all(
        o.side is Side.BUY and Size.of(100) <= o.size < Size.of("100.001") for o in book.bids
    )
    strangers = wire.parse_book(orjson.dumps(BOOK), SPOT_MARKET, "0x" + "bb" * 20)
    assert not any(o.ours for o in strangers.bids + strangers.asks)


def test_prices_are_what_the_exchange_shows() -> None:
    """Each recorded spot order and trade has exactly the human price of its `ui_intent`."""
    shown = {e["order_id"]: e["spot_contract"]["ui_intent"] for e in BOOK["bids"] + BOOK["asks"]}
    book = wire.parse_book(orjson.dumps(BOOK), SPOT_MARKET, None)
    for order in book.bids + book.asks:
        assert str(order.price) == shown[order.order_id]["price"]
        assert order.side.value == shown[order.order_id]["side"]
    (trade,) = wire.parse_trades(orjson.dumps(TRADES), SPOT_MARKET)
    assert (str(trade.price), str(trade.size)) == ("1600", "62.5")
    assert trade.at_ms == 1795254139394


def test_future_books_and_trades_are_as_they_stand() -> None:
    """Futures are not turned round; stored amounts are thousandths of a contract."""
    book = wire.parse_book(orjson.dumps(FUTURE_BOOK), FUTURE_MARKET, None)
    assert book.bids[0].price > book.bids[-1].price
    assert book.asks[0].size == Size.of("0.025")
    (trade,) = wire.parse_trades(orjson.dumps(FUTURE_TRADES), FUTURE_MARKET)
    assert (str(trade.price), str(trade.size)) == ("1610", "0.01")


def test_another_markets_answer_is_refused() -> None:
    """A symbol never listed answers with spot; that is no book of ours."""
    for parse in (
        lambda body: wire.parse_book(body, FUTURE_MARKET, None),
        lambda body: wire.parse_trades(body, FUTURE_MARKET),
    ):
        with pytest.raises(EdgeError, match=r"asked for .*NOV30.*, answered with USDCcNGN-SPOT"):
            parse(orjson.dumps(BOOK))


def paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every member below `value`."""
    items: list[tuple[Any, object]] = []
    if isinstance(value, dict | list):
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, member in items:
        yield (*path, key)
        yield from paths(member, (*path, key))


def damaged(answer: object, way: tuple[Any, ...], value: object, drop: bool) -> bytes:
    """`answer` with one member dropped or put to `value`."""
    changed: Any = copy.deepcopy(answer)
    at = changed
    for key in way[:-1]:
        at = at[key]
    if drop:
        del at[way[-1]]
    else:
        at[way[-1]] = value
    return orjson.dumps(changed)


@given(st.data(), JSON_VALUES, st.booleans())
def test_damage_is_an_edge_error_or_harmless(
    data: st.DataObject, value: object, drop: bool
) -> None:
    """Whatever member is missing or of another kind: an EdgeError of the API, nothing else."""
    for answer, parse in (
        (BOOK, lambda body: wire.parse_book(body, SPOT_MARKET, "0x")),
        (TRADES, lambda body: wire.parse_trades(body, SPOT_MARKET)),
        (MARKETS, wire.parse_listings),
    ):
        way = data.draw(st.sampled_from(list(paths(answer))))
        with contextlib.suppress(EdgeError):
            parse(damaged(answer, way, value, drop))


@given(st.binary(max_size=60))
def test_noise_is_an_edge_error(body: bytes) -> None:
    """A body that is no JSON of ours is named as that, and tells no error of the exchange's."""
    with pytest.raises(EdgeError):
        wire.parse_book(body, SPOT_MARKET, None)
    assert wire.parse_error(body) is None or b'"error"' in body


@pytest.mark.parametrize("text", ["1e3", "-1", "NaN", "1/2", "0x10", "", " 1", "1" * 60, "١"])
def test_only_plain_decimals_are_numbers(text: str) -> None:
    """Exponents, signs, blanks, other digits and endless numbers are refused by name."""
    body = damaged(BOOK, ("bids", 0, "limit_price"), text, False)
    with pytest.raises(EdgeError, match="not a plain decimal"):
        wire.parse_book(body, SPOT_MARKET, "0x" + "aa" * 20)


@pytest.mark.parametrize("text", ["NaN", "1e400", "", "-1"])
def test_one_bad_order_of_a_stranger_is_left_out_and_named(text: str) -> None:
    """The rest of the book is read as ever."""
    whole = wire.parse_book(orjson.dumps(BOOK), SPOT_MARKET, None)
    body = damaged(BOOK, ("bids", 0, "limit_price"), text, False)
    book = wire.parse_book(body, SPOT_MARKET, None)
    assert book.unreadable == (BOOK["bids"][0]["order_id"],)
    left = {o.order_id for o in (*book.bids, *book.asks)}
    assert left == {o.order_id for o in (*whole.bids, *whole.asks)} - set(book.unreadable)

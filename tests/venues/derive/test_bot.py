"""The bot, as a process, on a server that speaks Derive's wire and checks every signature."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from integration_harness.anchor_server import AnchorServer
from integration_harness.venues.derive.model import Order
from integration_harness.venues.derive.server import DeriveServer
from mm_bot.clock import SystemClock
from mm_bot.core.commands import NewOrder, Verdict
from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.venues.derive.config import NETWORKS, DeriveConfig
from mm_bot.venues.derive.venue import DeriveVenue
from tests.cli.bench import run
from tests.venues.bots import REDUCING, Start, starting, wait
from tests.venues.derive.account import OWNER, SESSION_KEY, SIGNER, SUBACCOUNT, environment

CYCLES = "mm_bot_cycle_duration_seconds_count"


@pytest.fixture
def start(server: DeriveServer, tmp_path: Path) -> Iterator[Start]:
    """Starts a bot there; the same state file each time."""
    limits = {"MM_MAX_LONG_INVENTORY": "10", "MM_MAX_SHORT_INVENTORY": "-10"}
    with starting(tmp_path, {**environment(server, tmp_path), **limits}) as started:
        yield started


def live(server: DeriveServer) -> dict[str, Order]:
    """Our open orders by label; two with one label or side would be a doubled order."""
    orders = server.live(SUBACCOUNT)
    assert len({o.label for o in orders}) == len(orders)
    return {o.label: o for o in orders}


def quoted(server: DeriveServer) -> bool:
    return sorted(o.direction for o in live(server).values()) == ["buy", "sell"]


def test_it_quotes_counts_a_fill_once_and_cancels_at_the_kill_switch(
    server: DeriveServer, start: Start, tmp_path: Path
) -> None:
    """Two signed post-only quotes around the anchor; a partial fill is counted once, with
    duplicated and reordered pushes; that it does not settle is told once and changes no count; the
    kill switch leaves nothing live."""
    bot = start()
    wait("two quotes", lambda: quoted(server), bot)
    prices = {o.direction: o.price for o in live(server).values()}
    assert prices == {"buy": Decimal("2992.50"), "sell": Decimal("3007.50")}
    server.faults.duplicate_pushes = server.faults.reversed_pushes = True
    server.faults.unsettled = 1
    server.faults.settle_s = 0.3
    server.take("sell", "0.2")
    counted = 'mm_bot_fills_total{side="buy"}'
    wait("the fill is counted", lambda: bot.metrics()[counted] == 1, bot)
    wait("the position shows", lambda: Decimal(bot.status()["balances"]["base"]["total"]) > 0, bot)
    wait("it is told", lambda: bool(bot.log("venue.alarm")), bot)
    (tmp_path / "kill").write_text("")
    wait("nothing is live", lambda: not live(server), bot)
    (alarm,) = bot.log("venue.alarm")
    assert str(alarm.fields["says"]).endswith("SettlingError")
    assert bot.metrics()[counted] == 1
    assert bot.stop() == 0


def test_a_trade_that_fails_to_settle_later_is_told(server: DeriveServer, start: Start) -> None:
    """The history that is read again ends a minute before the newest fill: beyond that the push of
    the stage tells. It is told once, and quoting goes on."""
    server.faults.settlement_unlisted = True
    server.faults.unsettled = 1
    server.faults.settle_s = 0.5
    bot = start()
    wait("two quotes", lambda: quoted(server), bot)
    server.take("sell", "0.2")
    wait("it is told", lambda: bool(bot.log("venue.alarm")), bot)
    before = bot.metrics()[CYCLES]
    wait("more cycles", lambda: bot.metrics()[CYCLES] > before + 3, bot)
    (alarm,) = bot.log("venue.alarm")
    assert str(alarm.fields["says"]).endswith("SettlingError")
    wait("two quotes", lambda: quoted(server), bot)


def test_prices_stay_inside_the_exchange_s_band(server: DeriveServer, start: Start) -> None:
    """A bid above the highest price that is taken rests at it; an ask above it is missing, with the
    limit; nothing is sent that would be refused."""
    server.set_band("2900", "2990")
    bot = start()
    wait("a quote", lambda: bool(live(server)) and bot.startup() is not None, bot)
    assert [(o.direction, o.price) for o in live(server).values()] == [("buy", Decimal(2990))]
    (gap,) = bot.status()["missing"]
    assert (gap["side"], gap["reason"]) == ("sell", "outside_price_limits")
    assert gap["highest"] == "2990"
    server.set_band("2900", "3100")
    wait("two quotes", lambda: quoted(server), bot)


def test_a_lost_reply_never_doubles(server: DeriveServer, start: Start) -> None:
    """Orders are taken and not answered, or answered with a confirmation timeout: the side rests
    once, and the order that the exchange took is the one the bot goes on with."""
    server.faults.lose_replies = 1
    server.faults.confirmation_timeouts = 1
    bot = start()
    wait("two quotes", lambda: quoted(server), bot)
    wait("it is ready", lambda: bot.ready()[0], bot)
    assert len(live(server)) == 2
    nonces = [params["nonce"] for method, params in server.received if method == "private/order"]
    assert {o.nonce for o in live(server).values()} <= set(nonces)


def test_a_requote_is_one_command(server: DeriveServer, start: Start, anchor: AnchorServer) -> None:
    """A moved price replaces both orders by `private/replace`, without a cancel, and the exchange
    is told how much had been filled. Where it refuses the new order the old one is gone and the
    next is placed; where an answer is lost, or more was filled, no side ever has two."""
    bot = start(MM_ANCHOR_SOURCE_TYPE="http", MM_ANCHOR_URL=anchor.url, MM_ANCHOR_FIXED_PRICE="")

    def requoted(price: int) -> None:
        before, anchor.price = set(live(server)), Decimal(price)
        wait(f"quotes at {price}", lambda: quoted(server) and not before & set(live(server)), bot)
        wait("none is unknown", lambda: not bot.status()["unknown"], bot)

    wait("two quotes", lambda: quoted(server), bot)
    server.take("sell", "0.2")
    counted = 'mm_bot_fills_total{side="buy"}'
    wait("the fill is counted", lambda: bot.metrics()[counted] == 1, bot)
    wait("the size is back", lambda: all(o.left == o.amount for o in live(server).values()), bot)
    requoted(3006)
    methods = [method for method, _ in server.received]
    assert methods.count("private/replace") >= 2
    assert "private/cancel" not in methods
    replaces = [params for method, params in server.received if method == "private/replace"]
    assert {params["expected_filled_amount"] for params in replaces} == {"0", "0.2"}
    server.faults.failed_creates = 2
    requoted(3012)
    server.faults.lose_replies = 2
    requoted(3006)
    server.faults.filled_before_cancel = 2
    requoted(3012)
    assert max(server.most_live.values()) == 1


def test_a_restart_adopts_what_rests(server: DeriveServer, start: Start) -> None:
    """After a crash without cancel-on-disconnect, the same two orders are adopted; a foreign
    label of this account is cancelled at start, a protected one left alone."""
    bot = start()
    wait("two quotes", lambda: quoted(server), bot)
    before = set(live(server))
    server.traders[SUBACCOUNT].cancel_on_disconnect = False
    bot.kill()
    again = start()
    wait("a cycle", lambda: again.startup() is not None, again)
    found = again.startup()
    assert found is not None
    assert set(found.adopted) == before
    assert set(live(server)) == before


def test_a_look_leaves_the_quotes(server: DeriveServer, start: Start) -> None:
    """Cancel-on-disconnect is of the wallet: commands and a dry run beside the bot log no socket
    in, so what rests goes on resting. They tell fills whole, and their own trade is the reference
    of nobody, however many reads later."""
    bot = start()
    wait("two quotes", lambda: quoted(server), bot)
    server.take("sell", "0.2", "0.3")
    wait("both are counted", lambda: bot.metrics()['mm_bot_fills_total{side="buy"}'] == 2, bot)
    wait("the bid is back", lambda: quoted(server), bot)
    counted = bot.metrics()[CYCLES]
    wait("later reads", lambda: bot.metrics()[CYCLES] > counted + 2, bot)
    why_not = {each["source"]: each["why_not"] for each in bot.status()["reference"]["candidates"]}
    assert why_not["trade"] == "none of others within the maximum age"
    before = set(live(server))
    told = run(bot.environment, "fills", "--json").json["fills"]
    assert [(each["size"], each["completes_order"]) for each in told] == [
        ("0.3", True),
        ("0.2", False),
    ]
    assert [each["trade_id"] for each in bot.status()["recent_fills"]] == [
        each["trade_id"] for each in told
    ]
    for words in (("check",), ("why", "bid"), ("orders",)):
        assert run(bot.environment, *words).code == 0, words
    assert {order.order_id for order in server.orders.values() if order.cancel_reason} == set()
    assert set(live(server)) == before
    areas = {each["area"] for each in run(bot.environment, "check", "--json").json["checks"]}
    assert "anchor" in areas, "what needs the market known is looked at too"
    ran = run({**bot.environment, "MM_STRATEGY": "json:dumps"}, "check")
    assert (ran.code, "json:dumps" in ran.out) == (2, True)


def test_a_dropped_socket_ends_exposure_and_comes_back(server: DeriveServer, start: Start) -> None:
    """Cancel-on-disconnect takes the orders; the bot reconnects by itself and quotes anew."""
    bot = start()
    wait("two quotes", lambda: quoted(server), bot)
    before = set(live(server))
    server.drop_sockets()
    assert not set(live(server)) & before
    wait("two new quotes", lambda: quoted(server), bot)


def test_a_rate_storm_keeps_cancels_moving(
    server: DeriveServer, start: Start, tmp_path: Path
) -> None:
    """Orders are refused for their rate: nothing is doubled, and the kill switch still empties."""
    server.faults.rate_limited = 3
    bot = start()
    wait("two quotes", lambda: quoted(server), bot, seconds=30)
    (tmp_path / "kill").write_text("")
    wait("nothing is live", lambda: not live(server), bot)


def test_a_forced_reduction_takes(server: DeriveServer, start: Start) -> None:
    """Beyond the hard limit the position is led back by orders that may trade at once."""
    server.traders[SUBACCOUNT].position = Decimal(3)
    server.rest("buy", "2999", "50")
    bot = start(**REDUCING)
    wait("it is led back", lambda: server.traders[SUBACCOUNT].position <= 2, bot)
    orders = [params for method, params in server.received if method == "private/order"]
    assert (orders[0]["time_in_force"], orders[0]["direction"]) == ("gtc", "sell")


def test_without_the_dead_man_s_switch_it_does_not_start(
    server: DeriveServer, start: Start
) -> None:
    """Cancel-on-disconnect that is not kept ends the start with 3, before any order."""
    server.faults.disarmed = True
    bot = start()
    give_up_at = time.monotonic() + 20
    while bot.running:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    assert bot.exit_code == 3, bot.log_tail()
    assert "cancel-on-disconnect" in bot.log_tail()
    assert not server.orders


def test_a_sending_that_is_held_back_does_not_end_an_unknown_order(
    server: DeriveServer, tmp_path: Path
) -> None:
    """The first sending was taken and nobody knows it. That the same bytes may not leave us again
    says nothing of that one: it stays unknown, while an order never sent before is refused."""
    config = DeriveConfig(
        socket_url=server.socket_url,
        http_url=server.http_url,
        chain_id=NETWORKS["testnet"].chain_id,
        owner=OWNER.lower(),
        signer_key=bytes.fromhex(SESSION_KEY[2:]),
        signer=SIGNER.lower(),
        subaccount_id=SUBACCOUNT,
        market_symbol=server.symbol,
        price_tick=None,
        margin_rate=Decimal("0.1"),
        protected_prefixes=(),
        lock_file=tmp_path / "lock",
        requests_per_minute=300,
        dry_run=False,
        wait_for_lock=False,
        request_timeout_ms=2_000,
    )

    async def ended() -> list[Verdict]:
        venue = DeriveVenue(config, SystemClock())
        try:
            await venue.open()
            first, other = (venue.prepare(_bid(server.symbol, each)) for each in (0, 1))
            server.faults.confirmation_timeouts = 1
            ends = [await venue.place(first, lambda: True)]
            ends += [await venue.place(each, lambda: False) for each in (first, other)]
        finally:
            await venue.aclose()
        return [end.verdict for end in ends]

    assert asyncio.run(ended()) == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.REFUSED]
    assert [method for method, _ in server.received].count("private/order") == 1


def _bid(symbol: str, number: int) -> NewOrder:
    nonce = time.time_ns() + number
    return NewOrder(
        order_id=f"mm:{symbol}:buy:{nonce}",
        side=Side.BUY,
        price=Price.of("2990"),
        size=Size.of("0.5"),
        notional=Amount.of("1495"),
        nonce=nonce,
        expiry_s=int(time.time()) + 600,
    )

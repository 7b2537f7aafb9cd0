"""The bot, as a process, on a server that speaks Ethereal's wire and checks every signature."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from eth_account import Account

from integration_harness.anchor_server import AnchorServer
from integration_harness.checks import totals_fault
from integration_harness.stack.quantities import Side
from integration_harness.venues.ethereal import EtherealServer, Order
from tests.venues.bots import REDUCING, Start, ended, starting, wait

OWNER = Account.from_key("0x" + "a1" * 32).address
LINKED_KEY = "0x" + "b2" * 32
SUBACCOUNT = 7


@pytest.fixture
def server() -> Iterator[EtherealServer]:
    """The exchange, with our wallet and its linked signer."""
    running = EtherealServer()
    running.add_trader(OWNER, SUBACCOUNT, Account.from_key(LINKED_KEY).address)
    running.start()
    yield running
    running.close()


@pytest.fixture
def start(server: EtherealServer, tmp_path: Path) -> Iterator[Start]:
    """Starts a bot there; the same state file each time."""
    environment = {
        "MM_VENUE": "ethereal",
        "MM_ETHEREAL_NETWORK": "testnet",
        "MM_ETHEREAL_REST_URL": server.rest_url,
        "MM_ETHEREAL_SOCKET_URL": server.socket_url,
        "MM_ETHEREAL_LOCK_FILE": str(tmp_path / "lock"),
        "MM_OWNER_ADDRESS": OWNER,
        "MM_SIGNER_PRIVATE_KEY": LINKED_KEY,
        "MM_MARKET_SYMBOL": server.symbol,
        "MM_ORDER_EXPIRY_SECONDS": "60",
        "MM_MAX_LONG_INVENTORY": "10",
        "MM_MAX_SHORT_INVENTORY": "-10",
        "MM_ANCHOR_FIXED_PRICE": "3000",
        "MM_ANCHOR_MAX_PRICE": "100000",
    }
    with starting(tmp_path, environment) as started:
        yield started


def live(server: EtherealServer) -> dict[str, Order]:
    """Our open orders by client id; two of one id or side would be a doubled order."""
    orders = server.live(SUBACCOUNT)
    assert len({o.label for o in orders}) == len(orders)
    assert len({o.direction for o in orders}) == len(orders)
    return {o.label: o for o in orders}


def quoted(server: EtherealServer) -> bool:
    return sorted(o.direction for o in live(server).values()) == ["buy", "sell"]


def test_it_quotes_counts_a_fill_once_and_stops_with_proof(
    server: EtherealServer, start: Start
) -> None:
    """Two signed post-only quotes around the anchor; a partial fill is counted once, with
    duplicated and reordered pushes and fills that are listed late; a graceful stop leaves nothing
    live and says that it is proven."""
    bot = start(MM_CANCEL_ON_SHUTDOWN="true")
    wait("two quotes", lambda: quoted(server), bot)
    prices = {o.direction: o.price for o in live(server).values()}
    assert prices == {"buy": Decimal("2992.5"), "sell": Decimal("3007.5")}
    wait("it is ready", lambda: bot.ready()[0], bot)
    server.faults.duplicate_pushes = server.faults.reversed_pushes = True
    server.faults.late_fills_s = 0.5
    server.take("sell", "0.2")
    counted = 'mm_bot_fills_total{side="buy"}'
    wait("the fill is counted", lambda: bot.metrics()[counted] == 1, bot)
    wait(
        "the position shows",
        lambda: Decimal(bot.status()["balances"]["base"]["total"]) == Decimal("0.2"),
        bot,
    )
    opened = server.opened
    server.drop_sockets()
    wait("a new socket", lambda: server.opened > opened, bot)
    wait("two quotes", lambda: quoted(server), bot)
    assert bot.metrics()[counted] == 1
    assert bot.stop() == 0
    assert not live(server)
    assert bot.log("cancelled_all")[0].fields["proven"] is True


def test_a_trade_with_our_own_account_is_counted(server: EtherealServer, start: Start) -> None:
    """Where another tool of the account takes our quote, the exchange leaves both halves out of the
    list of fills unless they are asked for: both are in the books, which stay what is held."""
    server.faults.self_trades = True
    bot = start()
    wait("two quotes", lambda: quoted(server), bot)
    server.rest("sell", "2000", "0.2", subaccount_id=SUBACCOUNT, label="manual1")
    both: list[tuple[Side, Fraction]] = [("buy", Fraction(1, 5)), ("sell", Fraction(1, 5))]
    wait(
        "both halves are counted",
        lambda: totals_fault(bot.state().get("books", {}), both) is None,
        bot,
    )
    assert server.traders[SUBACCOUNT].position == 0


def test_a_lost_reply_never_doubles(server: EtherealServer, start: Start) -> None:
    """Orders are taken and answered with 504, while no index shows them for a second: a side rests
    once, and the order that the exchange took is the one the bot goes on with."""
    server.faults.slow_index = True
    server.faults.lose_replies = 2
    bot = start()
    wait("two quotes", lambda: quoted(server), bot)
    wait("it is ready", lambda: bot.ready()[0], bot)
    assert quoted(server)
    taken = [o for o in server.orders.values() if o.status != "REJECTED"]
    assert len(taken) == 2, [(o.label, o.status, o.reason) for o in server.orders.values()]


def test_a_restart_adopts_ours_and_cancels_what_is_like_ours(
    server: EtherealServer, start: Start
) -> None:
    """After a crash the same two orders are adopted. Another tool's order whose client id begins
    like ours is nobody's to keep, and goes; a protected one stays."""
    bot = start()
    wait("two quotes", lambda: quoted(server), bot)
    before = set(live(server))
    bot.kill()
    like_ours = server.rest("buy", "2000", "1", subaccount_id=SUBACCOUNT, label="mmETHUSDb17")
    protected = server.rest("buy", "2001", "1", subaccount_id=SUBACCOUNT, label="manual1")
    again = start()
    wait("a cycle", lambda: again.startup() is not None, again)
    found = again.startup()
    assert found is not None
    adopted = {f"mmETHUSD{i.split(':')[2][0]}{i.split(':')[3]}" for i in found.adopted}
    assert adopted == before
    wait("the stray is gone", lambda: like_ours.status == "CANCELED", again)
    assert protected.status == "NEW"
    assert before <= {o.label for o in server.live(SUBACCOUNT)}


def test_refusals_and_a_rate_storm_leave_cancels_moving(
    server: EtherealServer, start: Start, tmp_path: Path
) -> None:
    """A 201 that is not Ok, a 422, a 429: refused, tried anew, nothing doubled. The kill switch
    empties the book though a cancel is answered NotFound first."""
    server.faults.results.append("ImmediateMatchPostOnly")
    server.faults.codes.append("InsufficientBalance")
    server.faults.rate_limited = 2
    bot = start()
    wait("two quotes", lambda: quoted(server), bot, seconds=30)
    server.faults.cancels_not_found = 1
    server.faults.rate_limited = 10**6
    (tmp_path / "kill").write_text("")
    wait("nothing is live", lambda: not live(server), bot)


def test_what_is_held_already_counts_before_the_first_quote(
    server: EtherealServer, start: Start
) -> None:
    """At the long limit from the start: no bid is ever sent. Without a socket it quotes as well,
    from what it polls, and says so."""
    server.traders[SUBACCOUNT].positions["ETHUSD"] = Decimal(10)
    server.faults.refused_channel = "L2Book"
    bot = start()
    wait("an ask", lambda: any(o.direction == "sell" for o in live(server).values()), bot)
    wait("it says that it polls", lambda: bool(bot.log("events")), bot)
    assert bot.log("events")[0].fields["source"] == "poll"
    sides = {body["data"]["side"] for path, body in server.received if path == "order"}
    assert sides == {1}


def test_maintenance_and_suspension_double_nothing_and_end(
    server: EtherealServer, start: Start, anchor: AnchorServer
) -> None:
    """While writes answer 503 or `ExchangeSuspended` nothing is taken for done, and once they end
    it quotes the price of then: one order a side throughout."""
    bot = start(
        MM_ANCHOR_SOURCE_TYPE="http",
        MM_ANCHOR_URL=anchor.url,
        MM_ANCHOR_FIXED_PRICE="",
    )
    for name, price in (("maintenance", 3030), ("suspended", 3060)):
        wait("two quotes, and ready", lambda: quoted(server) and bot.ready()[0], bot)
        before, sent = set(live(server)), len(server.received)

        def tried(sent: int = sent) -> bool:
            """Each of both twice; one request may be of both."""
            writes = server.received[sent:]
            asked = [body["data"] for path, body in writes if path == "order/cancel"]
            return sum(len(d["orderIds"]) + len(d["clientOrderIds"]) for d in asked) >= 4

        def requoted(before: frozenset[str] = frozenset(before)) -> bool:
            return quoted(server) and not before & set(live(server))

        setattr(server.faults, name, True)
        anchor.price = Decimal(price)
        wait("it tries", tried, bot)
        assert set(live(server)) == before
        setattr(server.faults, name, False)
        wait("new quotes", requoted, bot)
        wait("none is unknown", lambda: not bot.status()["unknown"], bot)
    assert max(server.most_live.values()) == 1


def test_an_order_too_far_from_the_price_goes_at_once(
    server: EtherealServer, start: Start, anchor: AnchorServer
) -> None:
    """A price that leaves an order beyond the deviation limit cancels it, though each guard of
    churn says wait, and nothing takes its place yet."""
    bot = start(
        MM_ANCHOR_SOURCE_TYPE="http",
        MM_ANCHOR_URL=anchor.url,
        MM_ANCHOR_FIXED_PRICE="",
        MM_MAX_ORDER_DEVIATION_BPS="100",
        MM_MIN_QUOTE_LIFETIME_SECONDS="3600",
        MM_QUOTE_REFRESH_INTERVAL_MS="3600000",
    )
    wait("two quotes", lambda: quoted(server), bot)
    before = {o.direction: o.label for o in live(server).values()}
    anchor.price = Decimal("3030")  # the bid is 124 bps away, the ask 74
    wait("the bid is gone", lambda: before["buy"] not in live(server), bot)
    assert before["sell"] in live(server)
    wait("its cancel is logged", lambda: bool(bot.log("order.cancel")), bot)
    assert {event.fields["reason"] for event in bot.log("order.cancel")} == {"price_deviation"}


def test_a_forced_reduction_takes_and_may_only_reduce(server: EtherealServer, start: Start) -> None:
    """Beyond the hard limit the position is led back by orders that are neither post-only nor able
    to add to it; the bids of strangers are what they meet."""
    server.traders[SUBACCOUNT].positions["ETHUSD"] = Decimal(3)
    server.rest("buy", "2999", "50")
    bot = start(**REDUCING)
    wait("it is led back", lambda: server.traders[SUBACCOUNT].position <= 2, bot)
    (first, *_) = (body["data"] for path, body in server.received if path == "order")
    assert (first["reduceOnly"], first["postOnly"], first["side"]) == (True, False, 1)


def test_under_another_signing_domain_it_does_not_start(
    server: EtherealServer, start: Start
) -> None:
    """A contract that is not the pinned one ends the start with 3, and nothing signed has left."""
    server.faults.foreign_contract = True
    bot = start()
    assert ended(bot) == 3, bot.log_tail()
    assert "verifyingContract" in bot.log_tail()
    assert not server.received


def test_a_collateral_that_cannot_be_read_alone_leaves_the_side_that_closes(
    server: EtherealServer, start: Start
) -> None:
    """The balance answers 503 and the position does not: long, the bids go before anything halts
    and the ask stays, also past what halts; it is told, and ends with the next answer."""
    server.traders[SUBACCOUNT].positions["ETHUSD"] = Decimal("0.3")
    bot = start(MM_DEGRADE_BEFORE_HALT="true", MM_STALE_BALANCE_TIMEOUT_SECONDS="4")
    wait("two quotes", lambda: quoted(server), bot)
    server.faults.hidden_collateral = True

    def asks_alone() -> bool:
        return [(o.direction, o.amount) for o in live(server).values()] == [
            ("sell", Decimal("0.3"))
        ]

    wait("an ask of the position alone", asks_alone, bot)
    wait("past the limit", lambda: bot.metrics()["mm_bot_balance_freshness_age_seconds"] > 4, bot)
    assert asks_alone()
    assert bot.status()["halts"] == []
    begun = [line.fields["says"] for line in bot.log("strategy.begins")]
    assert any(says.startswith("quote balance growing old, so no bids") for says in begun), begun
    server.faults.hidden_collateral = False
    wait("two quotes", lambda: quoted(server), bot)

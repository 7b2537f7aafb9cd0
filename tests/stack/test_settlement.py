"""What a match moves: spot, futures and fees, to the last integer."""

from __future__ import annotations

from dataclasses import replace

from integration_harness.stack.chain import Balance, Chain
from integration_harness.stack.deployment import Account
from tests.stack.signing_desk import DAY_SECONDS, FIRST_MARK, ONE, SPOT_PRICE, Order, refused, trade


def spot_balances(chain: Chain, account_id: int) -> tuple[int, int]:
    """Cash and wrapped cNGN."""
    where = chain.deployment.addresses
    return chain.balance(account_id, where.cash), chain.balance(account_id, where.wrapped_cngn)


def test_spot_moves_price_times_amount(chain: Chain, ask: Order, bid: Order) -> None:
    """A spot match moves the cNGN one way and price x amount / 1e18 of cash, cut, the other."""
    amount = 123_456_789_012_345_678_901
    before = [spot_balances(chain, order.account_id) for order in (ask, bid)]
    trade(chain, bid, ask, amount=amount)
    after = [spot_balances(chain, order.account_id) for order in (ask, bid)]
    cash = SPOT_PRICE * amount // ONE
    assert after[0] == (before[0][0] + cash, before[0][1] - amount)
    assert after[1] == (before[1][0] - cash, before[1][1] + amount)


def test_spot_seller_stays_above_zero(chain: Chain, ask: Order, bid: Order) -> None:
    """Selling the last cNGN works and leaves no line; one unit more is refused."""
    held = spot_balances(chain, ask.account_id)[1]
    chain.withdraw(ask.account_id, ask.asset, held - 10 * ONE)
    with refused("WA_InsufficientBalance()"):
        trade(chain, bid, ask, amount=10 * ONE + 1)
    trade(chain, bid, ask, amount=10 * ONE)
    cash = chain.deployment.addresses.cash
    assert [line.asset for line in chain.balances(ask.account_id)] == [cash]


def test_cash_may_go_negative(chain: Chain, ask: Order, bid: Order) -> None:
    """A spot buyer without cash borrows it."""
    cash = chain.deployment.addresses.cash
    chain.withdraw(bid.account_id, cash, chain.balance(bid.account_id, cash))
    trade(chain, bid, ask, amount=1000 * ONE)
    assert chain.balance(bid.account_id, cash) == -(SPOT_PRICE * 1000)


def test_recipient(chain: Chain, ask: Order, bid: Order) -> None:
    """Proceeds go to the signed recipient, another subaccount of the same owner."""
    spare = ask.owner.subaccount_ids[2]
    trade(chain, bid, replace(ask, recipient_id=spare), amount=1000 * ONE)
    assert chain.balances(spare) == (
        Balance(asset=chain.deployment.addresses.cash, sub_id=0, amount=SPOT_PRICE * 1000),
    )


def test_fees(chain: Chain, ask: Order, bid: Order) -> None:
    """Both fees arrive, in cash, in the fee recipient's account."""
    worst = ONE // 1000
    cash = chain.deployment.addresses.cash
    before = chain.balance(bid.account_id, cash)
    trade(
        chain,
        replace(bid, worst_fee=worst),
        replace(ask, worst_fee=worst),
        amount=1000 * ONE,
        taker_fee=ONE,
        maker_fee=ONE // 2,
    )
    assert chain.balance(chain.deployment.fee_recipient_id, cash) == ONE + ONE // 2
    assert chain.balance(bid.account_id, cash) == before - SPOT_PRICE * 1000 - ONE
    with refused("TM_FeeTooHigh()"):
        trade(
            chain,
            replace(bid, worst_fee=worst, nonce=2),
            replace(ask, worst_fee=worst, nonce=2),
            amount=1000 * ONE,
            taker_fee=ONE + 1000,
        )


def variation_margin(quantity: int, start: int, end: int) -> int:
    """The documented formula, written again: cut towards zero."""
    gain = 10_000 * quantity * (end - start)
    return gain // end if gain >= 0 else -(-gain // end)


def future_order(chain: Chain, owner: Account, *, is_bid: bool, price: int, nonce: int) -> Order:
    """An order of up to 5 contracts in the far expiry."""
    return Order(
        owner=owner,
        is_bid=is_bid,
        price=price,
        amount=5 * ONE,
        nonce=nonce,
        asset=chain.deployment.addresses.future,
        sub_id=chain.deployment.future_expiries[0],
        subaccount_id=owner.subaccount_ids[1 if owner.name == "maker" else 0],
    )


def test_future_is_exact(chain: Chain) -> None:
    """Cash and position follow from fills and marks alone, to the last integer, through many."""
    maker, taker = chain.deployment.maker, chain.deployment.takers[0]
    expiry = chain.deployment.future_expiries[0]
    where = chain.deployment.addresses
    long_id, short_id = maker.subaccount_ids[1], taker.subaccount_ids[0]
    cash = {each: chain.balance(each, where.cash) for each in (long_id, short_id)}
    position = 0
    mark = FIRST_MARK
    steps = (
        ("fill", 1_595 * ONE, 1_234_000_000_000_000_000),
        ("mark", 1_613_700_000_000_000_000_001, 0),
        ("fill", 1_620 * ONE, -2 * ONE),
        ("mark", 1_577_300_000_000_000_000_003, 0),
        ("fill", 1_577 * ONE, 766_000_000_000_000_000),
        ("mark", 1_700 * ONE, 0),
    )
    for nonce, (kind, price, quantity) in enumerate(steps, start=1):
        if kind == "fill":
            buys = quantity > 0
            ours = future_order(chain, maker, is_bid=buys, price=price, nonce=nonce)
            theirs = future_order(chain, taker, is_bid=not buys, price=price, nonce=nonce)
            trade(chain, theirs, ours, amount=abs(quantity))
            margin = variation_margin(quantity, price, mark)
            position += quantity
        else:
            chain.set_mark(expiry, price)
            margin = variation_margin(position, mark, price)
            mark = price
        cash[long_id] += margin
        cash[short_id] -= margin
        assert chain.balance(long_id, where.future, expiry) == position
        assert chain.balance(short_id, where.future, expiry) == -position
        assert {each: chain.balance(each, where.cash) for each in cash} == cash
    assert position == 0


def test_future_at_the_mark_moves_no_cash(chain: Chain) -> None:
    """A fill at the mark changes positions only, and needs no base asset to sell."""
    maker, taker = chain.deployment.maker, chain.deployment.takers[0]
    ours = future_order(chain, maker, is_bid=False, price=FIRST_MARK, nonce=1)
    theirs = future_order(chain, taker, is_bid=True, price=FIRST_MARK, nonce=1)
    cash = chain.balance(ours.account_id, chain.deployment.addresses.cash)
    trade(chain, theirs, ours, amount=ONE)
    assert chain.balances(ours.account_id) == (
        Balance(asset=chain.deployment.addresses.cash, sub_id=0, amount=cash),
        Balance(asset=ours.asset, sub_id=ours.sub_id, amount=-ONE),
    )


def test_future_near_expiry_only_reduces(chain: Chain) -> None:
    """In the last 3 days no position may grow, one may shrink, and after expiry nothing trades."""
    maker, taker = chain.deployment.maker, chain.deployment.takers[0]
    expiry = chain.deployment.future_expiries[0]
    orders = [
        future_order(chain, owner, is_bid=is_bid, price=FIRST_MARK, nonce=nonce)
        for nonce, (owner, is_bid) in enumerate(
            ((maker, True), (taker, False), (maker, False), (taker, True)), start=1
        )
    ]
    buy, sell, sell_back, buy_back = (replace(each, expiry=expiry + 60) for each in orders)
    trade(chain, sell, buy, amount=ONE)
    chain.advance(expiry - 3 * DAY_SECONDS - chain.now())
    with refused("FA_OnlyReduceBeforeExpiry()"):
        trade(chain, sell, buy, amount=ONE)
    trade(chain, buy_back, sell_back, amount=ONE // 2)
    with refused("FA_OnlyReduceBeforeExpiry()"):
        trade(chain, buy_back, sell_back, amount=2 * ONE)
    chain.advance(expiry - chain.now())
    with refused("FA_Expired()"):
        trade(chain, buy_back, sell_back, amount=ONE // 2)


def test_unlisted_future(chain: Chain) -> None:
    """An expiry without a mark cannot be traded; setting its first mark lists it."""
    maker, taker = chain.deployment.maker, chain.deployment.takers[0]
    unlisted = chain.deployment.future_expiries[0] + 1
    ours, theirs = (
        replace(
            future_order(chain, owner, is_bid=is_bid, price=FIRST_MARK, nonce=1), sub_id=unlisted
        )
        for owner, is_bid in ((maker, True), (taker, False))
    )
    with refused("FA_NotListed()"):
        trade(chain, theirs, ours, amount=ONE)
    chain.set_mark(unlisted, FIRST_MARK)
    trade(chain, theirs, ours, amount=ONE)

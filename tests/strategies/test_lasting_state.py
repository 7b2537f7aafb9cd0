"""What the steps remember follows a step of the clock, and comes back from a state file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Amount, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Kept, Quotes, View
from mm_bot.strategies import features, founding
from mm_bot.strategies.trial import Asked, measure, policy, view
from tests.core.builders import FUTURE, NOW_MS, POLICY, fill, open_order, others
from tests.strategies.test_regime import LIMITED

World = Callable[[int], View]
BID = open_order(Side.BUY, "1596", nonce=1, created_ms=NOW_MS)
ASK = open_order(Side.SELL, "1604", nonce=2, created_ms=NOW_MS)
BOUGHT = FillTotals(
    position=Size.of(200), cash=Amount.of(-320_000), cost=Amount.of(320_000), cursor=0
)


def swings(at_s: int) -> View:
    """For a minute, then it stands."""
    return view("1600.1" if at_s % 2 and at_s < 60 else "1600", at_s=at_s)


def jumps(at_s: int) -> View:
    """By 3 % at 30 s."""
    return view("1648" if at_s >= 30 else "1600", at_s=at_s)


def hits(at_s: int) -> View:
    """Five bids by 30 s."""
    rows = (fill(at_s, Side.BUY, "1596", "10", order_id=f"order-{at_s}"),)
    rows = (replace(rows[0], at_ms=NOW_MS + at_s * 1000),)
    return replace(swings(at_s), fills=rows if 26 <= at_s <= 30 else ())


def loses(at_s: int) -> View:
    """10 each on 200 that were bought, at 30 s."""
    return view("1590" if at_s >= 30 else "1600", at_s=at_s, base="200", fill_totals=BOUGHT)


def beyond(at_s: int) -> View:
    """The hard limit from the start; a reduction was sent at 20 s."""
    sent = (NOW_MS + 20_000,) if at_s >= 20 else ()
    return replace(view(market=FUTURE, base="250", at_s=at_s), reductions_ms=sent)


def fills_one(at_s: int) -> View:
    """The bid of a pair, at 30 s."""
    filled = (replace(fill(1, Side.BUY, "1596", "100", order_id=BID.order_id)),)
    filled = (replace(filled[0], completes_order=True),)
    return replace(
        view(at_s=at_s),
        open_orders=(ASK,) if at_s >= 30 else (BID, ASK),
        fills=filled if at_s == 30 else (),
    )


def flows(at_s: int) -> View:
    """Bids that grow by 10 a second, for 40 s."""
    bids = others(Side.BUY, "1599", str(100 + 10 * min(at_s, 40)))
    return view(at_s=at_s, others=(bids, others(Side.SELL, "1601")))


HANGS = {"hanging_orders": "true", "hanging_max_age_seconds": "40"}
FORCED = {"hard_long_inventory": "200", "forced_reduction": "true", "reduce_retry_seconds": "30"}
COOLS = {
    "max_daily_loss": "1000",
    "breaker_cooldown_seconds": "30",
    "breaker_resume": "cooldown",
}
LIVES: list[tuple[str, Policy, World]] = [
    ("volatility", policy(volatility_spread_mult="1", volatility_half_life_seconds="20"), swings),
    ("shock", policy(shock_bps="200"), jumps),
    ("adverse_selection", policy(run_orders="5", toxic_pause_seconds="30"), hits),
    ("breaker", policy(**COOLS), loses),
    ("regime", policy(LIMITED, **FORCED), beyond),
    ("hanging", policy(POLICY, **HANGS, filled_order_delay_seconds="30"), fills_one),
    ("order_flow", policy(order_flow_seconds="15"), flows),
    ("attribution", policy(pnl_attribution="true"), loses),
]


def stepped(seen: View, step_ms: int) -> View:
    """What the bot sees of the same moment by a clock that was set by that much."""
    reference_ms, read_ms = seen.reference_ms, seen.balances_read_ms
    assert reference_ms is not None
    assert read_ms is not None
    return replace(
        seen,
        now_ms=seen.now_ms + step_ms,
        reference_ms=reference_ms + step_ms,
        prices=tuple(replace(p, at_ms=p.at_ms + step_ms) for p in seen.prices),
        balances_read_ms=read_ms + step_ms,
        reductions_ms=tuple(at_ms + step_ms for at_ms in seen.reductions_ms),
        open_orders=tuple(
            replace(o, created_ms=o.created_ms + step_ms, expiry_ms=o.expiry_ms + step_ms)
            for o in seen.open_orders
        ),
    )


def told(quotes: Quotes) -> object:
    """What an exchange or an operator sees of it."""
    return quotes.ladder, quotes.halts, quotes.hanging, quotes.reduction, list(quotes.measures)


def lived(chosen: Policy, world: World, *, step_ms: int = 0, restart: bool = False) -> list[Quotes]:
    """Cycle by cycle over 100 s; after 40 s the clock is set, or the process is another one."""
    asked, found = Asked(chosen), []
    for at_s in range(100):
        if at_s == 40:
            asked.step_clock(step_ms)
            if restart:
                saved = {**asked.kept.saved, **asked.kept.durable}
                asked.kept = Kept(saved=json.loads(json.dumps(saved)))
        seen = world(at_s)
        if restart and at_s >= 40:  # what a process sent is in its own memory alone
            seen = replace(seen, reductions_ms=())
        found.append(asked.quote(stepped(seen, step_ms) if at_s >= 40 else seen))
    return found


def test_every_step_that_remembers_has_a_life_here() -> None:
    """A new one is not forgotten."""
    remembers = {feature.step.name for feature in features() if feature.step.state is not None}
    assert remembers == {name for name, _, _ in LIVES}


@pytest.mark.parametrize("step_ms", [-3_600_000, 3_600_000])
@pytest.mark.parametrize(("name", "chosen", "world"), LIVES, ids=[life[0] for life in LIVES])
def test_a_step_of_the_clock_changes_nothing(
    name: str, chosen: Policy, world: World, step_ms: int
) -> None:
    """An hour back or ahead in the middle: each pause, age and statistic goes on as it was."""
    expected = [told(each) for each in lived(chosen, world)]
    assert len({repr(each) for each in expected[35:]}) > 1 or name == "attribution", "it ends"
    found = [told(each) for each in lived(chosen, world, step_ms=step_ms)]
    assert found == expected


SAVED: dict[str, Callable[[Quotes], object]] = {
    "shock": lambda quotes: bool(quotes.halts),
    "breaker": told,
    "regime": lambda quotes: measure(quotes, "mm_bot_reductions_last_hour"),
    "hanging": lambda quotes: quotes.hanging,
    "attribution": told,
}


@pytest.mark.parametrize("name", SAVED)
def test_a_process_goes_on_where_the_one_before_was(name: str) -> None:
    """Through a file's text, in the middle of a pause: what is saved is the same in every cycle to
    the end of it."""
    _, chosen, world = next(life for life in LIVES if life[0] == name)
    one, other = (lived(chosen, world, restart=restart) for restart in (True, False))
    assert [SAVED[name](each) for each in one] == [SAVED[name](each) for each in other]


@pytest.mark.parametrize(("name", "chosen", "world"), LIVES, ids=[life[0] for life in LIVES])
def test_every_gauge_is_declared_with_every_label(name: str, chosen: Policy, world: World) -> None:
    """In each cycle of such a life: no label that is not declared, and of each gauge every one of
    them, but of one that tells which of them holds."""
    labels: dict[str, set[tuple[str, ...]]] = {}
    for kind in founding(chosen).declared.measures:
        labels.setdefault(kind.name, set()).update(product(*kind.labels.values()))
    for quotes in lived(chosen, world):
        told: dict[str, list[tuple[str, ...]]] = {}
        for each in quotes.measures:
            told.setdefault(each.name, []).append(each.labels)
        for gauge, found in told.items():
            assert len(set(found)) == len(found)
            assert set(found) <= labels[gauge]
            assert gauge == "mm_bot_regime" or set(found) == labels[gauge]
        assert told, name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=9,
)


@given(st.sampled_from(LIVES), JSON)
def test_whatever_a_file_says_a_process_starts(
    life: tuple[str, Policy, World], saved: object
) -> None:
    """What cannot be ours is not believed, and what holds then is no longer than a pause."""
    name, chosen, world = life
    asked = Asked(chosen)
    asked.kept = Kept(saved={name: saved})
    asked.quote(world(0))
    asked.quote(world(1))


def test_what_cannot_be_read_of_a_shock_pauses() -> None:
    """As after one, and says why; a file of an older version, without it, does not."""
    for saved, halts in (({"shock": "soon"}, 1), ({"shock": None}, 0), ({}, 0)):
        asked = Asked(policy(shock_bps="200"))
        asked.kept = Kept(saved=saved)
        found = asked.quote(view()).halts
        assert len(found) == halts
        for halt in found:
            assert dict(halt.numbers)["refused"].startswith("the state file's shock cannot be read")
            assert dict(halt.numbers)["calm_in_ms"] == str(Decimal(30_000))

"""The list. A claim is a function over a `Case`; its docstring is what it claims, its place in
`CLAIMS` its number. The weather is bad in all of them: pushes come twice and out of order, answers
late. `Case.finish` follows each.
"""

from __future__ import annotations

import time
from decimal import Decimal
from functools import partial
from typing import Final

from integration_harness.bot_process import BotProcess
from integration_harness.conformance.case import SIDES, Case, Claim
from integration_harness.waiting import require

_KILL_BOUND_SECONDS: Final = 0.25
"""From the file to the last cancel (behaviour.md, section 7), beside what comes on top."""
_ON_TOP_SECONDS: Final = 0.75
"""Round trips of a loaded machine, and the pace at which the kit looks."""
_UNPROVEN_STOP_SECONDS: Final = 30
"""Longer than a stop tries to prove."""
_PARTS: Final = (Decimal("0.1"), Decimal("0.25"), Decimal("0.4"))


def adopts_own(case: Case) -> None:
    """What rests from a crashed process is adopted, and neither replaced nor doubled."""
    case.driver.dead_man(False)
    before = set(case.quoted(bot := case.bot()))
    bot.kill()
    again = case.bot()
    found = case.until("a start", again.startup, lambda seen: seen is not None, again)
    assert found is not None, "it was waited for"
    require(set(found.adopted) == before, "all are adopted", (before, found))
    case.cycles(again, 3)
    require(set(case.mine()) == before, "they rest as before", (before, set(case.mine())))
    require(not again.placed_ids(), "nothing is placed", again.placed_ids())


def leaves_others_alone(case: Case) -> None:
    """Protected orders of the account, and strangers', outlive quoting, kill switch and stop."""
    case.driver.dead_man(False)  # one that holds for the whole account spares nothing
    own = case.driver.place_own(f"test:{case.random.getrandbits(40)}", "buy", 500)
    other = case.driver.place_foreign(f"other:{case.random.getrandbits(40)}", "sell", 500)
    bot = case.bot(MM_CANCEL_ON_SHUTDOWN="true")
    case.requoted(bot)
    case.switch.touch()
    case.none_live(bot)
    require(bot.stop() == 0, "the stop is proven", bot.log_tail())
    names = [each.name for each in case.driver.live()]
    require(names == [own], "the protected order is there, and no other", names)
    require(other in case.driver.strangers(), "the stranger's order is there", other)


def lost_reply_never_doubles(case: Case) -> None:
    """Orders that were taken and not answered for are found, and never placed a second time."""
    lost = case.random.randint(1, 3)
    case.driver.lose_replies(lost)
    bot = case.bot()
    case.quoted(bot)
    case.nothing_unknown(bot)
    case.driver.lose_replies(2)
    case.requoted(bot)
    case.nothing_unknown(bot)
    case.figures["replies lost"] = str(lost + 2)


def refused_is_final(case: Case) -> None:
    """A refused order is not sent again, takes no slot, and a new one follows."""
    refused = case.random.randint(1, 4)
    case.driver.refuse(refused)
    bot = case.bot()
    case.quoted(bot)
    nonces = [each.nonce for each in case.driver.sent()]
    require(len(nonces) >= refused + 2, "every refusal was followed by a new order", nonces)
    require(len(nonces) == len(set(nonces)), "none was sent twice", nonces)
    unknown = bot.status()["unknown"]
    require(not unknown, "none of them counts as unknown", unknown)


def cancel_races_a_fill(case: Case) -> None:
    """A fill that comes just before a cancel is counted once, and what follows counts it."""
    bot = case.bot()
    case.quoted(bot)
    case.driver.fill_before_cancel(2)
    case.requoted(bot)
    case.until("a fill in the race", case.driver.fills, bool, bot)
    fills = case.counted(bot)
    case.figures["fills in the race"] = str(len(fills))


def partial_fills_once(case: Case) -> None:
    """Several partial fills of both sides are in the books exactly once each."""
    bot = case.bot()
    for _ in range(case.random.randint(3, 5)):
        case.take(case.random.choice(SIDES), case.random.choice(_PARTS), bot)
    fills = case.counted(bot)

    def told() -> float:
        seen = bot.metrics()
        return sum(seen[f'mm_bot_fills_total{{side="{side}"}}'] for side in SIDES)

    # A scrape may be as old as the last one a moment ago.
    case.until(f"/metrics to count {len(fills)} fills", told, lambda n: n == len(fills), bot)
    case.cycles(bot, 2)
    require(told() == len(fills), "and no more", told())
    case.figures["fills"] = str(len(fills))


def restarts_at_any_point(case: Case) -> None:
    """Killed at random moments amid replacing and fills: nothing doubled, nothing counted twice,
    nothing lost."""
    case.driver.dead_man(False)
    kills = 4
    for _ in range(kills):
        bot = case.bot()
        case.until("a first cycle", bot.startup, lambda seen: seen is not None, bot)
        case.move_price(case.random.choice((-80, 80)))
        case.driver.lose_replies(case.random.randint(0, 1))
        time.sleep(case.random.uniform(0, 0.6))
        case.driver.take(case.random.choice(SIDES), case.random.choice(_PARTS))
        time.sleep(case.random.uniform(0, 0.3))
        bot.kill()
    case.driver.lose_replies(0)
    bot = case.bot()
    case.quoted(bot)
    case.nothing_unknown(bot)
    case.counted(bot)
    case.figures["kills"] = str(kills)


def gap_resyncs(case: Case) -> None:
    """What happened while nothing was pushed, or nothing was connected, is seen and counted."""
    bot = case.bot()
    case.quoted(bot)
    case.driver.lose_pushes(True)
    case.take("buy", _PARTS[0], bot)
    case.counted(bot)
    case.driver.lose_pushes(False)
    case.driver.cut()
    case.driver.take("sell", _PARTS[1])
    case.counted(bot)
    case.quoted(bot)
    case.requoted(bot)


def rate_limit_spares_cancels(case: Case) -> None:
    """While every order is answered as over the rate, cancels move and the kill switch empties."""
    bot = case.bot()
    case.quoted(bot)
    case.driver.limit_rate(True)
    case.move_price(80)
    case.cycles(bot, 2)
    case.switch.touch()
    case.none_live(bot)
    case.switch.unlink()
    case.driver.limit_rate(False)
    case.quoted(bot)


def exposure_ends(case: Case) -> None:
    """What a dead process leaves is ended by the exchange: by its dead man's switch where it has
    one, and where that fails by the orders' expiry."""
    if "dead_man" not in case.driver.lacks:
        bot = case.bot()
        case.quoted(bot)
        bot.kill()
        case.until("the dead man's switch to take its orders", case.mine, lambda live: not live)
    case.driver.dead_man(False)
    bot = case.bot(**case.driver.short_life())
    case.quoted(bot)
    bot.kill()
    case.driver.outlive()
    require(not case.mine(), "none is live after its life", case.mine())
    before = len(case.driver.fills())
    for side in SIDES:
        case.driver.sweep(side)
    require(len(case.driver.fills()) == before, "an expired order is not filled")


def kill_switch_in_time(case: Case) -> None:
    """From the kill switch's file to an empty book within its bound, amid orders under way; what
    a loaded machine kept the bot or us waiting for a processor is not the bot's."""
    bot = case.bot()
    slowest = 0.0
    for _ in range(3):
        case.quoted(bot)
        case.move_price(case.random.choice((-80, 80)))
        time.sleep(case.random.uniform(0, 0.3))
        slowest = max(slowest, case.empties(bot))
        case.stays("nothing comes back under the switch", case.mine, bot, 2)
        case.switch.unlink()
    case.figures["slowest"] = f"{slowest * 1000:.0f} ms"
    bound = _KILL_BOUND_SECONDS + _ON_TOP_SECONDS
    require(slowest <= bound, f"within {bound:g} s", f"{slowest:.3f} s")


def unknown_found_by_our_id(case: Case) -> None:
    """Orders of unknown outcome are looked up by the bot's own id: one that never arrived is
    replaced, one that did is kept and can be cancelled."""
    case.driver.swallow(1)
    case.driver.lose_replies(1)
    bot = case.bot()
    live = set(case.quoted(bot))
    case.nothing_unknown(bot)
    taken = {each.nonce for each in case.driver.sent()}
    ours = {name.rpartition(":")[2] for name in live}
    require(ours <= taken, "what rests is what was sent", (ours, taken))
    case.switch.touch()
    case.none_live(bot)


def foreign_order_with_our_prefix(case: Case) -> None:
    """An order of a stranger that has our prefix, or of our account for another market, is not
    taken for our own."""
    symbol, nonce = case.driver.symbol, case.random.getrandbits(40)
    stranger = case.driver.place_foreign(f"mm:{symbol}:buy:{nonce}", "buy", 500)
    elsewhere = case.driver.place_own(f"mm:{symbol}X:buy:{nonce}", "buy", 600)
    bot = case.bot()
    found = case.until("a start", bot.startup, lambda seen: seen is not None, bot)
    assert found is not None, "it was waited for"
    require(not {stranger, elsewhere} & set(found.adopted), "neither is adopted", found)
    case.quoted(bot)
    require(stranger in case.driver.strangers(), "the stranger's is there", stranger)
    case.switch.touch()
    case.none_live(bot)
    require(stranger in case.driver.strangers(), "the stranger's is still there", stranger)


def clock_off_by_a_minute(case: Case) -> None:
    """With the machine's clock a minute ahead or behind it either quotes, and stops proven, or says
    that its clock is off and leaves nothing."""
    for seconds in (60, -60):
        bot = case.bot(MM_CANCEL_ON_SHUTDOWN="true", **case.with_clock_off(seconds))
        what = f"two quotes, or a word on a clock {seconds} s off"
        quotes = case.until(what, partial(_quotes_or_tells, case, bot), bool, bot)
        case.figures[f"{seconds:+d} s"] = quotes
        if bot.running:
            require(bot.stop() == 0, "the stop is proven", bot.log_tail())
        require(not case.mine(), "nothing is left", case.mine())


def _quotes_or_tells(case: Case, bot: BotProcess) -> str:
    if sorted(each.side for each in case.mine().values()) == ["buy", "sell"]:
        return "quotes"
    assert bot.log_path is not None, "it was started"
    text = bot.log_path.read_text(errors="replace").lower().replace("clock.stepped", "")
    return "says so" if "clock" in text else ""


def stop_proves_empty(case: Case) -> None:
    """A stop that shall cancel ends with 0 where nothing is live, and with 5 where that cannot be
    shown."""
    bot = case.bot(MM_CANCEL_ON_SHUTDOWN="true")
    case.quoted(bot)
    case.move_price(80)
    require(bot.stop() == 0, "the stop is proven", bot.log_tail())
    require(not case.mine(), "nothing is live", case.mine())
    bot = case.bot(MM_CANCEL_ON_SHUTDOWN="true")
    case.quoted(bot)
    case.driver.mute(True)
    try:
        code = bot.stop(grace_seconds=_UNPROVEN_STOP_SECONDS)
    finally:
        case.driver.mute(False)
    require(code == 5, "a stop that cannot be proven ends with 5", (code, bot.log_tail()))


CLAIMS: Final = tuple(
    Claim(number=number, run=run)
    for number, run in enumerate(
        (
            adopts_own,
            leaves_others_alone,
            lost_reply_never_doubles,
            refused_is_final,
            cancel_races_a_fill,
            partial_fills_once,
            restarts_at_any_point,
            gap_resyncs,
            rate_limit_spares_cancels,
            exposure_ends,
            kill_switch_in_time,
            unknown_found_by_our_id,
            foreign_order_with_our_prefix,
            clock_off_by_a_minute,
            stop_proves_empty,
        ),
        start=1,
    )
)

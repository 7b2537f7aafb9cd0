"""The loop over small fakes: order of acts, the kill switch at any moment, stopping."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from mm_bot.bot import WAKE_BURST, WAKE_FLOOR_MS, Bot
from mm_bot.core.commands import Outcome
from mm_bot.core.exact import Amount
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.policy import OperatorMode
from mm_bot.core.risk import HaltReason
from mm_bot.core.stopped import Stopped
from tests.core.builders import POLICY, SPOT, open_order
from tests.core.fake_edges import ACCEPTED, FAR_BID, UNKNOWN, Fake
from tests.sim.virtual_time import EPOCH_MS, run


async def _run_for(bot: Bot, duration_s: float) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(bot.run(stop))
    await asyncio.sleep(duration_s)
    stop.set()
    await running


def test_it_quotes_and_then_rests() -> None:
    """Both sides are placed in the first cycle, and the later ones send nothing."""

    async def main() -> Fake:
        fake = Fake()
        await _run_for(fake.bot(), 10)
        return fake

    fake = run(main())
    assert len(fake.said("place")) == 2
    assert not fake.said("cancel")
    assert fake.cycles >= 10
    assert len(fake.live()) == 2, "a stop leaves the quotes resting"


def test_events_after_quiet_start_cycles_at_once_and_a_storm_is_paced() -> None:
    """So many in a row wait for nothing, also right after a cycle; of a storm each 40 ms costs one
    cycle, and its last event is answered."""

    async def main() -> tuple[list[int], float, int]:
        fake = Fake()
        bot, stop, loop = fake.bot(), asyncio.Event(), asyncio.get_running_loop()
        running = asyncio.create_task(bot.run(stop))
        await asyncio.sleep(10.0005)
        answered = []
        for _ in range(WAKE_BURST):
            before = fake.cycles
            bot.wake()
            await asyncio.sleep(0.001)
            answered.append(fake.cycles - before)
        before, began = fake.cycles, loop.time()
        while loop.time() < began + 10:
            bot.wake()
            await asyncio.sleep(0.001)
        stormy, last = fake.cycles - before, fake.cycles
        await asyncio.sleep(WAKE_FLOOR_MS / 1000 + 0.001)
        stop.set()
        await running
        return answered, stormy / 10, fake.cycles - last

    answered, a_second, after = run(main())
    assert answered == [1] * WAKE_BURST
    assert 20 <= a_second <= 1000 / WAKE_FLOOR_MS + 1
    assert after >= 1


def test_it_runs_on_where_there_is_no_kill_switch() -> None:
    """A switch without a file ends its watch at once; the loop does not end with it."""

    async def main() -> Fake:
        fake = Fake(watched=False)
        await _run_for(fake.bot(), 5)
        return fake

    assert run(main()).cycles >= 5


def test_a_place_waits_for_its_cancel() -> None:
    """A replacement is posted only after its predecessor's cancel was acknowledged. It is signed
    meanwhile, and what was signed in vain counts for nothing."""

    async def main(outcome: Outcome) -> tuple[Fake, list[Side]]:
        fake = Fake(rows=[FAR_BID], cancel_outcome=outcome)
        bot = fake.bot()
        await bot.cycle()
        made = bot.memory.signatures.items()
        return fake, [each.side for order_id, each in made if order_id != FAR_BID.order_id]

    done, signed = run(main(ACCEPTED))
    assert done.said("sign buy")[0] == done.said("cancel")[0] < done.said("place buy")[0]
    assert set(signed) == {Side.BUY, Side.SELL}
    waiting, signed = run(main(UNKNOWN))
    assert waiting.said("cancel")
    assert not waiting.said("place buy")
    assert waiting.said("place sell")
    assert signed == [Side.SELL]


def test_what_fell_due_while_a_cycle_acted_is_not_left_to_the_poll() -> None:
    """A cancel that nobody answered is due again after 2 ms; the other side's post takes 60: the
    next cycle follows at once, and not a poll of a second later."""

    async def main() -> Fake:
        fake = Fake(rows=[FAR_BID], cancel_outcome=UNKNOWN, place_ms=60)
        await _run_for(fake.bot(), 0.2)
        return fake

    first, second, *_ = run(main()).said("cancel")
    assert 60 <= second - first < 80


def test_a_place_is_not_sent_where_its_predecessor_was_filled_meanwhile() -> None:
    """A fill between the read and the cancel uses up headroom that the replacement counted on: the
    next cycle, which sees the fill, decides its size anew."""

    async def main(left: Amount) -> Fake:
        fake = Fake(rows=[FAR_BID], cancel_outcome=replace(ACCEPTED, left=left))
        await fake.bot().cycle()
        return fake

    assert run(main(FAR_BID.notional)).said("place buy")
    filled = run(main(FAR_BID.notional - Amount.of(1)))
    assert filled.said("cancel")
    assert not filled.said("place buy")
    assert filled.said("place sell")


def test_without_a_durable_nonce_nothing_is_posted() -> None:
    """Where the disk refuses, the order is not sent, and the loop goes on."""

    async def main() -> Fake:
        fake = Fake(disk_full=True)
        await fake.bot().cycle()
        return fake

    fake = run(main())
    assert not fake.said("place")
    assert fake.said("event order.no_nonce")


def test_a_disk_that_refuses_halts_and_heals() -> None:
    """What rests is cancelled, nothing is placed, the loop goes on; it quotes again by itself."""

    async def main() -> Fake:
        fake = Fake()
        bot = fake.bot()
        stop = asyncio.Event()
        running = asyncio.create_task(bot.run(stop))
        await asyncio.sleep(3)
        fake.unsaved = "No space left on device"
        await asyncio.sleep(3)
        assert not fake.live()
        assert [h.reason for h in bot.memory.halts] == [HaltReason.STATE_UNSAVED]
        fake.unsaved = None
        await asyncio.sleep(3)
        stop.set()
        await running
        return fake

    assert len(run(main()).live()) == 2


def test_an_order_ends_with_its_market_at_the_latest() -> None:
    """Its life is cut where the market expires before it; in whole seconds, never later."""

    async def main() -> Fake:
        fake = Fake(market=replace(SPOT, expiry_ms=EPOCH_MS + 90_500))
        await fake.bot().cycle()
        return fake

    fake = run(main())
    assert [order.expiry_s for order in fake.posted] == [EPOCH_MS // 1000 + 90] * 2


def test_dry_run_sends_nothing() -> None:
    """Decisions are made, and neither a cancel nor a place leaves, not even for the switch."""

    async def main() -> Fake:
        fake = Fake(rows=[FAR_BID], kill=True)
        await _run_for(fake.bot(replace(POLICY, dry_run=True)), 3)
        return fake

    fake = run(main())
    assert fake.cycles >= 3
    assert not fake.said("place")
    assert not fake.said("cancel")


def test_the_kill_switch_does_not_wait_for_a_hanging_read() -> None:
    """While observe hangs for half a minute, everything known is cancelled within 250 ms."""

    async def main() -> tuple[Fake, int]:
        fake = Fake()
        bot = fake.bot()
        stop = asyncio.Event()
        running = asyncio.create_task(bot.run(stop))
        await asyncio.sleep(0.5)
        fake.observe_ms = 30_000
        await asyncio.sleep(1)
        fake.kill = True
        await asyncio.sleep(0.25)
        left = len(fake.live())
        stop.set()
        await running
        return fake, left

    fake, left = run(main())
    assert left == 0
    assert len(fake.said("cancel")) == 2


def test_the_kill_switch_cancels_what_this_very_cycle_placed() -> None:
    """An order that was accepted is cancelled though another post of its cycle still hangs, and
    the hanging one as soon as it is answered."""

    async def main() -> tuple[Fake, list[Side]]:
        fake = Fake(slow_side=Side.BUY)
        bot = fake.bot()
        stop = asyncio.Event()
        running = asyncio.create_task(bot.run(stop))
        await asyncio.sleep(1)
        fake.kill = True
        await asyncio.sleep(0.25)
        left = [r.side for r in fake.live()]
        await asyncio.sleep(6)
        stop.set()
        await running
        return fake, left

    fake, left = run(main())
    assert Side.SELL not in left
    assert not fake.live()
    assert len(fake.said("place")) == 2


def test_the_kill_switch_cancels_an_order_that_arrives_after_it() -> None:
    """A post that was under way when the file appeared, and rests only later, is cancelled as soon
    as it is answered, though another post of its cycle still hangs."""
    answered_ms = 1_100

    async def main() -> Fake:
        fake = Fake(arrives_late=True, place_ms=answered_ms, slow_side=Side.BUY)
        stop = asyncio.Event()
        running = asyncio.create_task(fake.bot().run(stop))
        await asyncio.sleep(0.5)
        fake.kill = True
        await asyncio.sleep(1)
        assert [r.side for r in fake.rows] == [Side.SELL]
        assert not fake.live()
        stop.set()
        await running
        return fake

    assert any(at >= answered_ms for at in run(main()).said("cancel"))


def test_an_order_is_not_posted_once_the_kill_switch_is_there() -> None:
    """The file appears after the decision and before the post: each post looks for itself."""

    class Killed(Fake):
        async def take(self, side: Side) -> int:
            self.kill = True
            return await super().take(side)

    async def main() -> Fake:
        fake = Killed()
        await fake.bot().cycle()
        return fake

    assert not run(main()).said("place")


def test_a_process_that_stood_still_posts_nothing_once_the_lock_is_anothers() -> None:
    """Paused between its read and its posts, it asks for the lock when it wakes, and sends none of
    the orders it had decided; the next cycle goes on by what it reads."""

    async def main(held: bool) -> Fake:
        fake = Fake(paused_s=5, lock_held=held)
        await fake.bot().cycle()
        return fake

    lost = run(main(held=False))
    assert lost.said("lock asked")
    assert not lost.said("place")
    assert lost.said("event order.lock_not_held")
    kept = run(main(held=True))
    assert len(kept.said("lock asked")) == 1, "one answer serves all posts of a cycle"
    assert len(kept.said("place")) == 2


def test_the_lock_is_not_asked_for_in_a_cycle_without_a_pause() -> None:
    """The cycle's own read is proof enough for what follows at once."""

    async def main() -> Fake:
        fake = Fake()
        await fake.bot().cycle()
        return fake

    fake = run(main())
    assert len(fake.said("place")) == 2
    assert not fake.said("lock asked")


def test_an_order_is_too_late_once_its_proof_is_old() -> None:
    """A pause while the connection was made: the exchange's edge is told to send nothing, and the
    order is tried again as a refused one is."""

    async def main() -> Fake:
        fake = Fake(connect_ms=1_200)
        bot = fake.bot()
        await bot.cycle()
        assert not fake.rows
        fake.connect_ms = 0
        await _run_for(bot, 3)
        return fake

    assert len(run(main()).live()) == 2


def test_a_step_of_the_clock_is_told_and_stops_nothing() -> None:
    """Set back or forward, by a cycle or an hour: each move of the price is still followed by a
    replace of both sides, and nothing halts."""

    async def main(step_ms: int) -> Fake:
        fake = Fake()
        bot = fake.bot()
        stop = asyncio.Event()
        running = asyncio.create_task(bot.run(stop))
        await asyncio.sleep(20)
        fake.clock.step(step_ms)
        await asyncio.sleep(2)
        assert not bot.memory.halts
        before = len(fake.said("place"))
        fake.anchor_price = "1650"
        await asyncio.sleep(15)
        assert len(fake.said("place")) - before == 2
        assert {str(r.price) for r in fake.live()} == {"1645.87", "1654.13"}
        assert not bot.memory.halts
        stop.set()
        await running
        return fake

    for step_ms in (-1_000, -3_600_000, 1_000, 3_600_000):
        assert run(main(step_ms)).said("event clock.stepped")


def test_the_kill_switch_lets_go_of_an_order_whose_nonce_is_anothers() -> None:
    """A cancel goes by nonce. Once the post is answered 409 it could hit another order of our
    owner, a protected one perhaps: it is not tried again."""
    answered_ms = 1_100

    async def main() -> Fake:
        conflict = replace(UNKNOWN, conflict=True)
        fake = Fake(place_ms=answered_ms, place_outcome=conflict, cancel_outcome=UNKNOWN)
        stop = asyncio.Event()
        running = asyncio.create_task(fake.bot().run(stop))
        await asyncio.sleep(1)
        fake.kill = True
        await asyncio.sleep(3)
        stop.set()
        await running
        return fake

    cancelled_ms = run(main()).said("cancel")
    assert cancelled_ms
    assert max(cancelled_ms) <= answered_ms + 1


def test_the_kill_switch_cancels_from_the_state_file_at_start() -> None:
    """On from the start: what memory was given is cancelled before any read, nothing is placed."""

    async def main() -> Fake:
        fake = Fake(rows=[FAR_BID], kill=True, observe_ms=30_000)
        known = open_order(Side.BUY, "1500")
        await _run_for(fake.bot(memory=Memory(started_ms=0, open_orders=(known,))), 1)
        return fake

    fake = run(main())
    assert fake.said("cancel")[0] < 250
    assert not fake.said("place")


def test_quoting_resumes_when_the_file_is_gone() -> None:
    """Removing the file is enough: the next cycle quotes."""

    async def main() -> Fake:
        fake = Fake(kill=True)
        bot = fake.bot()
        stop = asyncio.Event()
        running = asyncio.create_task(bot.run(stop))
        await asyncio.sleep(3)
        assert not fake.said("place")
        fake.kill = False
        await asyncio.sleep(0.2)
        stop.set()
        await running
        return fake

    assert len(run(main()).live()) == 2


def test_a_stop_abandons_a_hanging_cycle_within_five_seconds() -> None:
    """SIGTERM during a read that never ends: the loop is left after five seconds."""

    async def main() -> float:
        fake = Fake(observe_ms=10**9)
        stop = asyncio.Event()
        running = asyncio.create_task(fake.bot().run(stop))
        await asyncio.sleep(1)
        stop.set()
        await running
        return asyncio.get_running_loop().time()

    assert 1 <= run(main()) <= 6.1


def test_cancel_all_verifies() -> None:
    """True only where a read shows none of our orders live; False where that could not be shown
    in time."""

    async def main(outcome: Outcome) -> tuple[Stopped, int, float]:
        fake = Fake(rows=[FAR_BID], cancel_outcome=outcome)
        bot = fake.bot()
        seen = await bot.cancel_all(within_ms=2_000)
        assert bot.policy.mode is OperatorMode.PAUSE
        assert seen is not None
        return seen, len(fake.live()), asyncio.get_running_loop().time()

    seen, live, _ = run(main(ACCEPTED))
    assert (seen.proven, seen.may_be_live, live) == (True, (), 0)
    assert seen.executable_until_ms == FAR_BID.expiry_ms
    assert seen.block_number == 1
    seen, live, took_s = run(main(UNKNOWN))
    assert (seen.proven, seen.may_be_live, live) == (False, (FAR_BID.order_id,), 1)
    assert seen.rows_seen == 1
    assert took_s < 3

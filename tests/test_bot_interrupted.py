"""The loop, interrupted: the kill switch, a pause of the process, steps of the clock, a stop."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from mm_bot.core.commands import Outcome
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.policy import OperatorMode
from mm_bot.core.stopped import Stopped
from tests.core.builders import open_order
from tests.core.fake_edges import ACCEPTED, FAR_BID, UNKNOWN, Fake, run_for
from tests.sim.virtual_time import run


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
        await run_for(bot, 3)
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
        await run_for(fake.bot(memory=Memory(started_ms=0, open_orders=(known,))), 1)
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

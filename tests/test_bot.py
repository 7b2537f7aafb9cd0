"""The loop over small fakes: in which order it acts, and what wakes it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from mm_bot.bot import WAKE_BURST, WAKE_FLOOR_MS
from mm_bot.core.commands import Outcome
from mm_bot.core.exact import Amount
from mm_bot.core.instrument import Side
from mm_bot.core.risk import HaltReason
from tests.core.builders import POLICY, SPOT
from tests.core.fake_edges import ACCEPTED, FAR_BID, UNKNOWN, Fake, run_for
from tests.sim.virtual_time import EPOCH_MS, run


def test_it_quotes_and_then_rests() -> None:
    """Both sides are placed in the first cycle, and the later ones send nothing."""

    async def main() -> Fake:
        fake = Fake()
        await run_for(fake.bot(), 10)
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
        await run_for(fake.bot(), 5)
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
        await run_for(fake.bot(), 0.2)
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
        await run_for(fake.bot(replace(POLICY, dry_run=True)), 3)
        return fake

    fake = run(main())
    assert fake.cycles >= 3
    assert not fake.said("place")
    assert not fake.said("cancel")

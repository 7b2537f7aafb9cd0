"""What was decided can be decided again from the journal, whatever became of the process."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from mm_bot.core.commands import Verdict
from mm_bot.core.exact import Price
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.plan import Plan
from mm_bot.core.policy import OperatorMode, Policy
from mm_bot.core.remember import Report, remember
from mm_bot.core.snapshot import Snapshot
from mm_bot.errors import JournalError, SettingsError
from mm_bot.journal.codec import from_plain, to_plain
from mm_bot.journal.life import life
from mm_bot.journal.reader import cycles
from mm_bot.journal.replay import replay
from mm_bot.journal.writer import Journaled, JournalWriter
from mm_bot.venues.fill_numbers import fill_number
from tests.core.builders import (
    NOW_MS,
    POLICY,
    SPOT,
    fill,
    open_order,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.core.decisions import ACCEPTED, EMPTY, decided, sent

TIMINGS = {"total": 1.5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of three cycles: two quotes placed, then the mode changed, then the first again."""
    writer = JournalWriter(tmp_path, SPOT, "1.0")
    first = decided()
    report = sent(first, ACCEPTED)
    memory = remember(EMPTY, first, report, dry_run=False)
    writer.cycle(first, report, TIMINGS)
    second = decided(memory=memory, policy=replace(POLICY, mode=OperatorMode.PAUSE))
    writer.cycle(second, Report(), TIMINGS)
    writer.cycle(first, report, TIMINGS)
    writer.close()
    assert writer.dropped == 0
    return tmp_path


def test_values_survive_their_text_exactly() -> None:
    """What is read back equals what was written, but for the bytes that were sent."""
    decision = decided()
    report = sent(decision, ACCEPTED)
    memory = remember(EMPTY, decision, report, dry_run=False)
    assert from_plain(to_plain(decision.snapshot, Snapshot), Snapshot) == decision.snapshot
    assert from_plain(to_plain(POLICY, Policy), Policy) == POLICY
    assert from_plain(to_plain(decision.plan, Plan), Plan) == decision.plan
    again = from_plain(to_plain(memory, Memory), Memory)
    assert to_plain(again, Memory) == to_plain(memory, Memory)
    told = from_plain(to_plain(report, Report), Report)
    assert to_plain(told, Report) == to_plain(report, Report)
    assert [p.outcome.verdict for p in told.places] == [Verdict.ACCEPTED, Verdict.ACCEPTED]


def test_every_decision_is_the_same_again(folder: Path) -> None:
    """Cycles of two policies in one file replay without a difference."""
    assert list(replay(folder)) == [None, None, None]
    first, second, _ = cycles(folder)
    modes = [first.context.policy.mode, second.context.policy.mode]
    assert modes == [OperatorMode.NORMAL, OperatorMode.PAUSE]


def test_a_cycle_that_keeps_an_order_is_the_same_again(tmp_path: Path) -> None:
    """A plan with pairs inside of pairs: one quote stays, the other is placed."""
    known = running(open_order(Side.BUY, "1596"))
    decision = decided(snapshot(own_orders(row(Side.BUY, "1596"))), known)
    assert (len(decision.plan.kept), len(decision.plan.places)) == (1, 1)
    writer = JournalWriter(tmp_path, SPOT, "1.0")
    writer.cycle(decision, Report(), TIMINGS)
    writer.close()
    assert list(replay(tmp_path)) == [None]


def test_what_a_strategy_kept_is_read_again_or_told(tmp_path: Path) -> None:
    """The states of all features after a fill replay; what a step kept that this version does not
    have is told with the version that wrote it."""
    names = ("MARKOUTS", "PNL_ATTRIBUTION", "HANGING_ORDERS")
    numbers = {"VOLATILITY_SPREAD_MULT": "1", "SHOCK_BPS": "200", "MAX_DAILY_LOSS": "1000"}
    numbers |= {"HARD_LONG_INVENTORY": "200000", **dict.fromkeys(names, "true")}
    on = replace(POLICY, options={f"MM_{name}": value for name, value in numbers.items()})
    fills = (replace(fill(7, Side.BUY, "1596", "1"), at_ms=NOW_MS),)
    first = decided(snapshot(own_orders(fills=fills, newest_trade_id=7)), running(), on)
    memory = remember(running(), first, Report(), dry_run=False)
    kept = memory.strategy.value
    assert kept is not None
    assert len(kept) == 7
    gone = replace(memory, strategy=replace(memory.strategy, value={**kept, "gone": kept["shock"]}))
    for name, before in (("same", memory), ("other", gone)):
        writer = JournalWriter(tmp_path / name, SPOT, "1.0")
        writer.cycle(decided(memory=before, policy=on), Report(), TIMINGS)
        writer.close()
    assert list(replay(tmp_path / "same")) == [None]
    with pytest.raises(JournalError, match=r"step gone kept .* version 1\.0 wrote it"):
        list(replay(tmp_path / "other"))


def test_numbers_of_any_length_survive(tmp_path: Path) -> None:
    """Fills with the 106 bits that some exchanges' ids are told by: written, read back exactly, and
    decided again alike; beside them a text that looks like such a number."""
    wide = fill_number("0f6c", NOW_MS)
    assert wide.bit_length() > 64
    fills = (replace(fill(wide, Side.BUY, "1596", "1"), order_id=f"[{wide}"),)
    decision = decided(snapshot(own_orders(fills=fills, newest_trade_id=wide)))
    writer = JournalWriter(tmp_path, SPOT, "1.0")
    writer.cycle(decision, Report(), TIMINGS)
    writer.close()
    assert (writer.dropped, writer.problem) == (0, "")
    (cycle,) = cycles(tmp_path)
    assert cycle.snapshot == decision.snapshot
    assert list(replay(tmp_path)) == [None]


def test_a_cycle_without_a_text_leaves_the_others_theirs(tmp_path: Path) -> None:
    """It is dropped, counted and told; the writer goes on."""
    writer = JournalWriter(tmp_path, SPOT, "1.0")
    broken = replace(decided(), memory=cast(Memory, object()))
    for decision in (decided(), broken, decided()):
        writer.cycle(decision, Report(), TIMINGS)
    writer.close()
    assert writer.dropped == 1
    assert writer.problem.startswith("a cycle has no text: ")
    assert list(replay(tmp_path)) == [None, None]


def test_a_difference_names_its_field(tmp_path: Path) -> None:
    """A plan that does not follow from what it says it was made from is found, with both values."""
    decision = decided()
    place, *rest = decision.plan.places
    level = replace(place.level, price=Price.of(1))
    forged = replace(decision.plan, places=(replace(place, level=level), *rest))
    writer = JournalWriter(tmp_path, SPOT, "1.0")
    writer.cycle(replace(decision, plan=forged), Report(), TIMINGS)
    writer.close()
    (found,) = replay(tmp_path)
    assert found is not None
    assert found.field == "plan.places[0].level.price"
    assert (found.written, found.again) == ("1", str(place.level.price.value))


def test_a_torn_file_gives_what_is_whole(folder: Path) -> None:
    """However much of its end is missing, the records before it are read, and it is told."""
    (file,) = folder.glob("*.zst")
    whole = file.read_bytes()
    counts = []
    for kept in (0, *range(10, len(whole), 37), len(whole)):
        file.write_bytes(whole[:kept])
        endless: list[Path] = []
        counts.append(len(list(cycles(folder, endless.append))))
        assert endless == ([] if kept == len(whole) else [file])
    assert counts[-1] == 3
    assert counts[0] == 0


def test_a_changed_byte_is_never_read_as_something_else(folder: Path) -> None:
    """Wherever one bit of a file is turned: it is told as damaged, or as a file without its end
    whose records are the first ones of the real; never as whole."""
    (file,) = folder.glob("*.zst")
    whole, real = file.read_bytes(), [cycle.snapshot for cycle in cycles(folder)]
    damaged, unended = [], 0
    for place in (*range(0, len(whole), 61), *range(len(whole) - 12, len(whole))):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        endless: list[Path] = []
        read = []
        try:
            read = [cycle.snapshot for cycle in cycles(folder, endless.append)]
        except JournalError as error:
            damaged.append(str(error))
        else:
            assert endless == [file], place
            assert read == real[: len(read)]
            unended += 1
    assert len(damaged) > unended
    assert all(file.name in says for says in damaged)


def test_two_files_in_one_are_read_as_both(folder: Path) -> None:
    """What `cat` makes of them."""
    (file,) = folder.glob("*.zst")
    file.write_bytes(2 * file.read_bytes())
    endless: list[Path] = []
    assert len(list(cycles(folder, endless.append))) == 6
    assert not endless


def test_what_is_no_journal_is_a_fault_with_its_name(tmp_path: Path) -> None:
    """Rubbish, an empty folder and no file each say so, the rubbish as a journal's fault."""
    with pytest.raises(SettingsError, match="no journal file"):
        list(cycles(tmp_path))
    with pytest.raises(SettingsError, match="no such file"):
        list(cycles(tmp_path / "absent"))
    (tmp_path / "x.jsonl.zst").write_bytes(b"rubbish, certainly")
    with pytest.raises(JournalError, match=r"x\.jsonl\.zst is damaged, or no journal"):
        list(cycles(tmp_path))


class Heard:
    """What the loop's telemetry is told beside the cycles."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def cycle(self, *_: object) -> None:
        pass

    def event(self, name: str, /, **fields: object) -> None:
        self.names.append(name)
        assert fields["dropped"]
        assert "Not a directory" in str(fields["problem"])


def test_a_disk_that_refuses_drops_counts_and_tells_until_it_takes_again(tmp_path: Path) -> None:
    """Where the folder cannot be made, cycles are dropped and counted, and nothing is raised; it is
    told once, and once more when they are kept again."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    heard = Heard()
    writer = JournalWriter(blocked / "journal", SPOT, "1.0", try_again_s=0)
    journaled = Journaled(heard, writer)

    def until(dropping: bool) -> None:
        give_up_at = time.monotonic() + 10
        while writer.dropping is not dropping and time.monotonic() < give_up_at:
            journaled.cycle(decided(), Report(), EMPTY, TIMINGS)
            time.sleep(0.01)
        for _ in range(3):
            journaled.cycle(decided(), Report(), EMPTY, TIMINGS)

    until(dropping=True)
    assert heard.names == ["journal.dropping"]
    blocked.unlink()
    until(dropping=False)
    writer.close()
    assert heard.names == ["journal.dropping", "journal.goes_on"]
    assert list(replay(blocked / "journal"))


def test_a_refused_file_is_not_tried_again_at_once(tmp_path: Path) -> None:
    """A full disk gets no new file for every cycle."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    writer = JournalWriter(blocked / "journal", SPOT, "1.0", try_again_s=3600)
    writer.cycle(decided(), Report(), TIMINGS)
    give_up_at = time.monotonic() + 10
    while not writer.dropped and time.monotonic() < give_up_at:
        time.sleep(0.01)
    blocked.unlink()
    writer.cycle(decided(), Report(), TIMINGS)
    writer.close()
    assert writer.dropped == 2
    assert not (blocked / "journal").exists()


def test_the_life_of_an_order_is_told(folder: Path) -> None:
    """Placed with its level and outcome, once a sending, and when it was no longer live."""
    first, *_ = cycles(folder)
    order = first.report.places[0].signed.order
    told = list(life(order.order_id, cycles(folder)))
    assert [event.what for event in told] == ["placed", "ended", "placed"]
    assert f"{order.size} at {order.price}, level 0: accepted" in told[0].says

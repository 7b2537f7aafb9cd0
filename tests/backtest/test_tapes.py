"""Tapes as files: one an hour or a day, that together are the tape they were cut from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mm_bot.backtest.arrays import AT_EXCHANGE, AT_US, BUY, DEPTH, SELL, TRADE, events, np
from mm_bot.backtest.engine import Engine, Exchange
from mm_bot.backtest.generate import Generated, generate
from mm_bot.backtest.pieces import cut, load_all, save
from mm_bot.backtest.recording import in_both_orders
from mm_bot.backtest.tape import NS_A_SECOND, Tape
from mm_bot.core.instrument import Side
from mm_bot.errors import SettingsError
from tests.backtest.tapes import MARKET

HOURS = generate(Generated(seconds=3 * 3_600, step_ms=10_000, seed=7), MARKET)


def _overtaking() -> Tape:
    """Levels that move every 7 s, each seen 1 to 9 s later: rows that stand twice."""
    rows: list[tuple[int, int, int, float, float]] = []
    for i in range(400):
        at, late = 1_000 + i * 7, 1 + i * 5 % 9
        kind = (BUY if i % 2 else SELL) | (TRADE if i % 5 == 0 else DEPTH)
        price = 100 - i % 3 if i % 2 else 110 + i % 3
        rows.append((kind, at * NS_A_SECOND, (at + late) * NS_A_SECOND, price, float(i % 4)))
    return Tape(market=MARKET, events=in_both_orders(events(rows)), about="overtaking")


@pytest.mark.parametrize("tape", [HOURS, _overtaking()], ids=["generated", "overtaking"])
def test_pieces_read_as_one_are_the_tape_to_the_byte(tape: Tape, tmp_path: Path) -> None:
    """By hours: what is read from the folder has the hash of the whole."""
    files = save(tape, tmp_path / "x.npz", "hour")
    assert len(files) >= 2 - (tape.seconds < 3_600)
    again = load_all([tmp_path])
    assert again.sha256() == tape.sha256()
    assert len(list(cut(tape, 60))) > 3
    for number, piece in enumerate(cut(tape, 60)):
        piece.save(tmp_path / f"minute-{number:05}.npz")
    minutes = sorted(tmp_path.glob("minute-*.npz"))
    assert load_all(minutes).sha256() == tape.sha256()


def test_a_piece_alone_begins_with_the_book_of_its_moment() -> None:
    """At the first moment of each piece the engine has the levels that it has there on the whole
    tape."""
    tape = _overtaking()
    for piece in list(cut(tape, 300))[1:]:
        begins_ns = int(piece.events["local_ts"][piece.opening :].min())
        both = []
        for one in (tape, piece):
            engine = Engine(one, Exchange())
            engine.step(begins_ns + 20 * NS_A_SECOND - engine.now_ns, watch=False)
            both.append([engine.levels(side, 9, 50) for side in Side])
            engine.close()
        assert both[0] == both[1]
        flags = piece.events["ev"][: piece.opening]
        assert ((flags & np.uint64(AT_EXCHANGE)) != 0).all()
        assert ((flags & np.uint64(AT_US)) != 0).all()


def test_files_with_a_hole_or_of_two_markets_are_refused(tmp_path: Path) -> None:
    """An hour that is missing, twice there, or of another tape is named; so is another market."""
    one, two, three = save(HOURS, tmp_path / "x.npz", "hour")[:3]
    with pytest.raises(SettingsError, match=r"x-20260101T02.npz does not follow .*T00.npz"):
        load_all([one, three])
    other = generate(Generated(seconds=3 * 3_600, step_ms=10_000, seed=8), MARKET)
    foreign = save(other, tmp_path / "y.npz", "hour")[1]
    with pytest.raises(SettingsError, match="cut from another tape"):
        load_all([one, foreign])
    with pytest.raises(SettingsError, match="overlap"):
        load_all([one, two, two])
    elsewhere = replace(HOURS, market=replace(MARKET, symbol="ELSE"))
    with pytest.raises(SettingsError, match="two markets"):
        load_all([one, save(elsewhere, tmp_path / "z.npz", "hour")[1]])
    manifest = json.loads(two.with_suffix(".json").read_text())
    assert manifest["sha256"] == json.loads(three.with_suffix(".json").read_text())["follows"]
    with pytest.raises(SettingsError, match="no tape"):
        load_all([tmp_path / "nowhere"])

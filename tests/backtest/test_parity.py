"""A journal as a market, and how far the backtest of it is from what happened."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mm_bot.backtest.__main__ import main
from mm_bot.backtest.engine import Exchange
from mm_bot.backtest.fit import OFFSETS_MS, fit, intensity
from mm_bot.backtest.journal_tape import Journal, read
from mm_bot.backtest.order_replay import order_replay
from mm_bot.backtest.parity import compared, exposition, parity, real_hits
from mm_bot.backtest.progress import Told
from mm_bot.backtest.run import run
from mm_bot.backtest.tape import Tape
from mm_bot.core.instrument import Side
from mm_bot.journal.writer import Journaled, JournalWriter
from tests.backtest.tapes import BOUGHT, BY_HAND, CALM, SOLD, tape

PRINTS = (
    (5, SOLD, 990, 2),
    (9, BOUGHT, 1_010, 5),
    (14, SOLD, 989, 9),
    (21, BOUGHT, 1_011, 9),
    (30, SOLD, 990, 1),
)
MARKET = tape(*CALM[:2], *PRINTS, CALM[2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of a run on that market: what it did is what really happened."""
    folder = tmp_path_factory.mktemp("journal")
    writer = JournalWriter(folder, MARKET.market.instrument(), "1.0")
    done = run(BY_HAND, MARKET, telemetry=lambda recorder: Journaled(recorder, writer))
    writer.close()
    assert writer.dropped == 0
    assert len(done.ledger.fills) == len(PRINTS)
    return folder


@pytest.fixture(scope="module")
def journal(folder: Path) -> Journal:
    found = read(folder)
    assert len(found.fills) == len(PRINTS)
    return found


def test_its_orders_sent_again_fill_as_they_did(journal: Journal) -> None:
    """Order replay with the journal's own latencies: parity 1, each order the same lots."""
    found = parity(journal, Exchange(queue="risk-averse"))
    assert found["order_replay"]["parity"] == 1
    assert found["order_replay"]["bias"] == 0
    assert found["differing_orders"] == []
    assert found["says"].startswith("latency from ")
    assert 0 <= found["closed_loop"]["parity"] <= 1
    assert 'mm_bot_backtest_parity{kind="order_replay",market="HAND"} 1.0\n' in exposition(found)


def test_the_command_writes_a_page_by_distance_and_day(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two days each has its number; what filled there and here is shown for orders by their
    distance; the last day is what Prometheus is told."""
    out, metric = tmp_path / "out", tmp_path / "parity.prom"
    line = ["parity", str(folder), str(folder), "--out", str(out), "--textfile", str(metric)]
    assert main([*line, "--json"]) == 0
    days = json.loads(capsys.readouterr().out)
    assert [day["day"] for day in days] == ["2026-01-01"] * 2
    for bucket in days[0]["by_distance"]:
        assert bucket["real_share"] == bucket["here_share"]
    assert sum(bucket["orders"] for bucket in days[0]["by_distance"]) == days[0]["orders"]
    assert any(bucket["real_share"] > 0 for bucket in days[0]["by_distance"])
    assert 'kind="order_replay",market="HAND"} 1.0' in metric.read_text()
    assert "Predicted against real fills" in (out / "parity.html").read_text()


def test_a_run_can_have_the_latencies_of_a_journal(
    folder: Path, journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `[exchange] journal` orders take as long as they did there, and the first line of the
    result says of how many that is known."""
    experiment = tmp_path / "x.toml"
    experiment.write_text(
        f'[tape.generate]\nseconds = 20\na = "1"\n[exchange]\njournal = "{folder}"\n'
        '[market]\nsymbol = "M"\nbase = "B"\nquote = "Q"\ntick = "0.001"\nlot = "1"\n'
        '[strategy]\nMM_ORDER_SIZE = "1"\n'
    )
    assert main(["run", str(experiment)]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert len(journal.latencies) > 2
    assert f"latency from {len(journal.latencies)} journalled orders" in first
    experiment.write_text(experiment.read_text().replace(str(folder), str(tmp_path / "none")))
    assert main(["run", str(experiment)]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_what_is_ended_early_compares_what_filled_until_then(journal: Journal) -> None:
    """Told to end soon, both compare fewer fills, and say so."""
    whole = parity(journal, Exchange(queue="risk-averse"))
    assert whole["whole"]

    @contextmanager
    def impatient(words: str) -> Iterator[Told]:
        yield lambda done: done < 0.15

    found = parity(journal, Exchange(queue="risk-averse"), watch=impatient)
    assert not found["whole"]
    for kind in ("order_replay", "closed_loop"):
        assert found[kind]["real_fills"] < whole[kind]["real_fills"]
    half = order_replay(journal, Exchange(), lambda done: False)
    assert half.hits == ()


def test_own_size_is_not_in_its_book(journal: Journal) -> None:
    """Only strangers' levels are depth: ours, left in, would queue before themselves."""
    events = journal.tape.events
    prices = {float(px) for px in events["px"][(events["ev"] & 0xFF) == 1]}
    assert {900.0, 1_100.0} <= prices
    assert not prices & {990.0, 1_010.0}


def test_a_market_without_its_takers_has_no_parity(journal: Journal) -> None:
    """The number falls to 0 where nothing fills, and names every order that differs."""
    quiet = journal.tape.events[(journal.tape.events["ev"] & 0xFF) != 2]
    silent = Tape(market=journal.tape.market, events=quiet, about="no trades")
    dead = Journal(
        **{name: getattr(journal, name) for name in Journal.__dataclass_fields__} | {"tape": silent}
    )
    found = parity(dead, Exchange(queue="risk-averse"))
    assert found["order_replay"]["parity"] == 0
    assert {each["why"] for each in found["differing_orders"]} == {"filled there, not here"}
    real = real_hits(journal)
    assert compared((), (), lambda hit: hit.order_id, journal.path)["parity"] == 1
    half = compared(real, real[:2], lambda hit: hit.order_id, journal.path)
    assert 0 < half["parity"] < 1
    assert half["bias"] < 0


def test_slower_orders_miss_fills(journal: Journal) -> None:
    """With a second on the way an order that was hit 0.3 s after it was sent is not there yet."""
    late = order_replay(journal, Exchange(queue="risk-averse", entry_ms=30_000, response_ms=1))
    assert sum(hit.lots for hit in late.hits if hit.side is Side.BUY) < 8


def test_what_a_journals_latency_is_wrong_by_can_be_taken_off(journal: Journal) -> None:
    """Where every answer stands 20 s too late in it fills are missed; with that as the offset they
    are those of the journal again. The fit tries offsets with the queue that is best."""
    late = 20 * 10**9
    rows = tuple((sent, sent + late, sent + late) for sent, _, _ in journal.latencies)
    slow = Exchange(queue="risk-averse", latencies=rows)
    real = sum(hit.lots for hit in real_hits(journal))
    there, back = (
        sum(hit.lots for hit in order_replay(journal, exchange).hits)
        for exchange in (slow, replace(slow, offset_ms=-20_000))
    )
    assert there < real == back
    tried = {each["offset_ms"] for each in fit([journal])["scores"]}
    assert tried == {0, *OFFSETS_MS}


def test_the_intensity_that_made_the_fills_is_found() -> None:
    """Fills of 2 exp(-30 d) a second give back 2 and 30; too few tell nothing."""
    seen = [(d / 100, 1e5, round(1e5 * 2 * math.exp(-30 * d / 100))) for d in range(1, 12)]
    found = intensity(seen)
    assert found is not None
    assert found["a"] == pytest.approx(2, rel=1e-3)
    assert found["k"] == pytest.approx(30, rel=1e-3)
    assert intensity([(away, 1.0, 1) for away, _, _ in seen]) is None


def test_the_queue_that_agrees_is_chosen(journal: Journal) -> None:
    """On one day it is judged on what chose it, and says so; on two on the last alone."""
    alone = fit([journal])
    assert alone["judged_on_what_chose"]
    assert alone["offset_ms"] == 0
    assert alone["judged_on_the_last"] == alone["chosen_on"] == 1
    assert not fit([journal, journal])["judged_on_what_chose"]

"""`mm-backtest` as a stranger uses it: files in, a result and a page out, faults told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mm_bot.backtest.__main__ import main
from tests.backtest.tapes import BY_HAND, CALM, SOLD, tape

MINIMAL = """
[tape.generate]
seconds = 30
a = "1"
[market]
symbol = "MADE"
base = "B"
quote = "Q"
tick = "0.001"
lot = "1"
[strategy]
MM_ORDER_SIZE = "1"
MM_HALF_SPREAD_BPS = "3"
MM_POLL_INTERVAL_MS = "1000"
"""


def test_a_run_writes_its_result_and_a_page_that_fetches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page begins with the sentence of the result and is made again byte for byte."""
    experiment, out = tmp_path / "one.toml", tmp_path / "out"
    experiment.write_text(MINIMAL)
    assert main(["run", str(experiment), "--out", str(out)]) == 0
    made = json.loads((out / "result.json").read_text())
    told = capsys.readouterr()
    assert made["says"] in told.out
    assert str(out / "report.html") in told.err
    page = (out / "report.html").read_text()
    assert f"<h1>{made['says']}</h1>" in page
    ours = page[page.index("</script></head>") :] + page[: page.index("<script>")]
    assert not [word for word in ("src=", "href=", "url(", "@import") if word in ours]
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").read_text() == page


@pytest.mark.parametrize(
    ("line", "wrong", "told"),
    [
        ('MM_HALF_SPREAD_BPS = "3"', 'MM_HALF_SPREAD_BPZ = "3"', "MM_HALF_SPREAD_BPZ"),
        ('MM_HALF_SPREAD_BPS = "3"', "HALF_SPREAD_BPS = 3", "variables begin with MM_"),
        ("seconds = 30", "secs = 30", "[tape.generate] has no secs"),
        ("seconds = 30", 'seconds = "30"', "write a whole number"),
        ("seconds = 30", "seconds = 0", "[tape.generate] seconds 0: 1 or more"),
        ("seconds = 30", "seconds = 30\nstep_ms = 400", "takers come within a step"),
        ('a = "1"', "a = 1.5", "write an exact number as text"),
        ('a = "1"', 'a = "x"', "[tape.generate] a: "),
        ('a = "1"', 'price = "1"\nsigma = "5"', "the price goes down to"),
        ('tick = "0.001"', 'tick = "0"', "tick 0: above 0"),
        ("[strategy]", "[strategies]", "no table [strategies]"),
        ("[strategy]", '[exchange]\nentry_ms = "1"\n[strategy]', "write a number"),
        ("[strategy]", "[exchange]\nqueue_power = 0\n[strategy]", "queue_power 0: above 0"),
        ("[strategy]", "[account]\nbook_levels = 0\n[strategy]", "book_levels 0: 1 to 10000"),
        ("[tape.generate]", "weather = 3\n[tape.generate]", "[weather] is 3: give a table"),
        ("[tape.generate]", "[tape]\nfiles = 3\n[tape.generate]", "[tape] files is 3: give"),
    ],
)
def test_a_fault_in_an_experiment_is_named(
    line: str, wrong: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong name, kind or value of anything in the file: its place and the remedy, and 2."""
    experiment = tmp_path / "one.toml"
    experiment.write_text(MINIMAL.replace(line, wrong))
    assert main(["run", str(experiment)]) == 2
    assert told in capsys.readouterr().err


def test_a_tape_that_fits_no_market_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text for an npz; and a tape whose prices are not on the tick that is given for it, which the
    engine would round without a word."""
    experiment = tmp_path / "one.toml"
    market = MINIMAL[MINIMAL.index("[market]") :]
    experiment.write_text('[tape]\nfile = "x.npz"\n' + market)
    (tmp_path / "x.npz").write_text("hello")
    assert main(["run", str(experiment)]) == 2
    assert "x.npz is no tape: " in capsys.readouterr().err
    tape(*CALM).save(tmp_path / "x.npz")
    (tmp_path / "x.json").unlink()
    experiment.write_text('[tape]\nfile = "x.npz"\n' + market.replace("0.001", "0.7"))
    assert main(["run", str(experiment)]) == 2
    assert "is no multiple of the tick 0.7: give this market's own" in capsys.readouterr().err


def test_a_place_where_nothing_can_be_written_is_named_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder below a file, for each command that writes one."""
    (tmp_path / "file").touch()
    experiment = tmp_path / "one.toml"
    experiment.write_text(MINIMAL)
    below = str(tmp_path / "file" / "x.npz")
    for line in (["run", "--out"], ["run", "--returns-csv"], ["tape"]):
        assert main([line[0], str(experiment), *line[1:], below]) == 2
        told = capsys.readouterr()
        assert "file" in told.err
        assert not told.out


def test_a_tape_that_is_not_its_manifests_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changed after it was written, a tape is told by its hash."""
    made = tape(*CALM[:2], (5, SOLD, 980, 9), CALM[2])
    made.save(tmp_path / "hand.npz")
    experiment = tmp_path / "one.toml"
    strategy = "".join(f'{name} = "{value}"\n' for name, value in BY_HAND.strategy.items())
    experiment.write_text(f'[tape]\nfile = "hand.npz"\n[strategy]\n{strategy}')
    assert main(["run", str(experiment), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fills"]["count"] == 1
    manifest = (tmp_path / "hand.json").read_text()
    made.until(made.begins_ns + 10**10).save(tmp_path / "hand.npz")
    (tmp_path / "hand.json").write_text(manifest)
    assert main(["run", str(experiment)]) == 2
    assert "its SHA-256 differs" in capsys.readouterr().err

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
    ("line", "told"),
    [
        ('MM_HALF_SPREAD_BPS = "3"', "MM_HALF_SPREAD_BPZ"),
        ("seconds = 30", "[tape.generate] has no secs"),
        ('a = "1"', "write an exact number as text"),
        ("[strategy]", "no table [strategies]"),
    ],
)
def test_a_fault_in_an_experiment_is_named(
    line: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong name of a variable, a table, a member, or a float for money ends with 2."""
    wrong = {
        'MM_HALF_SPREAD_BPS = "3"': 'MM_HALF_SPREAD_BPZ = "3"',
        "seconds = 30": "secs = 30",
        'a = "1"': "a = 1.5",
        "[strategy]": "[strategies]",
    }
    experiment = tmp_path / "one.toml"
    experiment.write_text(MINIMAL.replace(line, wrong[line]))
    assert main(["run", str(experiment)]) == 2
    assert told in capsys.readouterr().err


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

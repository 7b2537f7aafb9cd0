"""The page that builds a strategy of one's own says what works."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mm_bot.app.strategy import strategy_of
from mm_bot.core.decide import decide
from mm_bot.core.declared import Declared, MeasureKind
from mm_bot.core.instrument import Side
from mm_bot.core.quoting import Kept
from mm_bot.core.remember import Report
from mm_bot.core.risk import HaltReason
from mm_bot.errors import SettingsError
from mm_bot.observe.declared_fit import declared_faults
from mm_bot.observe.explain import explain
from mm_bot.observe.health_status import missing
from mm_bot.observe.log import Level, Log
from mm_bot.observe.telemetry import Telemetry
from mm_bot.observe.totals import Totals
from mm_bot.strategies import UnknownStrategyError, build, declared, features, find
from mm_bot.strategies.trial import policy, view
from tests.core.builders import (
    NOW_MS,
    POLICY,
    SPOT,
    observation,
    open_order,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.observe.metrics_helpers import new_metrics, parts, telemetry_of

PAGE = Path(__file__).parents[2] / "docs" / "strategies.md"
OWN, TEST = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's strategy where Python finds it; its folder."""
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "quotes.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mypackage", "mypackage.quotes"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return package


@pytest.mark.usefixtures("installed")
def test_the_page_builds_a_strategy_that_passes_its_own_test() -> None:
    """Both listings as they stand."""
    exec(compile(TEST, "page", "exec"), {})


@pytest.mark.usefixtures("installed")
def test_an_import_path_is_a_strategy() -> None:
    """`MM_STRATEGY=mypackage.quotes:Mine` is built with the policy, and explains itself."""
    chosen = find("mypackage.quotes:Mine")(policy())
    quotes = chosen.quote(view(at_s=12 * 3600), Kept())
    assert "office_hours" in {e.step for e in quotes.explanations}


@pytest.mark.usefixtures("installed")
def test_its_gauge_and_its_reason_are_seen_where_all_are() -> None:
    """They are declared in its own file alone: the gauge is there before it is measured, at noon
    it is 1; at night the side's reason stands in the metrics, in the status with its words, and in
    `why`."""
    chosen = build(replace(POLICY, strategy="mypackage.quotes:Mine"))
    metrics = new_metrics()
    metrics.declare(declared(chosen))
    night = "mm_bot_missing_quote_reason", 'reason="night",side="buy"'
    assert parts(metrics)["mm_bot_office_open", ""] == parts(metrics)[night] == 0
    assert parts(metrics)["mm_bot_regime", 'regime="forced"'] == 0, "built-in ones stay"
    telemetry = telemetry_of(metrics)

    def cycle(hour: int) -> tuple[float, float]:
        at_ms = NOW_MS - NOW_MS % 86_400_000 + hour * 3_600_000
        world = snapshot(now_ms=at_ms)
        decision = decide(world, running(), POLICY, SPOT, chosen)
        telemetry.cycle(decision, Report(), running(), {"total": 1.0})
        found = parts(metrics)
        return found["mm_bot_office_open", ""], found[night]

    assert cycle(12) == (1, 0)
    assert cycle(23) == (0, 1)
    assert metrics.view is not None
    (told,) = (missing(gap) for gap in metrics.view.decision.missing if gap.side is Side.BUY)
    assert (told["reason"], told["means"]) == ("night", "no bids between 22 and 4 h UTC")
    verdict = explain(metrics.view.decision, Side.BUY)[-1].says
    assert verdict == "no bid: night, no bids between 22 and 4 h UTC"


def test_what_a_strategy_has_not_declared_leaves_the_other_metrics_alone(
    installed: Path,
) -> None:
    """Without the declarations its reason counts as `undeclared`, its gauge is left out, `/metrics`
    has everything else, and the log names each once, however many cycles tell them."""
    bare = OWN.replace("    measured = (OPEN,)\n    reasons = (NIGHT,)\n", "")
    assert bare != OWN
    (installed / "quotes.py").write_text(bare)
    chosen = build(replace(POLICY, strategy="mypackage.quotes:Mine"))
    metrics, stream = new_metrics(), io.StringIO()
    metrics.declare(declared(chosen))
    log = Log(level=Level.INFO, stream=stream)
    telemetry = Telemetry(metrics=metrics, log=log, totals=Totals(0.0))
    telemetry.begin(SPOT, None)
    midnight = snapshot(now_ms=NOW_MS - NOW_MS % 86_400_000)
    for _ in range(3):
        decision = decide(midnight, running(), POLICY, SPOT, chosen)
        telemetry.cycle(decision, Report(), running(), {"total": 1.0})
    found = parts(metrics)
    assert found["mm_bot_missing_quote_reason", 'reason="undeclared",side="buy"'] == 1
    assert found["mm_bot_wanted_orders", 'side="sell"'] == 1
    assert not any(name == "mm_bot_office_open" for name, _ in found)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    named = [line["what"] for line in told if line["event"] == "strategy.undeclared"]
    assert named == ["reason night", "measure mm_bot_office_open"]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (MeasureKind(name="office open", help="x"), "letters, digits and _ alone"),
        (MeasureKind(name="mm_bot_ready", help="x"), "which the bot has already"),
        (MeasureKind(name="mm_bot_fills_total", help="x"), "which the bot has already"),
        (MeasureKind(name="mm_bot_mine", help="x", labels={"a-b": ("1",)}), "label 'a-b'"),
        (MeasureKind(name="mm_bot_regime", help="x", labels={"of": ("1",)}), "['of']"),
    ],
)
def test_a_gauge_that_cannot_be_exported_is_named_at_start(kind: MeasureKind, says: str) -> None:
    """What would break every scrape is a fault of the settings, with its name and the remedy."""
    built_in = declared()
    assert not list(declared_faults(built_in))
    (fault,) = declared_faults(built_in + Declared(measures=(kind,)))
    assert fault.startswith(f"MM_STRATEGY declares the gauge {kind.name!r}")
    assert says in fault


@pytest.mark.parametrize("path", ["nothing", "no.such.module:Mine", "mm_bot.strategies:Nothing"])
def test_what_cannot_be_loaded_is_named(path: str) -> None:
    """The message has the path and what would be valid or what is missing."""
    with pytest.raises(UnknownStrategyError, match=path.split(":")[0]) as told:
        find(path)
    if path.startswith("no."):
        remedy = "No module named 'no'; install it beside mm-bot, or name the folder that it is in"
        assert remedy in str(told.value)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("Mine = 5", "Mine is an object of type int, not what makes a strategy of a policy"),
        (
            "def Mine(policy: int) -> dict[str, str]: return {}",
            "it made an object of type dict, which has no levels",
        ),
        ("def Mine(): pass", "cannot be made: TypeError: Mine() takes 0 positional arguments"),
        ("def Mine(policy):\n    return 1 / 0", "ZeroDivisionError: division by zero at "),
        ("def Mine(policy) return 1", "cannot be imported: SyntaxError: "),
        ("from mm_bot.core.quoting import Vew", "cannot be imported: ImportError: cannot import"),
        ("Mine = undefined", "cannot be imported: NameError: name 'undefined'"),
        ("import no_such", "No module named 'no_such' at "),
    ],
)
def test_what_cannot_be_made_is_named_with_its_line(
    installed: Path, source: str, says: str
) -> None:
    """Whatever a first try gets wrong is a fault of the settings, and no traceback."""
    (installed / "quotes.py").write_text(source)
    with pytest.raises(SettingsError, match=r"MM_STRATEGY is 'mypackage\.quotes:Mine'") as told:
        strategy_of(replace(POLICY, strategy="mypackage.quotes:Mine"))
    assert says in str(told.value)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("raise KeyError('spread')", "KeyError: 'spread' at "),
        ("return None", "AttributeError: 'NoneType' object has no attribute"),
    ],
)
def test_a_fault_in_a_cycle_takes_every_order_away_until_it_answers(
    installed: Path, wrong: str, says: str
) -> None:
    """Nothing is placed, what rests goes, and the halt has the error with its line; the cycle after
    goes on with what was kept before."""
    at_night = OWN.replace("hour = view", f"if view.now_ms % 2: {wrong}\n        hour = view")
    (installed / "quotes.py").write_text(at_night)
    chosen = build(replace(POLICY, strategy="mypackage.quotes:Mine"))
    terms = ((Side.BUY, "1596", 1), (Side.SELL, "1604", 2))
    rests = tuple(row(side, price, "100", nonce=n) for side, price, n in terms)
    known = tuple(open_order(side, price, "100", nonce=n) for side, price, n in terms)
    even = NOW_MS - NOW_MS % 2
    found = [
        decide(
            snapshot(venue=observation(own_orders(*rests), at_ms=at_ms), now_ms=at_ms),
            replace(running(), open_orders=known),
            POLICY,
            SPOT,
            chosen,
        )
        for at_ms in (even, even + 1, even + 2)
    ]
    assert [[halt.reason for halt in each.halts] for each in found] == [
        [],
        [HaltReason.STRATEGY_FAILED],
        [],
    ]
    numbers = dict(found[1].halts[0].numbers)
    assert numbers["strategy"] == "mypackage.quotes:Mine"
    assert says in numbers["error"]
    assert len(found[1].plan.cancels) == 2
    assert not found[1].plan.places


def test_a_strategy_that_gives_no_quotes_halts(installed: Path) -> None:
    """As one that raises."""
    mine = "class Mine:\n    levels, state_kinds = 1, {}\n    def __init__(self, policy): pass\n"
    (installed / "quotes.py").write_text(mine + "    def quote(self, view, kept): return [1596]")
    chosen = build(replace(POLICY, strategy="mypackage.quotes:Mine"))
    (halt,) = decide(snapshot(), running(), POLICY, SPOT, chosen).halts
    assert dict(halt.numbers)["error"] == "quote gave an object of type list, not Quotes"


def test_every_step_of_the_page_exists() -> None:
    """The table names every feature, and no step that there is not."""
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    models = {"avellaneda-stoikov", "glft"}
    known = {feature.name for feature in features()} - models | {"model"}
    assert known <= told
    founding_steps = {"bootstrap", "widening", "skew", "price", "passive", "bound", "size"}
    assert told - known == founding_steps


def test_everything_on_is_built() -> None:
    """All features together are one pipeline that quotes."""
    everything = policy(
        volatility_spread_mult="1",
        shock_bps="200",
        target_inventory="0",
        size_skew="true",
        level_size_usd="100",
        penny_jump="true",
        price_ceiling="1700",
        price_floor="1500",
        micro_price_max_shift_bps="2",
        max_daily_loss="100000",
        run_orders="5",
        hard_long_inventory="200000",
        pnl_attribution="true",
    )
    quotes = build(everything).quote(view(cash="16000000"), Kept())
    assert quotes.ladder.bids
    assert quotes.ladder.asks
    assert not quotes.halts

"""Claims about the runbook: everything that can wake somebody has a section that helps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from mm_bot import errors
from mm_bot.core.quoting import MissingReason
from mm_bot.core.risk import HaltReason
from mm_bot.settings import VARIABLES
from mm_bot.strategies import declared
from tests.deployments.exported import exported_by_a_registry, exported_by_backtests
from tests.deployments.runbook import RUNBOOK, anchor, sections

ROOT = Path(__file__).parents[2]
SECTIONS = sections()
TEXT = RUNBOOK.read_text()
ALERTS = re.findall(
    r"- alert: (\w+)", (ROOT / "deployments" / "prometheus" / "alerts.yml").read_text()
)
EXIT_CODES = sorted(
    {0, errors.BotError.exit_code}
    | {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.BotError)
    }
)
MISSING = (*MissingReason, *declared().reasons)
"""The core's, and those of the strategy's steps."""
ELSEWHERE = {
    "MM_": "how every name begins",
    "MM_BOT_SERVICE_HOST": "what a cluster adds",
}


@pytest.mark.parametrize(
    "heading",
    [
        *(reason.value for reason in HaltReason),
        *(reason.value for reason in MISSING),
        *ALERTS,
        *(f"Exit code {code}" for code in EXIT_CODES),
    ],
)
def test_it_has_a_section_that_helps(heading: str) -> None:
    """Each halt reason, missing reason, alert and exit code: what it means, what to look at, and
    how it ends."""
    text = SECTIONS[anchor(heading)]
    parts = re.split(r"\*\*(Means|Look at|Ends):\*\*", text)
    assert parts[1::2] == ["Means", "Look at", "Ends"]
    assert all(len(part.strip()) > 8 for part in parts[2::2])


def test_there_are_all_eight_exit_codes() -> None:
    """The tree of errors gives the codes 1 to 7, and 0 is none of them."""
    assert EXIT_CODES == [0, 1, 2, 3, 4, 5, 6, 7]


def test_nothing_is_described_that_no_longer_exists() -> None:
    """Under the four headings stand sections of what there is, and no other."""
    known = {
        *(anchor(reason.value) for reason in (*HaltReason, *MISSING)),
        *(anchor(alert) for alert in ALERTS),
        *(f"exit-code-{code}" for code in EXIT_CODES),
    }
    told = {name for name, text in SECTIONS.items() if "**Means:**" in text}
    assert told == known


def test_links_lead_somewhere() -> None:
    """Every link within the runbook and to it is to a section that it has."""
    within = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    alerts = (ROOT / "deployments" / "prometheus" / "alerts.yml").read_text()
    assert within | set(re.findall(r"runbook\.md#(\S+)", alerts)) <= set(SECTIONS)


def test_names_in_it_are_real() -> None:
    """Every metric is exported, and every variable is one of the bot's."""
    samples = {**exported_by_a_registry(), **exported_by_backtests()}
    metrics = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples}
    assert set(re.findall(r"\bmm_bot_[a-z_]+\b", TEXT)) <= metrics
    assert set(re.findall(r"\bMM_[A-Z_]*", TEXT)) - set(ELSEWHERE) <= set(VARIABLES)


def test_files_it_names_are_there() -> None:
    """Paths into the repository exist, in the runbook and in the page on deploying."""
    for page in (RUNBOOK, ROOT / "docs" / "deploying.md"):
        for path in re.findall(r"`((?:deployments|docs|tests)/[^`<> ]+)`", page.read_text()):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_every_alert_of_the_rules_is_read() -> None:
    """The list of alerts above is the file's own."""
    rules = yaml.safe_load((ROOT / "deployments" / "prometheus" / "alerts.yml").read_text())
    assert [r["alert"] for g in rules["groups"] for r in g["rules"]] == ALERTS

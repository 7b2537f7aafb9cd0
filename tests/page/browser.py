"""The page in a real browser: `python -m tests.page.browser FOLDER` photographs a running bot.

Bots on the local exchange are started, their page opened in headless Chromium at the width of a
phone and of a desktop, healthy, dark, without cNGN and halted, and each picture written to FOLDER.
The drawn page must show what the status said, fit the phone's width and report no error. Where
there is no Chromium it says so and ends with 1: what needs no browser is in `test_page`.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from integration_harness.stack.up import LocalExchange
from tests.cli.bench import ONLY_USDC, RICH, environment_of, open_account, run, running
from tests.page.chromium import NAMES, Tab, find, open_tab

WIDTHS = {"phone": 390, "desktop": 1280}


def main(folder: Path) -> int:
    """The exit code: 1 where the page does not show what it should."""
    browser = find()
    if browser is None:
        print(f"no Chromium here (looked for {', '.join(NAMES)}): the page was not photographed")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with (
        LocalExchange() as exchange,
        tempfile.TemporaryDirectory() as scratch,
        open_tab(browser) as tab,
    ):
        account = open_account(exchange, RICH, ONLY_USDC)
        cases = {
            "healthy": {"MM_QUOTE_LEVELS": "2", "MM_LEVEL_SPREAD_STEP_BPS": "10"},
            "no-cngn": {"MM_MAX_LONG_INVENTORY": "1000", "MM_MAX_SHORT_INVENTORY": "-1000"},
        }
        for (case, changes), subaccount_id in zip(
            cases.items(), account.subaccount_ids, strict=True
        ):
            place = Path(scratch) / case
            place.mkdir()
            environment = environment_of(exchange, subaccount_id, place, **changes)
            with running(environment, place) as bot:
                url = f"http://127.0.0.1:{bot.port}/"
                for width in WIDTHS:
                    faults += photograph(tab, url, folder / f"{case}-{width}.png", bot.status())
                if case == "healthy":
                    faults += photograph(tab, url, folder / "dark-desktop.png", bot.status())
                    run(environment, "pause")
                    faults += photograph(tab, url, folder / "halted-phone.png", bot.status())
    for fault in faults:
        print(f"the page {fault}")
    print(f"pictures are in {folder}")
    return 1 if faults else 0


def photograph(tab: Tab, url: str, file: Path, status: Mapping[str, Any]) -> list[str]:
    """One picture, and what is wrong with the page that it shows. Its name says how it is taken."""
    wide = WIDTHS[file.stem.rsplit("-", 1)[1]]
    tab.emulate(wide, dark=file.stem.startswith("dark"))
    tab.visit(url)
    tab.wait_until("document.querySelectorAll('[data-list=wanted] tr').length > 1")
    tab.wait_until("document.querySelectorAll('#prices path.trace').length === 3")
    tab.wait_until("document.querySelectorAll('#inventory path.trace').length === 3")
    areas = tab.evaluate("document.querySelectorAll('#depth path.area').length")
    text = tab.evaluate("document.body.innerText")
    assert isinstance(text, str), "a page has text"
    wanted = [str(status["market"]), f"mode {status['mode']}"]
    wanted += [halt["reason"] for halt in status["halts"]]
    wanted += [order["order_id"] for order in status["live"]]
    wanted += [gap["means"] for gap in status["missing"]]
    faults = [f"lacks {each}: {file.name}" for each in wanted if each not in text]
    if areas != len({order["side"] for order in status["live"]}):
        faults.append(f"draws the depth of {areas} sides: {file.name}")
    if tab.evaluate("document.documentElement.scrollWidth") != wide:
        faults.append(f"is wider than {wide} pixels: {file.name}")
    faults += [f"reports {error}: {file.name}" for error in tab.errors()]
    file.write_bytes(base64.b64decode(tab.picture()))
    tab.visit("about:blank")  # it would go on asking a bot that ends
    return faults


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "page-pictures")))

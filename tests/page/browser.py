"""The page in a real browser: `python -m tests.page.browser FOLDER` photographs a running bot.

A bot on the local exchange is started, its page opened in headless Chromium at the width of a
phone and of a desktop, light and dark, healthy and halted, and each picture written to FOLDER. The
drawn page must show what the status said. Where there is no Chromium it says so and ends with 0:
everything that needs no browser is in `test_page`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from integration_harness.stack.up import LocalExchange
from tests.cli.bench import ONLY_USDC, RICH, environment_of, open_account, run, running

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # The page's own clock runs ahead, so that its first answer is drawn.
    "--virtual-time-budget=3000",
)
WIDTHS = {"phone": (390, 3000), "desktop": (1280, 1500)}
LEAST_WIDTH = 500
"""Headless Chromium makes no narrower window; a phone is drawn inside of a frame of its width."""
LIMIT_S = 60


def main(folder: Path) -> int:
    """The exit code: 1 where the page does not show what it should."""
    browser = find()
    if browser is None:
        print(f"no Chromium here (looked for {', '.join(NAMES)}): the page was not photographed")
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with LocalExchange() as exchange, tempfile.TemporaryDirectory() as scratch:
        account = open_account(exchange, RICH, ONLY_USDC)
        cases: dict[str, tuple[int, dict[str, str]]] = {
            "healthy": (0, {"MM_QUOTE_LEVELS": "2", "MM_LEVEL_SPREAD_STEP_BPS": "10"}),
            "no-cngn": (1, {"MM_MAX_LONG_INVENTORY": "1000", "MM_MAX_SHORT_INVENTORY": "-1000"}),
        }
        for case, (index, changes) in cases.items():
            place = Path(scratch) / case
            place.mkdir()
            environment = environment_of(exchange, account.subaccount_ids[index], place, **changes)
            with running(environment, place) as bot:
                url = f"http://127.0.0.1:{bot.port}/"
                for width in WIDTHS:
                    photograph(browser, url, folder / f"{case}-{width}.png", width)
                faults += missing(browser, url, bot.status())
                if case == "healthy":
                    photograph(browser, url, folder / "dark.png", "desktop", dark=True)
                    run(environment, "pause")
                    photograph(browser, url, folder / "halted-phone.png", "phone")
                    faults += missing(browser, url, bot.status())
    for fault in faults:
        print(f"the page lacks {fault}")
    print(f"pictures are in {folder}")
    return 1 if faults else 0


def find() -> str | None:
    """Debian's, else one that is there."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def photograph(browser: str, url: str, file: Path, width: str, *, dark: bool = False) -> None:
    """One picture, at least."""
    wide, high = WIDTHS[width]
    extra = ["--blink-settings=preferredColorScheme=0"] if dark else []
    with tempfile.TemporaryDirectory() as scratch:
        target = url
        if wide < LEAST_WIDTH:
            frame = Path(scratch) / "phone.html"
            style = f"border:0;width:{wide}px;height:{high}px"
            frame.write_text(f'<body style="margin:0"><iframe src="{url}" style="{style}">')
            target = frame.as_uri()
        size = f"--window-size={max(wide, LEAST_WIDTH)},{high}"
        drive(browser, target, size, f"--screenshot={file}", *extra)
    assert file.stat().st_size > 10_000, f"{file} is no picture"


def missing(browser: str, url: str, status: Mapping[str, Any]) -> list[str]:
    """What the drawn page should show and does not."""
    drawn = re.sub(r"<[^>]+>", " ", drive(browser, url, "--dump-dom").split("<script>")[0])
    wanted = [str(status["market"]), f"mode {status['mode']}"]
    wanted += [halt["reason"] for halt in status["halts"]]
    wanted += [order["order_id"] for order in status["live"]]
    wanted += [gap["means"] for gap in status["missing"]]
    return [text for text in wanted if text not in drawn]


def drive(browser: str, target: str, *options: str) -> str:
    """What the browser wrote to stdout; its profile is new and goes away."""
    with tempfile.TemporaryDirectory() as profile:
        ended = subprocess.run(
            [browser, *FLAGS, f"--user-data-dir={profile}", *options, target],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    if ended.returncode:
        raise RuntimeError(f"{browser} ended with {ended.returncode}: {ended.stderr[-500:]}")
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "page-pictures")))

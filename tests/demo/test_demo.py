"""`make demo` as a person runs it."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from integration_harness.demo.view import screen

COMMAND = [sys.executable, "-m", "integration_harness.demo"]


def test_the_demo_ends_by_itself_with_consistent_books() -> None:
    """Both bots quote, are filled and requote; database, chain and bots agree; exit code 0."""
    ended = subprocess.run(
        [*COMMAND, "--seconds", "15"], capture_output=True, text=True, timeout=90, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "database, chain and bots agree on every fill and balance" in ended.stdout


def test_the_table_fits_80_columns_and_rounds() -> None:
    """Also with the longest halt, big numbers and the most digits, on a wider terminal."""
    status = {
        "reference": {"price": "1590.123456789012345678", "source": "external bootstrap"},
        "live": [{"side": "sell", "price": "1593.61", "size": "99999.999999999999999999"}],
        "balances": {"base": {"total": "299.99999999999984132"}},
        "result": {"fills_buy": 1000, "realised_cngn": "-123593666.666666666666666667"},
        "totals": {"placed": 10_000, "cancels": 10_000},
        "halts": [{"reason": "available quote balance below threshold"}],
    }
    console = Console(file=io.StringIO(), width=200)
    console.print(
        screen(
            {"USDCcNGN-SPOT": status, "USDCcNGN-JAN31-2027": status},
            feed=Decimal("1589.6512345678901"),
            elapsed_s=1234.5,
            length_s=None,
            takers=1234,
        )
    )
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) == 80
    assert "300.000" in shown
    assert not re.search(r"\.\d{7}", shown)


def test_ctrl_c_stops_all_of_it_cleanly() -> None:
    """An interrupt ends the demo with a summary, and leaves no process and no folder behind."""
    demo = subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    time.sleep(7)
    started = _below(demo.pid)
    demo.send_signal(signal.SIGINT)
    output, _ = demo.communicate(timeout=30)
    assert demo.returncode in (0, 130), output
    assert "Traceback" not in output
    assert len(started) > 4, "the exchange and the bots were not up"
    give_up_at = time.monotonic() + 5
    while (left := [pid for pid in started if _alive(pid)]) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert not left


def _below(pid: int) -> list[int]:
    """Every process below one."""
    table = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = {int(line.split()[0]): int(line.split()[1]) for line in table.splitlines()}
    found: list[int] = []
    frontier = {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier}
        found.extend(frontier)
    return found


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc").exists()

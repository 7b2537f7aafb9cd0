"""Claims about what the image is made of: the runtime lock and the copied folders give a bot."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from integration_harness.stack.supervisor import free_port
from integration_harness.stack.up import LocalExchange
from tests.deployments.waiting import wait_until

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)
COPIED = ("pyproject.toml", "README.md", "deployments", "fair_anchor", "mm_bot")
FOR_SOMETHING_ELSE = {
    "pytest", "mypy", "vyper", "web3", "eth-account", "starlette", "asyncpg", "hftbacktest"
}  # fmt: skip


def locked(name: str) -> dict[str, str]:
    """Package to version."""
    return dict(PINNED.findall((ROOT / name).read_text()))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The programs of an environment with the runtime lock and our own wheel, and nothing else."""
    folder = tmp_path_factory.mktemp("image")
    source, target = folder / "source", folder / "venv"
    source.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, source / name)
    venv.create(target)
    pip = [sys.executable, "-m", "pip", "--python", str(target / "bin" / "python"), "--quiet"]
    lock, wheels = str(ROOT / "requirements-run.lock"), str(folder / "wheels")
    exact = ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
    wheel = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation"]
    for words in (
        [*pip, "install", *exact, "-r", lock],
        [*wheel, "--wheel-dir", wheels, str(source)],
        [*pip, "install", "--no-deps", "--no-index", "--find-links", wheels, "mm-bot"],
        [*pip, "check"],
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    yield target / "bin"
    shutil.rmtree(folder)


def test_a_bot_with_the_runtime_lock_alone_quotes(
    installed: Path, exchange: LocalExchange, tmp_path: Path
) -> None:
    """It comes up on an exchange with both sides quoted and ends cleanly."""
    log, port = tmp_path / "log", free_port()
    environment = {
        **exchange.bot_environment(exchange.spot.symbol),
        "MM_METRICS_ADDR": f"127.0.0.1:{port}",
        "MM_STATE_FILE": str(tmp_path / "state.json"),
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
        "MM_MAX_LONG_INVENTORY": "1000000",
        "MM_POLL_INTERVAL_MS": "200",
        "MM_CANCEL_ON_SHUTDOWN": "true",
    }
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [installed / "mm-bot"], cwd=tmp_path, env=environment, stdout=stream, stderr=stream
        )

    def quoting() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            page = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        except httpx.HTTPError:
            return False
        return "mm_bot_open_bid_present 1.0" in page and "mm_bot_open_ask_present 1.0" in page

    try:
        wait_until(quoting, "both sides are quoted", log)
        process.terminate()
        assert process.wait(15) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def test_every_command_is_there_and_a_bot_without_settings_says_what_it_needs(
    installed: Path, tmp_path: Path
) -> None:
    """No command needs a package of an extra to explain itself; bot and fair value end with exit
    code 2 and name every variable that is missing."""

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [installed / words[0], *words[1:]], cwd=tmp_path, env={}, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    for words in (["--help"], ["watch", "--help"]):
        assert run("mm-bot", *words)[0] == 0
    code, told = run("mm-bot")
    assert code == 2
    for name in ("MM_API_BASE_URL", "MM_RPC_URL", "MM_DATABASE_URL", "MM_SUBACCOUNT_ID"):
        assert name in told
    code, told = run("fair-anchor")
    assert code == 2
    assert "FAIR_ANCHOR_API_BASE_URL is not set" in told


def test_the_runtime_lock_is_part_of_the_whole_lock() -> None:
    """What runs in the image is what was tested: the same versions, every one with its hashes, no
    place where packages come from, and nothing that only harness, backtests or tests need."""
    tested = locked("requirements.lock")
    for name, version in locked("requirements-run.lock").items():
        assert name not in FOR_SOMETHING_ELSE
        assert tested.get(name) == version, f"{name}: `make lock` writes both locks anew"
    assert tested.keys() >= FOR_SOMETHING_ELSE
    for name in ("requirements-run.lock", "requirements-build.lock"):
        text = (ROOT / name).read_text()
        for package in re.split(r"\n(?=[a-z0-9])", text)[1:]:
            assert "--hash=sha256:" in package
        assert not re.search(r"https?://|file:|--(extra-)?index-url |--find-links ", text)

"""Claims about the image: its steps, taken in a clean environment, give a bot that runs.

Where a daemon is there, `docker build` is its own test of the rest.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from integration_harness.stack.supervisor import free_port
from integration_harness.stack.up import LocalExchange
from tests.deployments.dockerfile_steps import Build, ignore_rules, ignored, parse
from tests.deployments.waiting import wait_until

ROOT = Path(__file__).parents[2]
STEPS = parse((ROOT / "Dockerfile").read_text())
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def locked(name: str) -> dict[str, str]:
    """Package to version."""
    return dict(PINNED.findall((ROOT / name).read_text()))


@pytest.fixture(scope="module")
def image() -> Iterator[Build]:
    """The steps taken, in a folder that goes with them."""
    with tempfile.TemporaryDirectory(prefix="mm-bot-image-") as folder:
        build = Build(context=ROOT, root=Path(folder) / "root")
        build.run(STEPS)
        yield build


def start(image: Build, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """The entry point as a container runs it: with nothing else around and, where the kernel gives
    us a user namespace, as the image's user without any privilege."""
    user, _, group = image.noted["USER"].partition(":")
    other = ["unshare", f"--map-user={user}", f"--map-group={group}", "--"]
    if shutil.which("unshare") is None or subprocess.run([*other, "true"]).returncode != 0:
        other = []
    with log.open("wb") as stream:
        return subprocess.Popen(
            [*other, *image.entrypoint()],
            cwd=image.inside("/var/lib/mm-bot"),
            env={**image.environment, **environment},
            stdout=stream,
            stderr=stream,
        )


def files_of(image: Build) -> dict[Path, int]:
    """Every file outside of the volume, and when it was changed."""
    volume = image.inside("/var/lib/mm-bot")
    found = (p for p in image.root.rglob("*") if volume not in (p, *p.parents))
    return {path: path.lstat().st_mtime_ns for path in found}


def test_a_bot_from_the_image_quotes(image: Build, exchange: LocalExchange, tmp_path: Path) -> None:
    """With the packages of the runtime lock alone, as the image's own user, the bot comes up on an
    exchange with both sides quoted, writes to the volume alone, and ends cleanly."""
    spot, log, port = exchange.spot.symbol, tmp_path / "log", free_port()
    before = files_of(image)
    environment = {
        **exchange.bot_environment(spot),
        "MM_METRICS_ADDR": f"127.0.0.1:{port}",
        "MM_STATE_FILE": image.environment["MM_STATE_FILE"],
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
        "MM_MAX_LONG_INVENTORY": "1000000",
        "MM_POLL_INTERVAL_MS": "200",
        "MM_CANCEL_ON_SHUTDOWN": "true",
    }
    process = start(image, environment, log)

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
    assert files_of(image) == before
    assert image.inside("/var/lib/mm-bot/state.json").exists()


def test_an_empty_container_says_what_it_needs(image: Build, tmp_path: Path) -> None:
    """Without settings it ends with exit code 2 and names every variable that is missing."""
    log = tmp_path / "log"
    assert start(image, {}, log).wait(30) == 2
    for name in ("MM_API_BASE_URL", "MM_RPC_URL", "MM_DATABASE_URL", "MM_SUBACCOUNT_ID"):
        assert name in log.read_text()


def test_nothing_but_the_runtime_lock_is_installed(image: Build) -> None:
    """The image's packages are those of the lock at their versions and the bot itself: no test
    tool, no compiler of contracts, no installer."""
    (site,) = image.inside("/opt/mm-bot/lib").glob("python3.*/site-packages")
    installed = {
        re.sub(r"[-_.]+", "-", entry.name.removesuffix(".dist-info").rpartition("-")[0]).lower()
        for entry in site.glob("*.dist-info")
    }
    wanted = locked("requirements-run.lock")
    assert {"pytest", "mypy", "vyper", "pip", "setuptools"} & installed == set()
    assert installed - {"mm-bot"} <= set(wanted)
    assert set(wanted) - installed <= {"pywin32", "tzdata", "uvloop"}
    assert (site / "deployments" / "8453" / "matching.json").exists()


def test_the_runtime_lock_is_part_of_the_whole_lock() -> None:
    """What runs in the image is what was tested: the same versions, every one with its hashes, and
    no place where packages come from."""
    tested = locked("requirements.lock")
    for name, version in locked("requirements-run.lock").items():
        assert tested.get(name) == version, f"{name}: `make lock` writes both locks anew"
    for name in ("requirements-run.lock", "requirements-build.lock"):
        text = (ROOT / name).read_text()
        for package in re.split(r"\n(?=[a-z0-9])", text)[1:]:
            assert "--hash=sha256:" in package
        assert not re.search(r"https?://|file:|--(extra-)?index-url |--find-links ", text)


def test_the_image_is_for_nobody_in_particular() -> None:
    """Not root, by number so that Kubernetes can tell; the base has a whole version as its tag; the
    last stage runs no command; a volume is all there is to write to."""
    bases = [step.rest.split()[0] for step in STEPS if step.kind == "FROM"]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", bases[0])
    last = STEPS[[step.kind for step in STEPS].index("FROM", 1) :]
    kinds = [step.kind for step in last]
    assert "RUN" not in kinds
    by_kind = {step.kind: step.rest for step in last}
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", by_kind["USER"])
    assert by_kind["VOLUME"] == '["/var/lib/mm-bot"]'
    assert "PYTHONDONTWRITEBYTECODE=1" in by_kind["ENV"]


@pytest.mark.parametrize(
    ("file", "out"),
    [
        ("mm_bot/app.py", False),
        ("deployments/8453/core.json", False),
        ("requirements-run.lock", False),
        (".mm-bot-state.json", True),
        (".env", True),
        (".git/config", True),
        (".venv/bin/python", True),
        ("tests/conftest.py", True),
        ("mm_bot/__pycache__/app.cpython-311.pyc", True),
        ("integration_harness/stack/node_modules/x/y.js", True),
    ],
)
def test_nothing_private_gets_into_the_context(file: str, out: bool) -> None:
    """The context is what the Dockerfile copies, and no more."""
    assert ignored(Path(file), ignore_rules(ROOT)) == out


def test_docker_builds_it_where_it_can() -> None:
    """Where a daemon answers, it builds the image; elsewhere the steps above stand for it."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True).returncode != 0:
        return
    subprocess.run([docker, "build", "--quiet", str(ROOT)], check=True, timeout=900)

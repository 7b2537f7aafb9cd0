"""Nothing is left behind: no process and no folder, in whatever way the parent ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from integration_harness.stack import guardian
from integration_harness.stack.supervisor import (
    LAUNCH,
    StartError,
    Supervisor,
    free_port,
)

# A parent with one of everything: prints its folder and the ids of its children, then waits.
PARENT = """
import sys, time
from integration_harness.stack import guardian
from integration_harness.stack.evm_node import EvmNode
from integration_harness.stack.postgres import Postgres
from integration_harness.stack.supervisor import Supervisor
import os

supervisor = Supervisor()
node, server = EvmNode(supervisor), Postgres(supervisor)
node.start()
server.start()
supervisor.spawn("sleeper", ["sleep", "600"])
if "frozen" in sys.argv:
    server.freeze()
print(supervisor.folder, *guardian.descendants(os.getpid()), flush=True)
if "close" in sys.argv:
    supervisor.close()
else:
    time.sleep(600)
"""


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether something comes to hold within a time."""
    give_up_at = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("argument", "number"),
    [
        ("", signal.SIGKILL),
        ("frozen", signal.SIGKILL),
        ("", signal.SIGTERM),
        ("", signal.SIGINT),
        ("close", None),
    ],
)
def test_nothing_is_left_behind(argument: str, number: int | None) -> None:
    """However a parent of Postgres, a chain and a program ends, all of it is gone, folder too."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, argument],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    with parent:
        try:
            assert parent.stdout is not None
            folder, *below = parent.stdout.readline().split()
            assert len(below) >= 8, "the guardian, a chain, a sleeper, and Postgres' many processes"
            if number is not None:
                os.killpg(parent.pid, number)  # to the whole group, as a terminal does
            parent.wait(20)
        finally:
            parent.kill()  # one that is still there would be waited for
    assert eventually(lambda: not any(guardian.is_alive(int(pid)) for pid in below))
    assert eventually(lambda: not Path(folder).exists())


def test_a_wait_that_runs_out_says_why() -> None:
    """A child that does not get ready is reported with what was awaited and its last words."""
    with Supervisor() as supervisor:
        child = supervisor.spawn("mute", ["sh", "-c", "echo starting up; sleep 600"])
        assert eventually(lambda: "starting up" in child.log_tail())
        with pytest.raises(StartError, match=r"(?s)mute: no answer within 0\.2 s.*starting up"):
            child.wait_until(lambda: False, "answer", deadline_seconds=0.2)


def test_a_child_that_ends_is_not_waited_for() -> None:
    """A child that ends before it is ready is reported at once, with its code and last words."""
    with Supervisor() as supervisor:
        child = supervisor.spawn("brief", ["sh", "-c", "echo no such option >&2; exit 3"])
        with pytest.raises(
            StartError, match=r"(?s)brief ended with code 3 before answer.*no such option"
        ):
            child.wait_until(lambda: False, "answer")


def test_a_stubborn_child_is_killed() -> None:
    """A child that ignores SIGTERM is killed, with its own children, after the grace period."""
    script = "trap '' TERM; echo ready; sleep 600 & while :; do sleep 1; done"
    with Supervisor() as supervisor:
        child = supervisor.spawn("stubborn", ["sh", "-c", script])
        child.wait_until(lambda: "ready" in child.log_tail(), "its word")
        assert eventually(lambda: len(guardian.descendants(child.pid)) >= 2)
        below = guardian.descendants(child.pid)
        child.stop(grace_seconds=0.2)
        assert child.exit_code == -signal.SIGKILL
        assert not any(guardian.is_alive(pid) for pid in below)


def test_a_frozen_child_can_be_stopped() -> None:
    """Stopping thaws first, so that the child can end in its own way."""
    with Supervisor() as supervisor:
        child = supervisor.spawn("sleeper", ["sleep", "600"])
        child.freeze()
        assert guardian.is_stopped(child.pid)
        child.stop()
        assert child.exit_code == -signal.SIGTERM


def test_a_child_gives_up_once_the_register_is_gone(tmp_path: Path) -> None:
    """A child caught between fork and start when its parent died never runs its program."""
    for exists in (True, False):
        register, proof = tmp_path / f"register-{exists}", tmp_path / f"proof-{exists}"
        with register.open("a") as opened:
            if not exists:
                register.unlink()
            subprocess.run(
                ["/bin/sh", "-c", LAUNCH, str(register), "touch", str(proof)],
                stdin=opened,
                check=exists,
            )
        assert proof.exists() is exists


def test_ports_are_free() -> None:
    """Ports handed out one after the other are different."""
    assert len({free_port() for _ in range(20)}) == 20

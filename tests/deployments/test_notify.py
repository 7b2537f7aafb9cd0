"""Claims about what systemd hears, over a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mm_bot.host.notify import Notify, Pulse, from_environment, report

RUNNING = Pulse(running=True, alive=True, status="ready")


class Manager:
    """The other end: a datagram socket as systemd binds it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """The lines of every datagram that is there."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = f"@mm-bot-test-{uuid.uuid4().hex}"
    listening = Manager(abstract if request.param == "abstract" else str(tmp_path / "notify"))
    yield listening
    listening.close()


def environment(manager: Manager, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, **more}


def test_every_message_arrives(manager: Manager) -> None:
    """Each call is one datagram of the protocol's lines, by path and by abstract name."""
    notify = from_environment(environment(manager))
    notify.starting("waiting for the lock")
    notify.ready("both sides quoted")
    notify.status("halted")
    notify.watchdog()
    notify.stopping()
    assert manager.heard() == [
        ["EXTEND_TIMEOUT_USEC=30000000", "STATUS=waiting for the lock"],
        ["READY=1", "STATUS=both sides quoted"],
        ["STATUS=halted"],
        ["WATCHDOG=1"],
        ["STOPPING=1", "STATUS=stopping"],
    ]
    notify.close()
    notify.status("too late")
    assert manager.heard() == []


def test_another_process_is_heard(manager: Manager) -> None:
    """It works from a process that got the address in its environment, as a service does."""
    code = (
        "import os; from mm_bot.host.notify import from_environment as f; f(os.environ).ready('up')"
    )
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment(manager)}, check=True
    )
    assert manager.heard() == [["READY=1", "STATUS=up"]]


@pytest.mark.parametrize("address", ["", "@", "/", "vsock:2:1234", "relative"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    """No address, or one of a kind that we do not speak: nothing is sent and nothing raised."""
    notify = from_environment({"NOTIFY_SOCKET": address} if address else {})
    assert not notify.listening
    assert not notify.send("READY=1")
    asyncio.run(report(notify, lambda: RUNNING, asyncio.sleep))


def test_a_manager_that_is_gone_or_full_does_no_harm(tmp_path: Path) -> None:
    """Sending never raises and never waits: not without a socket, not to a full one."""
    gone = Notify(str(tmp_path / "nobody"))
    assert not gone.send("READY=1")
    gone.close()
    deaf = Manager(str(tmp_path / "deaf"))
    notify = Notify(deaf.address)
    taken = [notify.send("STATUS=again") for _ in range(2000)]
    assert taken[0]
    assert not taken[-1]
    notify.close()
    deaf.close()


def test_a_status_cannot_smuggle_in_an_assignment(manager: Manager) -> None:
    """Line breaks in a status become spaces, and a long one is cut."""
    notify = from_environment(environment(manager))
    notify.status("halted\nREADY=1\n" + "x" * 5000)
    ((line,),) = manager.heard()
    assert line.startswith("STATUS=halted READY=1 xxx")
    assert len(line) < 500
    notify.close()


@pytest.mark.parametrize(
    ("variables", "watchdog_s", "interval_s"),
    [
        ({}, None, 5),
        ({"WATCHDOG_USEC": "30000000"}, 30, 5),
        ({"WATCHDOG_USEC": "3000000"}, 3, 1),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30, 5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None, 5),
        ({"WATCHDOG_USEC": "0"}, None, 5),
        ({"WATCHDOG_USEC": "soon"}, None, 5),
    ],
)
def test_the_watchdog_is_ours_or_none(
    variables: dict[str, str], watchdog_s: float | None, interval_s: float
) -> None:
    """Reports come three times within the watchdog's time, if that watchdog is for us."""
    notify = from_environment({"NOTIFY_SOCKET": "/run/notify", **variables}, process_id=7)
    assert (notify.watchdog_s, notify.interval_s) == (watchdog_s, interval_s)


def told(manager: Manager, pulses: list[Pulse], **variables: str) -> list[list[str]]:
    """What a manager hears of these pulses, one a report."""
    notify = from_environment(environment(manager, **variables))
    left = list(pulses)

    async def sleep_ms(_: float) -> None:
        if not left:
            notify.close()

    asyncio.run(report(notify, lambda: left.pop(0), sleep_ms))
    return manager.heard()


def test_a_run_is_told_from_its_start_to_its_hang(manager: Manager) -> None:
    """Waiting asks for time; ready is said once; a status when it changes; and the watchdog is fed
    as long as cycles end, ready or not, and no longer."""
    waiting = Pulse(running=False, alive=True, status="waiting for the lock")
    halted = Pulse(running=True, alive=True, status="balances stale")
    hung = Pulse(running=True, alive=False, status="no cycle has ended for 31000 ms")
    heard = told(manager, [waiting, RUNNING, RUNNING, halted, hung], WATCHDOG_USEC="30000000")
    assert heard == [
        ["EXTEND_TIMEOUT_USEC=30000000", "STATUS=waiting for the lock"],
        ["READY=1", "STATUS=ready"],
        ["WATCHDOG=1"],
        ["WATCHDOG=1"],
        ["STATUS=balances stale"],
        ["WATCHDOG=1"],
        ["STATUS=no cycle has ended for 31000 ms"],
    ]


def test_a_start_that_hangs_gets_no_more_time(manager: Manager) -> None:
    """Without life before the first cycle the manager's own time-out runs."""
    assert told(manager, [Pulse(running=False, alive=False, status="starting")]) == []


def test_without_a_watchdog_none_is_fed(manager: Manager) -> None:
    """Readiness alone is told where the unit has no WatchdogSec."""
    assert told(manager, [RUNNING, RUNNING]) == [["READY=1", "STATUS=ready"]]

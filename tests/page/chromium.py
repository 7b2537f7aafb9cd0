"""Headless Chromium, driven over its own debugging protocol: one tab, opened and gone again."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

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
    "--remote-debugging-port=0",
)
LIMIT_S = 30.0
_PICTURE_BYTES = 2**25


def find() -> str | None:
    """Debian's, else one that is there."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One tab. A command waits for its answer; events are kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._sent = 0
        self._events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: object) -> dict[str, Any]:
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": parameters}))
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv(timeout=LIMIT_S))
            if answer.get("id") == self._sent:
                assert "error" not in answer, f"{method}: {answer}"
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def emulate(self, width: int, *, dark: bool) -> None:
        """A screen of that width, and what its owner prefers."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def visit(self, url: str) -> None:
        self._events.clear()
        self.command("Page.navigate", url=url)

    def evaluate(self, expression: str) -> object:
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        value: object = answer["result"].get("value")
        return value

    def wait_until(self, expression: str) -> None:
        give_up_at = time.monotonic() + LIMIT_S
        while self.evaluate(expression) is not True:
            assert time.monotonic() < give_up_at, f"never true: {expression}"
            time.sleep(0.05)

    def errors(self) -> list[str]:
        """What went wrong in the page since `visit`."""
        thrown = [e for e in self._events if e.get("method") == "Runtime.exceptionThrown"]
        logged = [e for e in self._events if e.get("method") == "Log.entryAdded"]
        bad = [e["params"]["entry"]["text"] for e in logged if _is_error(e)]
        return [e["params"]["exceptionDetails"]["text"] for e in thrown] + bad

    def picture(self) -> str:
        """The whole page as a PNG, base64."""
        answer = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        data: str = answer["data"]
        return data


@contextmanager
def open_tab(browser: str) -> Iterator[Tab]:
    """A tab of a browser of our own, with a new and empty profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [browser, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = _tab_address(Path(profile) / "DevToolsActivePort", process)
            with connect(address, max_size=_PICTURE_BYTES, compression=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            process.wait(LIMIT_S)


def _tab_address(file: Path, process: subprocess.Popen[bytes]) -> str:
    give_up_at = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up_at:
        assert process.poll() is None, f"the browser ended with {process.returncode}"
        if file.exists() and (words := file.read_text().split()):
            for each in httpx.get(f"http://127.0.0.1:{words[0]}/json/list").json():
                if each["type"] == "page":
                    return str(each["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise AssertionError("the browser opened no tab in time")


def _is_error(event: dict[str, Any]) -> bool:
    return bool(event["params"]["entry"]["level"] == "error")

"""The price service as its users run it: a process with environment variables, seen by HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from integration_harness.stack.supervisor import answers, free_port

FUTURE = "USDCcNGN-NOV30-2026"
SPOT = "USDCcNGN-SPOT"
EXPIRY = "2099-11-30T00:00:00Z"
FIELDS = [
    "price",
    "spot",
    "fair",
    "source",
    "market",
    "rate_apr",
    "carry_abs",
    "carry_bps",
    "t_years",
    "expiry_utc",
    "generated_at",
    "spot_observed_at",
    "confidence",
]
ONE_FUTURE = {"FAIR_ANCHOR_FUTURES_SYMBOL": FUTURE, "FAIR_ANCHOR_EXPIRY_UTC": EXPIRY}


@dataclass(frozen=True, kw_only=True)
class Told:
    """One answer; every JSON number is exact."""

    status: int
    content_type: str
    body: dict[str, Any]

    def tried(self) -> dict[str, str]:
        """Why each source had no spot."""
        return {each["source"]: each["reason"] for each in self.body["tried"]}


@dataclass(kw_only=True)
class Service:
    """One running service."""

    process: subprocess.Popen[bytes]
    port: int
    log_path: Path
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10, trust_env=False))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Told:
        """What a path answers, which must be JSON."""
        answer = self.client.get(self.url + path)
        body = json.loads(answer.content, parse_float=Decimal, parse_int=Decimal)
        kind = answer.headers["content-type"]
        return Told(status=answer.status_code, content_type=kind, body=body)

    def price(self, market: str = FUTURE) -> Told:
        """`/price` of a market."""
        return self.get(f"/price?market={market}")

    def until(self, status: int, market: str = FUTURE, seconds: float = 10) -> Told:
        """`/price`, as soon as it answers with that status."""
        give_up_at = time.monotonic() + seconds
        while (told := self.price(market)).status != status:
            assert time.monotonic() < give_up_at, told
            time.sleep(0.05)
        return told

    def metrics(self) -> str:
        """The exposition."""
        return self.client.get(self.url + "/metrics").text

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@contextmanager
def running(
    folder: Path, environment: Mapping[str, str], *, port: int | None = None
) -> Iterator[Service]:
    """A service with these variables on a port of the loopback, until the block ends."""
    port, log_path = port or free_port(), folder / "fair-anchor.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fair_anchor"],
            env={
                "PATH": os.environ.get("PATH", ""),
                "FAIR_ANCHOR_LISTEN_ADDR": f"127.0.0.1:{port}",
                **environment,
            },
            stdout=log,
            stderr=log,
        )
    service = Service(process=process, port=port, log_path=log_path)
    try:
        give_up_at = time.monotonic() + 20
        while not answers(port):
            assert process.poll() is None, log_path.read_text()
            assert time.monotonic() < give_up_at, "it does not listen"
            time.sleep(0.02)
        yield service
    finally:
        service.client.close()
        if process.poll() is None:
            process.kill()
        process.wait()


def ended(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A service that does not come up: its exit code and what it said."""
    return subprocess.run(
        [sys.executable, "-m", "fair_anchor"],
        env={"PATH": os.environ.get("PATH", ""), **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

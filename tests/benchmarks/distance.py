"""The local exchange from afar: its API, node and Postgres behind delaying proxies.

The proxies run in a process of their own (`python -m tests.benchmarks.distance`), so that their
work is not done under the measured one's interpreter lock. Without delay there is no proxy.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from integration_harness.delay_proxy import DelayProxy
from integration_harness.stack.supervisor import Supervisor
from integration_harness.stack.up import LocalExchange

_URLS = ("api_url", "rpc_url", "database_url")


def from_afar(
    exchange: LocalExchange, delays_ms: Sequence[int], supervisor: Supervisor
) -> Mapping[int, LocalExchange]:
    """The exchange as seen with each delay a round trip. Only its addresses differ; whoever opened
    it closes it."""
    addresses = [urlsplit(getattr(exchange, name)) for name in _URLS]
    wanted = [(ms, a.hostname, a.port) for ms in delays_ms if ms for a in addresses]
    if not wanted:
        return dict.fromkeys(delays_ms, exchange)
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    argv = (sys.executable, "-m", "tests.benchmarks.distance", json.dumps(wanted))
    child = supervisor.spawn("distance", argv, environment=environment)
    child.wait_until(lambda: child.log_path.read_text().endswith("\n"), "the proxies' ports")
    ports = iter(json.loads(child.log_path.read_text()))
    seen = {}
    for ms in delays_ms:
        far = copy.copy(exchange)
        for name, address in zip(_URLS, addresses, strict=True):
            if ms:
                user, at, _ = address.netloc.rpartition("@")
                there = address._replace(netloc=f"{user}{at}127.0.0.1:{next(ports)}")
                setattr(far, name, urlunsplit(there))
        seen[ms] = far
    return seen


def main() -> None:
    proxies = [
        DelayProxy(host, port, round_trip_ms=ms) for ms, host, port in json.loads(sys.argv[1])
    ]
    for proxy in proxies:
        proxy.start()
    print(json.dumps([proxy.port for proxy in proxies]), flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()

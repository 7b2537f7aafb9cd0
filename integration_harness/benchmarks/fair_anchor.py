"""`make bench-fair-anchor`: how quickly the fair-value service answers a steady stream of requests.

Open loop: 1,000 requests a second are due whether or not earlier ones were answered, over 32
connections, and each is timed from when it was due. The baseline is a server in the same run that
answers every request with the same constant bytes and does nothing else, so that what the machine
and the client cost is in both figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from integration_harness.benchmarks import quantile
from integration_harness.stack.supervisor import free_port

RATE = 1_000
CONNECTIONS = 32
SPOT = b'{"price": 1600.25}'
MARKET = "USDCcNGN-NOV30-2026"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m integration_harness.benchmarks.fair_anchor")
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    asyncio.run(_compare(arguments.seconds))
    return 0


async def _compare(seconds: float) -> None:
    reads = 0

    def spot() -> bytes:
        nonlocal reads
        reads += 1
        return SPOT

    source = await _constant_server(spot)
    baseline = await _constant_server(lambda: b"x" * 400)
    async with source, baseline:
        plain = await _load(baseline.sockets[0].getsockname()[1], seconds)
        with TemporaryDirectory() as folder:
            process, port = await _service(source.sockets[0].getsockname()[1], folder)
            try:
                before_s, reads_before = _cpu_seconds(process.pid), reads
                service = await _load(port, seconds)
                used_s = _cpu_seconds(process.pid) - before_s
            finally:
                process.terminate()
                await process.wait()
    _report(plain, service, used_s, seconds, reads - reads_before)


async def _constant_server(body: Callable[[], bytes]) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                content = body()
                head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(content)}\r\n"
                writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + content)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def _service(source_port: int, folder: str) -> tuple[asyncio.subprocess.Process, int]:
    port = free_port()
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "FAIR_ANCHOR_LISTEN_ADDR": f"127.0.0.1:{port}",
        "FAIR_ANCHOR_FUTURES_SYMBOL": MARKET,
        "FAIR_ANCHOR_EXPIRY_UTC": "2099-11-30T00:00:00Z",
        "FAIR_ANCHOR_RATE_APR": "0.08",
        "FAIR_ANCHOR_SPOT_SOURCES": "http",
        "FAIR_ANCHOR_HTTP_URL": f"http://127.0.0.1:{source_port}/",
        "FAIR_ANCHOR_LOG_LEVEL": "ERROR",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fair_anchor", env=environment, cwd=folder
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        give_up_at = time.monotonic() + 15
        while time.monotonic() < give_up_at:
            try:
                if (await client.get("/readyz")).status_code == httpx.codes.OK:
                    return process, port
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
    process.terminate()
    raise RuntimeError("fair-anchor is not ready within 15 s")


async def _load(port: int, seconds: float) -> list[float]:
    """Latency in milliseconds of every request, from when it was due."""
    took_ms: list[float] = []
    begin = time.perf_counter() + 0.1

    async def connection(index: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = f"GET /price?market={MARKET} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
        number = index
        while (due := begin + number / RATE) < begin + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            took_ms.append((time.perf_counter() - due) * 1000)
            number += CONNECTIONS
        writer.close()

    work: list[Awaitable[None]] = [connection(index) for index in range(CONNECTIONS)]
    await asyncio.gather(*work)
    return sorted(took_ms)


def _cpu_seconds(process_id: int) -> float:
    stat = Path(f"/proc/{process_id}/stat")
    if not stat.exists():  # only Linux says
        return 0.0
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _report(
    plain: list[float], service: list[float], used_s: float, seconds: float, reads: int
) -> None:
    print(f"{RATE} requests a second over {CONNECTIONS} connections for {seconds:g} s")
    print(f"{'':22}{'requests':>10}{'p50 ms':>10}{'p99 ms':>10}{'worst ms':>10}")
    for name, took in (("constant answer", plain), ("fair-anchor", service)):
        print(
            f"{name:22}{len(took):>10}{quantile(took, 0.5):>10.2f}{quantile(took, 0.99):>10.2f}"
            f"{took[-1]:>10.2f}"
        )
    ratio = [quantile(service, share) / quantile(plain, share) for share in (0.5, 0.99)]
    print(f"{'ratio':32}{ratio[0]:>10.1f}{ratio[1]:>10.1f}")
    print(f"fair-anchor used {used_s / seconds:.0%} of one core and read its source {reads} times")


if __name__ == "__main__":
    sys.exit(main())

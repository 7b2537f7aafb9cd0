"""TLS of every client is checked against one store of authorities, and a fault of it is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLIENTS = """
import asyncio, ssl, sys
from mm_bot.clock import SystemClock
from mm_bot.errors import EdgeError
from mm_bot.io.errors import edge
from mm_bot.io.http import open_client
from mm_bot.prices.coinbase import CoinbaseSource
from mm_bot.prices.fetch import Fetcher
from mm_bot.prices.coinbase import CoinbaseSpec
from mm_bot.venues.numo.chain import Chain
from websockets.asyncio.server import serve

async def answer(reader, writer):
    await reader.read(1000)
    writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 4\\r\\nconnection: close\\r\\n\\r\\n1600")
    await writer.drain()
    writer.close()

async def quiet(connection):
    await connection.close()

async def tell(name, work):
    try:
        print(name, await work)
    except EdgeError as error:
        print(name, error.reason)

async def get(url):
    with edge("api"):
        async with open_client(url, 2000) as client:
            return (await client.get("/")).content

async def run(certificate, key):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    sockets = await serve(quiet, "127.0.0.1", 0, ssl=context)
    plain = await asyncio.start_server(answer, "127.0.0.1", 0)
    port, ws, http = (s.sockets[0].getsockname()[1] for s in (listener, sockets, plain))
    url = f"https://127.0.0.1:{port}"
    await tell("api", get(url))
    async with open_client("", 2000) as client:
        await tell("node", Chain(client, url).chain_id())
    anchor = Fetcher("anchor", url)
    await tell("anchor", anchor.get())
    await anchor.aclose()
    stream = CoinbaseSource(
        CoinbaseSpec(product_id="A-B", url=f"wss://127.0.0.1:{ws}"), SystemClock(), silence_ms=2000
    )
    await tell("stream", stream.read())
    await stream.aclose()
    await tell("plain", get(f"https://127.0.0.1:{http}"))

asyncio.run(run(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 of an authority that nobody knows: its own."""
    folder = tmp_path_factory.mktemp("tls")
    found, key = folder / "certificate.pem", folder / "key.pem"
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl makes the certificate"
    arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(found))
    subprocess.run([openssl, *arguments.split(), *names, *files], check=True, capture_output=True)
    return found, key


def clients(certificate: tuple[Path, Path], **environment: str) -> dict[str, str]:
    """What each client of a process with that environment says of its service."""
    ended = subprocess.run(
        [sys.executable, "-c", CLIENTS, *map(str, certificate)],
        env={"PATH": os.environ.get("PATH", ""), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(line.split(" ", 1) for line in ended.stdout.splitlines())


def test_a_companys_authority_is_trusted_by_every_client(certificate: tuple[Path, Path]) -> None:
    """SSL_CERT_FILE counts for API, node, anchors and streams alike."""
    said = clients(certificate, SSL_CERT_FILE=str(certificate[0]))
    assert said["api"] == "b'1600'"
    assert "b'1600'" in said["anchor"]
    assert "authority" not in said["node"] + said["stream"]
    assert "eth_chainId" in said["node"]
    assert said["stream"].startswith("broken answer")


def test_an_unknown_authority_is_told_with_its_remedy(certificate: tuple[Path, Path]) -> None:
    """And so is a port that does not speak TLS."""
    said = clients(certificate)
    for client in ("api", "node", "anchor", "stream"):
        assert "SSL_CERT_FILE" in said[client], (client, said[client])
    assert "does not speak TLS" in said["plain"]


def test_a_store_that_is_not_there_is_told(certificate: tuple[Path, Path]) -> None:
    """By its name, in place of a bare file error."""
    said = clients(certificate, SSL_CERT_FILE="/nonexistent/authorities.pem")
    assert "holds no authorities" in said["api"]

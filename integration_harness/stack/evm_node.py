"""The chain: anvil as a child process, alone on a free loopback port.

1. Blocks come every `block_time_seconds` and with each transaction, until `mine_by_interval`:
   from then on a transaction waits for the next block, as on a real chain. With transactions alone
   the node would evaluate calls at the last block's time, and expired orders would look valid.
2. `stop()` writes the chain to a file and `start()` reads it: same port, same state. The machine's
   clock goes on meanwhile, as on a chain that was only out of reach.
3. Accounts are the ten public development keys (`DEV_KEYS`), unlocked and rich.
"""

from __future__ import annotations

import platform
import signal
from pathlib import Path

from integration_harness.stack.node_client import ask, connected
from integration_harness.stack.supervisor import ChildProcess, Supervisor, answers, free_port

DEFAULT_CHAIN_ID = 31337

# The accounts of the mnemonic "test test test test test test test test test test test junk", known
# to everybody: worthless on any real chain.
DEV_KEYS: tuple[tuple[str, str], ...] = (
    (
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    ),
    (
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    ),
    (
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    ),
    (
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    ),
    (
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    ),
    (
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    ),
    (
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    ),
    (
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    ),
    (
        "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
        "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    ),
    (
        "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
        "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
    ),
)


class EvmNode:
    """The chain of one local exchange."""

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        chain_id: int = DEFAULT_CHAIN_ID,
        block_time_seconds: int = 1,
    ) -> None:
        self.chain_id = chain_id
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._block_time_seconds = block_time_seconds
        self._supervisor = supervisor
        self._child: ChildProcess | None = None
        self._by_interval = False

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    def start(self) -> None:
        """Start, or start again with the chain as `stop()` left it; returns when it answers."""
        assert not self.running
        folder = self._supervisor.folder
        self._child = self._supervisor.spawn(
            "anvil",
            [
                str(_binary()),
                "--quiet",
                "--host=127.0.0.1",
                f"--port={self.port}",
                f"--chain-id={self.chain_id}",
                f"--block-time={self._block_time_seconds}",
                *(() if self._by_interval else ("--mixed-mining",)),
                f"--state={folder / 'chain.json'}",
                # Else it keeps old states in the user's home.
                f"--cache-path={folder / 'anvil-cache'}",
            ],
        )
        self._child.wait_until(lambda: answers(self.port), f"answer on port {self.port}")

    def mine_by_interval(self) -> None:
        """From now on a transaction is mined with the next block, over every restart too."""
        self._by_interval = True
        with connected(self.url) as web3:
            ask(web3, "evm_setIntervalMining", self._block_time_seconds)

    def stop(self) -> None:
        """Stop and keep the chain for the next `start()`."""
        if self._child is not None:
            self._child.stop(signal.SIGINT)

    def freeze(self) -> None:
        """Stay connected but answer nothing."""
        assert self._child is not None
        self._child.freeze()

    def thaw(self) -> None:
        """Undo `freeze`."""
        assert self._child is not None
        self._child.thaw()


def _binary() -> Path:
    """The program of this platform's npm package, without npm's launcher around it."""
    system = platform.system().lower()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    packages = Path(__file__).parent / "node_modules" / "@foundry-rs"
    binary = packages / f"anvil-{system}-{machine}" / "bin" / "anvil"
    if not binary.exists():
        raise FileNotFoundError(f"{binary} is missing: run `make install`")
    return binary

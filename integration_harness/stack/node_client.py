"""A web3 client of a node: no retries of its own, no proxies, its connections closed at the end.

web3 takes about a second to import. That happens here alone and when a chain is first spoken to, so
that a command line that is refused, or one that only prints its help, does not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from web3 import Web3


@contextmanager
def connected(rpc_url: str, *, timeout_seconds: float = 10.0) -> Iterator[Web3]:
    """A client for one thread. A node that is away raises OSError (`requests` derives from it)."""
    from web3 import HTTPProvider, Web3
    from web3.middleware import AttributeDictMiddleware

    with requests.Session() as session:
        session.trust_env = False
        provider = HTTPProvider(
            rpc_url,
            request_kwargs={"timeout": timeout_seconds},
            session=session,
            exception_retry_configuration=None,
        )
        yield Web3(provider, middleware=[AttributeDictMiddleware])


def ask(web3: Web3, method: str, *params: Any) -> Any:
    """The result of any JSON-RPC method as the node gives it; Web3RPCError where it refuses."""
    from web3.types import RPCEndpoint

    return web3.manager.request_blocking(RPCEndpoint(method), list(params))

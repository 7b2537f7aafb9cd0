"""`python -m integration_harness.stack.markets_api`: serve until told to stop."""

from __future__ import annotations

import importlib.util
import os
import sys

import uvicorn

from integration_harness.stack.markets_api.app import MarketsApi
from integration_harness.stack.settings import ApiSettings, read


def main() -> int:
    """Run the service; 2 where the environment makes no sense."""
    try:
        settings = read(ApiSettings, os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    uvicorn.run(
        MarketsApi(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop" if importlib.util.find_spec("uvloop") else "asyncio",
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        proxy_headers=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

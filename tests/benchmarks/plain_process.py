"""`python -m tests.benchmarks.plain_process SETTINGS`: the baseline as a process that polls.

SETTINGS is a JSON object: the exchange's addresses, the deployment's file, the market, the anchor,
the kill switch, the size and the time from poll to poll. It runs until it is ended.
"""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from pathlib import Path

from integration_harness.stack.deployment import Deployment
from integration_harness.stack.instruments import parse_instruments
from tests.benchmarks.plain import Addresses, PlainMaker


def main() -> None:
    given = json.loads(sys.argv[1])
    at = Addresses(**{name: given[name] for name in ("api_url", "rpc_url", "database_url")})
    (instrument,) = parse_instruments(given["instrument"])
    deployment = Deployment.from_json(Path(given["deployment"]))
    maker = PlainMaker(at, deployment, instrument, Decimal(given["size"]))
    kill_switch = Path(given["kill_switch_file"])
    while True:
        began = time.monotonic()
        price = maker.anchor(given["anchor_url"])
        others = maker.read()
        if kill_switch.exists():
            maker.cancel_all()
        else:
            maker.requote(maker.around(price, others))
        time.sleep(max(0.0, began + given["poll_ms"] / 1000 - time.monotonic()))


if __name__ == "__main__":
    main()

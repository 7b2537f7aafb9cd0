"""`make demo VENUE=coinbase`: see `one_market`."""

import sys

from integration_harness.conformance.coinbase import CoinbaseDriver
from integration_harness.demo.one_market import main

if __name__ == "__main__":
    sys.exit(main(CoinbaseDriver))

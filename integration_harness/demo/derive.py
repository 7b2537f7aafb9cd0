"""`make demo VENUE=derive`: see `one_market`."""

import sys

from integration_harness.conformance.derive import DeriveDriver
from integration_harness.demo.one_market import main

if __name__ == "__main__":
    sys.exit(main(DeriveDriver))

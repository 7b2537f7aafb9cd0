"""`python -m integration_harness.stack.contracts`: compile every contract into the cache."""

from __future__ import annotations

from integration_harness.stack.contracts import compile_all

if __name__ == "__main__":
    for contract in compile_all():
        print(f"{contract.name}: {len(contract.creation_code)} bytes")

"""A short selection of the conformance kit, and that the kit sees a bot that breaks a claim."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration_harness.conformance.__main__ import VENUES, Result, driver_of, try_claim
from integration_harness.conformance.claims import CLAIMS
from integration_harness.conformance.derive import DeriveDriver
from integration_harness.conformance.driver import Driver
from integration_harness.conformance.numo import NumoDriver
from integration_harness.stack.up import LocalExchange

_BY_NAME = {claim.name: claim for claim in CLAIMS}
_SELECTED = {
    "numo": ("cancel_races_a_fill",),
    "derive": ("refused_is_final", "cancel_races_a_fill", "partial_fills_once"),
    "ethereal": ("cancel_races_a_fill",),
    "coinbase": ("unknown_found_by_our_id",),
}


@pytest.fixture(scope="module", params=tuple(_SELECTED))
def driver(request: pytest.FixtureRequest, exchange: LocalExchange) -> Iterator[Driver]:
    made = NumoDriver(exchange) if request.param == "numo" else driver_of(request.param)
    yield made
    made.close()


def test_every_venue_passes_a_selection(driver: Driver) -> None:
    """Every exchange of the selection passes its claims, in bad weather."""
    for name in _SELECTED[driver.name]:
        result = Result(claim=_BY_NAME[name])
        try_claim(driver, _BY_NAME[name], seed=1, result=result)
        assert result.word == "PASS", result.line()


class _NeverAdopts(DeriveDriver):
    """An exchange that ends a dead process's orders though the claim asks it not to."""

    def dead_man(self, on: bool) -> None:
        """It stays on."""


def test_the_kit_sees_a_claim_that_is_broken() -> None:
    """Where what rests does not outlast a crash, the claim that it is adopted fails and says what
    was seen; so a PASS is worth something."""
    driver, result = _NeverAdopts(), Result(claim=_BY_NAME["adopts_own"])
    try:
        try_claim(driver, result.claim, seed=1, result=result)
    finally:
        driver.close()
    assert result.word == "FAIL"
    assert "all are adopted" in result.line()


def test_claims_are_numbered_and_drivers_are_there() -> None:
    """Fifteen claims, numbered from one, each with a text; every venue's driver can be imported."""
    assert [claim.number for claim in CLAIMS] == list(range(1, 16))
    assert all(claim.text for claim in CLAIMS)
    assert {"numo", "derive"} <= set(VENUES)

"""The checker can fail: each known mistake breaks the claim that is there to catch it."""

from __future__ import annotations

import pytest

from tests.sim.many import EVERY, TRIED, caught
from tests.sim.mutation import Mutation


@pytest.mark.parametrize("mutation", EVERY, ids=lambda mutation: mutation.name)
def test_the_checker_sees_it(mutation: Mutation) -> None:
    """At least one seed ends in a violation of the very claim the mistake is about: the one that
    did when it was written, else one of five hundred."""
    found = caught(mutation)
    assert found.seed is not None, f"{TRIED} seeds of {mutation.name}, {found.claim} never broke"

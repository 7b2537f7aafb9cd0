"""The list of mutants that may live."""

from __future__ import annotations

from tests.mutation.__main__ import explained
from tests.mutation.mutants import modules, mutants


def test_every_explanation_is_of_a_mutant_and_says_something() -> None:
    """A function that was changed takes the explanations of its mutants with it, and a whole run
    (`make mutants`) need not be waited for to see it."""
    names = [mutant.name for module in modules() for mutant in mutants(module)]
    assert len(names) == len(set(names))
    assert not explained().keys() - set(names)
    assert all(len(why) > 20 for why in explained().values())

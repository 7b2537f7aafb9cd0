"""Known ways to get the adapter wrong, below what the in-memory exchange sees, a line each."""

from __future__ import annotations

from tests.sim.broken import Break
from tests.sim.claims import Claim
from tests.sim.mutation import Mutation


def _fault(name: str, claim: Claim, module: str, right: str, wrong: str, seed: int = 0) -> Mutation:
    broken = Break(f"mm_bot.{module}", right, wrong)
    return Mutation(name=name, claim=claim, breaks=(broken,), seed=seed, wire=True)


WIRE_FAULTS: tuple[Mutation, ...] = (
    _fault(
        "lost_is_unsent",
        Claim.ONE_PER_SLOT,
        "venues.numo.order_entry",
        "return Outcome(verdict=Verdict.UNKNOWN, detail=describe(error))",
        "return Outcome(verdict=Verdict.REFUSED, detail=describe(error))",
        3,
    ),
    _fault(
        "missing_is_cancelled",
        Claim.ONE_PER_SLOT,
        "venues.numo.order_entry",
        "return Outcome(verdict=Verdict.UNKNOWN, detail=detail, conflict=conflict, held=held)",
        "return Outcome(verdict=Verdict.ACCEPTED if held else Verdict.UNKNOWN, detail=detail)",
        3,
    ),
    _fault(
        "rounded_the_wrong_way",
        Claim.AS_DECIDED,
        "venues.numo.units",
        "up=bid is spot",
        "up=bid is not spot",
        1,
    ),
    _fault(
        "signed_by_the_wrong_key",
        Claim.AS_DECIDED,
        "venues.numo.order_entry",
        "signature = self._signer.sign(",
        "signature = self._owner.sign(",
        1,
    ),
    _fault(
        "a_lost_session_keeps_its_lock",
        Claim.ONE_WRITER,
        "venues.numo.order_table",
        "return self._lock_generation == self._session.generation",
        "return self._lock_generation is not None",
        3,
    ),
    _fault(
        "only_one_page_of_fills",
        Claim.FILLS_ONCE,
        "venues.numo.order_rows",
        "if len(entries) < FILLS_LIMIT:",
        "if len(entries) <= FILLS_LIMIT:",
        197,
    ),
    _fault(
        "server_error_is_refusal",
        Claim.ONE_PER_SLOT,
        "venues.numo.order_entry",
        "if status == _TOO_MANY or (",
        "if status == _TOO_MANY or status >= 500 or (",
        40,
    ),
    _fault(
        "block_time_ignored",
        Claim.FRESH,
        "venues.numo.reads",
        "return self._balances.replaced(balances, began_ms, as_of_ms=balances.block_time_ms)",
        "return self._balances.replaced(balances, began_ms)",
    ),
)

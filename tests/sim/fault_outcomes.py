"""Known ways to forget what is not known yet: over a restart, a lost answer, a fill on the way."""

from __future__ import annotations

from tests.sim.broken import Break
from tests.sim.claims import Claim
from tests.sim.faults import fault
from tests.sim.mutation import Mutation

OUTCOMES: tuple[Mutation, ...] = (
    fault(
        "restored_without_live",
        Claim.ONE_PER_SLOT,
        "host.persistence",
        "open_orders=tuple(c for c in known if c is not None)",
        "open_orders=()",
        19,
    ),
    fault(
        "books_restored_without_live",
        Claim.FILLS_ONCE,
        "core.situation",
        "live={each.order_id for each in memory.open_orders},",
        "live=(),",
        342,
    ),
    fault(
        "replace_ignores_what_was_filled",
        Claim.LIMITS,
        "acting",
        "done = await venue.replace(signed, order_id, cancel.left, self._may_send)",
        "done = await venue.replace(signed, order_id, None, self._may_send)",
        5,
    ),
    fault(
        "unknown_crossing_ignored",
        Claim.NOT_CROSSED,
        "core.reconcile",
        "mine = standing(given.open_orders, side)",
        "mine = [c for c in standing(given.open_orders, side) if c.stage is not Stage.UNKNOWN]",
        401,
    ),
    fault(
        "fill_shown_by_cancel_ignored",
        Claim.LIMITS,
        "core.remember",
        "return known is None or left is None or left >= known",
        "return True",
        134,
    ),
    fault(
        "grace_after_restart_too_short",
        Claim.ONE_PER_SLOT,
        "core.ledger",
        "if known.sends else LOST_REQUEST_MS + ARRIVAL_GRACE_MS",
        "if known.sends else 0",
        237,
    ),
    Mutation(
        name="nonce_saved_after_sending",
        claim=Claim.NONCE_ONCE,
        breaks=(
            Break(
                "mm_bot.host.nonces",
                "        await self._store.reserve_nonces(nonce_of(limit, 0))\n"
                "        self._limit_step = limit",
                "        self._limit_step = limit\n"
                "        await self._store.reserve_nonces(nonce_of(limit, 0))",
            ),
            Break(
                "mm_bot.host.nonces",
                "        await self._store.reserve_nonces(nonce_of(limit, 0))\n"
                "        self._next_step, self",
                "        asyncio.ensure_future(self._store.reserve_nonces(nonce_of(limit, 0)))\n"
                "        self._next_step, self",
            ),
        ),
    ),
)

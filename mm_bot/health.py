"""Ready or not, and the status: both are read off the last cycle, with every reason at once."""

from __future__ import annotations

from mm_bot.core.ledger import Commitment, Stage
from mm_bot.core.liability import outstanding
from mm_bot.core.market import Side
from mm_bot.core.snapshot import Part, T
from mm_bot.ports import Clock
from mm_bot.telemetry import Cycle, Telemetry, live_orders, shown, wanted_sides
from mm_bot.totals import Totals


class Health:
    """`/readyz` and `/status`."""

    def __init__(
        self,
        telemetry: Telemetry,
        totals: Totals,
        clock: Clock,
        *,
        cycle_overdue_ms: int,
        missing_quote_timeout_ms: int | None,
    ) -> None:
        self.waiting: str | None = "starting"
        """What start-up waits for; None once the loop runs."""
        self._telemetry = telemetry
        self._totals = totals
        self._clock = clock
        self._cycle_overdue_ms = cycle_overdue_ms
        self._missing_timeout_ms = missing_quote_timeout_ms
        self._missing_since: dict[Side, int] = {}

    def reasons(self) -> list[str]:
        """Every reason not to be ready; empty is ready."""
        cycle = self._telemetry.last
        if cycle is None:
            return [self.waiting or "no cycle has ended yet"]
        found = [halt.reason.value for halt in cycle.decision.halts]
        now_ms = self._clock.now_ms()
        if now_ms - cycle.ended_ms > self._cycle_overdue_ms:
            found.append(f"no cycle has ended for {now_ms - cycle.ended_ms} ms")
        if cycle.memory.startup and not cycle.decision.halts:
            found.append("start-up reconciliation is not finished")
        found.extend(self._missing_sides(cycle, now_ms))
        return found

    def status(self) -> dict[str, object]:
        """All an operator asks, as JSON values; exact numbers are text."""
        cycle = self._telemetry.last
        reasons = self.reasons()
        if cycle is None:
            return {"ready": not reasons, "not_ready_because": reasons}
        decision, memory = cycle.decision, cycle.memory
        return {
            "ready": not reasons,
            "not_ready_because": reasons,
            "mode": decision.policy.mode.value,
            "dry_run": decision.policy.dry_run,
            "halts": [{"reason": h.reason.value, **dict(h.numbers)} for h in decision.halts],
            "reference": _reference(cycle),
            "skew_bps": str(decision.ladder.skew_bps),
            "wanted": [
                {
                    "side": level.side.value,
                    "level": level.index,
                    "price": str(level.price),
                    "size": str(level.size),
                }
                for level in (*decision.ladder.bids, *decision.ladder.asks)
            ],
            "live": [_order(c, decision.now_ms) for c in live_orders(memory)],
            "unknown": [
                _order(c, decision.now_ms) for c in memory.commitments if c.stage is Stage.UNKNOWN
            ],
            "missing": [
                {
                    "side": gap.side.value,
                    "level": gap.index,
                    "reason": gap.reason.value,
                    **dict(gap.numbers),
                }
                for gap in decision.missing
            ],
            "balances": _balances(cycle),
            "sources": _sources(cycle),
            "result": self._telemetry.result(),
            "signed_liability": {
                side.value: str(outstanding(memory.signatures, side)) for side in Side
            },
            "totals": {
                name: str(value) if not isinstance(value, int | dict | None) else value
                for name, value in self._totals.summary(decision.now_ms).items()
            },
        }

    def _missing_sides(self, cycle: Cycle, now_ms: int) -> list[str]:
        limit_ms = self._missing_timeout_ms
        live = {c.side for c in live_orders(cycle.memory)}
        found = []
        for side in Side:
            if side in live or side not in wanted_sides(cycle.decision.policy):
                self._missing_since.pop(side, None)
                continue
            since_ms = self._missing_since.setdefault(side, now_ms)
            if limit_ms is not None and now_ms - since_ms > limit_ms:
                name = "bid" if side is Side.BUY else "ask"
                found.append(f"{name} missing for {now_ms - since_ms} ms, limit {limit_ms} ms")
        return found


def _reference(cycle: Cycle) -> dict[str, object]:
    reference = cycle.decision.reference
    return {
        "price": shown(reference.price),
        "source": reference.source.value,
        "deviation_bps": None if reference.deviation_bps is None else str(reference.deviation_bps),
        "candidates": [
            {"source": c.source.value, "price": shown(c.price), "why_not": c.why_not}
            for c in reference.candidates
        ],
    }


def _order(c: Commitment, now_ms: int) -> dict[str, object]:
    return {
        "order_id": c.order_id,
        "side": c.side.value,
        "price": str(c.price),
        "size": str(c.size),
        "stage": c.stage.value,
        "age_ms": max(0, now_ms - c.created_ms),
        "expires_in_ms": c.expiry_ms - now_ms,
    }


def _balances(cycle: Cycle) -> dict[str, object] | None:
    money = cycle.decision.funds
    if money is None:
        return None
    return {
        "base": {
            "total": str(money.base_total),
            "reserved": str(money.base_reserved),
            "available": str(money.base_unreserved),
            "for_replacements": str(money.base_available),
        },
        "quote": {
            "total": str(money.quote_total),
            "reserved": str(money.quote_reserved),
            "available": str(money.quote_unreserved),
            "for_replacements": str(money.quote_available),
        },
    }


def _sources(cycle: Cycle) -> dict[str, object]:
    fresh, snapshot = cycle.decision.freshness, cycle.decision.snapshot
    venue = snapshot.venue

    def source(age_ms: int | None, part: Part[T]) -> dict[str, object]:
        return {"age_ms": age_ms, "error": part.error}

    found: dict[str, object] = {
        "book": source(fresh.book_ms, venue.book),
        "trades": source(fresh.trades_ms, venue.trades),
        "orders": source(fresh.orders_ms, venue.orders),
        "balances": source(fresh.balances_ms, venue.balances),
    }
    for name, quote, age_ms in (
        ("anchor", snapshot.anchor, fresh.anchor_ms),
        ("external", snapshot.external, fresh.external_ms),
    ):
        if quote is not None:
            price = shown(quote.price)
            found[name] = {
                "source": quote.source,
                "price": price,
                "age_ms": age_ms,
                "error": quote.error,
            }
    return found

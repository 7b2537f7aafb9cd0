"""Makes each decision of a journal again, from what it was made from, and compares.

Decisions are pure and exact, so a journal replays bit for bit on any machine. The first difference
is named by the path to what differs, such as `plan.places[0].level.price`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mm_bot.core.decide import decide
from mm_bot.core.memory import Memory
from mm_bot.core.plan import Plan
from mm_bot.core.risk import Halt
from mm_bot.errors import JournalError
from mm_bot.journal.codec import from_plain, to_plain
from mm_bot.journal.reader import Cycle, cycles, ignored
from mm_bot.strategies import build


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where a decision made again is not what was written."""

    where: str
    at_ms: int
    field: str
    written: Any
    again: Any


def replay(path: Path, endless: Callable[[Path], None] = ignored) -> Iterator[Difference | None]:
    """One result a cycle: None where it is the same. `endless` as of `cycles`."""
    for cycle in cycles(path, endless):
        yield difference(cycle)


def difference(cycle: Cycle) -> Difference | None:
    context = cycle.context
    strategy = build(context.policy)
    decision = decide(
        cycle.snapshot,
        _with_states(cycle, strategy.state_kinds),
        context.policy,
        context.instrument,
        strategy,
    )
    again = {
        "reference": None if decision.reference.price is None else str(decision.reference.price),
        "halts": to_plain(decision.halts, tuple[Halt, ...]),
        "plan": to_plain(decision.plan, Plan),
    }
    written = {"reference": cycle.reference, "halts": cycle.halts, "plan": cycle.plan}
    found = _first(written, again, "")
    if found is None:
        return None
    field, theirs, ours = found
    return Difference(where=cycle.where, at_ms=cycle.at_ms, field=field, written=theirs, again=ours)


def _with_states(cycle: Cycle, kinds: Mapping[str, type]) -> Memory:
    """What the strategy kept, of the classes that it kept.

    Raises:
        JournalError: where another version kept it in another shape.
    """
    memory = cycle.memory
    plain = memory.strategy.value
    if plain is None:
        return memory
    value: dict[str, object] = {}
    for name, state in plain.items():
        try:
            value[name] = from_plain(state, kinds[name])
        except (KeyError, ValueError):
            what = f"{cycle.where}: what the step {name} kept cannot be read"
            remedy = f"version {cycle.context.version} wrote it: replay it with that one"
            raise JournalError(f"{what}; {remedy}") from None
    return replace(memory, strategy=replace(memory.strategy, value=value))


def _first(written: Any, again: Any, path: str) -> tuple[str, Any, Any] | None:
    """The first difference of two plain values, in the order of `written`. What was read has lists
    where what is decided now may have tuples."""
    if isinstance(written, dict) and isinstance(again, dict):
        for key in (*written, *(key for key in again if key not in written)):
            inner = f"{path}.{key}" if path else key
            found = _first(written.get(key), again.get(key), inner)
            if found is not None:
                return found
        return None
    if isinstance(written, list) and isinstance(again, list | tuple):
        for i, (left, right) in enumerate(zip(written, again, strict=False)):
            found = _first(left, right, f"{path}[{i}]")
            if found is not None:
                return found
        if len(written) != len(again):
            return f"{path} (length)", len(written), len(again)
        return None
    return None if written == again else (path, written, again)

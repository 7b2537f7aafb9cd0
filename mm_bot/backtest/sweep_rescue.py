"""Trials whose worker died before its first heartbeat: Optuna's own rescue never looks at them."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any, Final

_WITHOUT_HEARTBEAT: Final = """
    SELECT t.number FROM trials t
    JOIN studies s ON s.study_id = t.study_id
    LEFT JOIN trial_heartbeats h ON h.trial_id = t.trial_id
    WHERE s.study_name = :name AND t.state = 'RUNNING' AND h.trial_id IS NULL
"""


class Rescue:
    """One worker's view: a trial that it sees without a heartbeat for `grace_s` is failed and tried
    again. By our own clock, since workers' clocks and zones may differ."""

    def __init__(self, url: str, grace_s: float) -> None:
        self._alchemy: Any = import_module("sqlalchemy")
        self._engine = self._alchemy.create_engine(url)
        self._grace_s = grace_s
        self._since: dict[int, float] = {}

    def look(self, found: Any, again: Any) -> None:
        """`again(study, trial)` enqueues a failed trial anew."""
        states = import_module("optuna").trial.TrialState
        query = self._alchemy.text(_WITHOUT_HEARTBEAT)
        with self._engine.connect() as connection:
            numbers = {row[0] for row in connection.execute(query, {"name": found.study_name})}
        now = time.monotonic()
        self._since = {number: self._since.get(number, now) for number in numbers}
        for number, since in self._since.items():
            if now - since < self._grace_s:
                continue
            try:
                found.tell(number, state=states.FAIL)
            except ValueError:
                continue  # it ended, or another worker was first
            again(found, found.get_trials(deepcopy=False)[number])

    def close(self) -> None:
        self._engine.dispose()

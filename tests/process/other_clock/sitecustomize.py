"""Another clock for a whole process: a folder on its `PYTHONPATH` brings this in before anything
else of the process runs.

`OTHER_CLOCK_AHEAD_S` sets the wall clock that much ahead (or, negative, back). `OTHER_CLOCK_SPEED`
lets the wall clock run so many times faster from `OTHER_CLOCK_FROM_NS` on, and every clock for
durations with it.
"""

import os
import time

_wall_ns, _steady_ns, _gettime_ns = time.time_ns, time.monotonic_ns, time.clock_gettime_ns
_AHEAD_NS = int(float(os.environ.get("OTHER_CLOCK_AHEAD_S", "0")) * 1e9)
_SPEED = int(os.environ.get("OTHER_CLOCK_SPEED", "1"))
_FROM_NS = int(os.environ.get("OTHER_CLOCK_FROM_NS", "0"))


def _other_wall_ns() -> int:
    now_ns = _wall_ns()
    return now_ns + _AHEAD_NS + max(0, now_ns - _FROM_NS) * (_SPEED - 1)


def _other_gettime_ns(clock: int) -> int:
    if clock == time.CLOCK_REALTIME:
        return _other_wall_ns()
    return _gettime_ns(clock) * _SPEED


time.time_ns = _other_wall_ns
time.time = lambda: _other_wall_ns() / 1e9
time.monotonic_ns = lambda: _steady_ns() * _SPEED
time.monotonic = lambda: _steady_ns() * _SPEED / 1e9
time.clock_gettime_ns = _other_gettime_ns

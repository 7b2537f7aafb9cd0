"""The claims of the simulator: 1 to 11 are those the project makes of itself, the others follow."""

from __future__ import annotations

from enum import Enum


class Claim(Enum):
    """What must hold at every step, whatever the weather."""

    ONE_PER_SLOT = "1: at most one live order a slot"
    NONCE_ONCE = "2: no nonce is used twice, ever"
    NOT_OURS = "3: neither protected orders nor strangers are cancelled"
    LIMITS = "4: what rests and what is placed, in flight or unknown, stays within every limit"
    NOT_CROSSED = "5: own bid < own ask"
    KILL_SWITCH = "6: halted or killed, nothing of ours rests after a bounded time"
    CONVERGES = "7: a quiet world converges and stays quiet"
    FILLS_ONCE = "8: each fill is counted exactly once, and the result is right"
    LIABILITY = "9: the signed liability told is never below the true one"
    FRESH = "10: nothing is placed on a source older than its limit, or too far from another"
    TOLD = "11: what is wanted rests or its reason is told, and what is told is true"
    BUDGET = "12: no more replace-driven cancels a minute than allowed"
    OWN_FREE = "13: alone in the book, the reference does not move"
    PASSIVE = "14: no price crosses or touches what others show"
    ALIVE = "15: the loop never raises"
    PULLED = "16: a shock or a loss takes every quote away, over restarts too"
    ONE_WRITER = "18: a process whose lock is gone sends nothing a second later"
    AS_DECIDED = "19: what is sent is what was decided, signed, and the same bytes each time"
    REDUCES = "20: a forced reduction goes alone, to the soft limit and never past it"
    HANGS = "21: a hanging order holds no slot and ends as it must, over restarts too"
    DEGRADES = "22: a side that cannot be right goes before anything halts"
    WIDTH = "23: no volatility is told that the price cannot have had"
    LIFE = "17: an order is renewed in good time, and none outlives its market"

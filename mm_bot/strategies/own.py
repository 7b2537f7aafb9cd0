"""A strategy of the operator's own: how it is loaded, and what holds where it is wrong.

What cannot be loaded or built is an `UnknownStrategyError`, before anything is quoted. One that
raises in a cycle, or says what are no `Quotes`, halts: every order goes, the next cycle asks it
again with what it kept before. Only the strategy's own code is trusted less than the bot's: a
fault of a built-in one is a bug, and ends the process.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from traceback import extract_tb
from typing import cast

from mm_bot.core.declared import NOTHING_DECLARED, Declared
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Kept, Ladder, Quotes, Strategy, View
from mm_bot.core.risk import Halt, HaltReason

Factory = Callable[[Policy], Strategy]
_SAYS = "see 'One of your own' in docs/strategies.md"


class UnknownStrategyError(Exception):
    """`MM_STRATEGY` names nothing that can be used; the message says what would be valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnStrategy:
    """It, with its faults told."""

    path: str
    inner: Strategy

    @property
    def levels(self) -> int:
        return self.inner.levels

    @property
    def state_kinds(self) -> Mapping[str, type]:
        return self.inner.state_kinds

    @property
    def declared(self) -> Declared:
        found: Declared = getattr(self.inner, "declared", NOTHING_DECLARED)
        return found

    def quote(self, view: View, kept: Kept) -> Quotes:
        try:
            quotes: object = self.inner.quote(view, kept)
        except Exception as error:
            return self._failed(_where(error), kept)
        if isinstance(quotes, Quotes):
            return quotes
        return self._failed(f"quote gave {_kind(quotes)}, not Quotes", kept)

    def _failed(self, why: str, kept: Kept) -> Quotes:
        numbers = (("strategy", self.path), ("error", why))
        halt = Halt(reason=HaltReason.STRATEGY_FAILED, numbers=numbers)
        return Quotes(ladder=Ladder(), halts=(halt,), kept=kept)


def imported(path: str, built_in: tuple[str, ...]) -> Factory:
    """What `package.module:Name` names.

    Raises:
        UnknownStrategyError: where that is nothing that can be called.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise UnknownStrategyError(
            f"{path!r} is no strategy; use {', '.join(built_in)} or an import path such as "
            "'mypackage.quotes:Mine'"
        )
    try:
        factory: object = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # whatever its own code does there
        why = _where(error)
        if isinstance(error, ModuleNotFoundError):
            why += "; install it beside mm-bot, or name the folder that it is in by PYTHONPATH"
        raise UnknownStrategyError(f"{path!r} cannot be imported: {why}") from None
    if factory is None:
        raise UnknownStrategyError(f"{path!r}: {module} has no {name}")
    if not callable(factory):
        what = f"{name} is {_kind(factory)}, not what makes a strategy of a policy"
        raise UnknownStrategyError(f"{path!r}: {what}; {_SAYS}")
    return factory


def built(path: str, factory: Factory, policy: Policy) -> OwnStrategy:
    """The strategy of that policy.

    Raises:
        UnknownStrategyError: where its maker raises, or makes something else.
    """
    try:
        made: object = factory(policy)
    except Exception as error:  # whatever its own code does there
        raise UnknownStrategyError(f"{path!r} cannot be made: {_where(error)}") from None
    lacks = [name for name in ("levels", "state_kinds", "quote") if not hasattr(made, name)]
    if lacks:
        what = f"it made {_kind(made)}, which has no {', '.join(lacks)}"
        raise UnknownStrategyError(f"{path!r}: {what}; {_SAYS}")
    return OwnStrategy(path=path, inner=cast(Strategy, made))


def _where(error: Exception) -> str:
    """What was raised, and the line of the strategy's own code that it came from."""
    frames = [frame for frame in extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    at = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{at}"


def _is_theirs(filename: str) -> bool:
    """Not of this file, and not of the machinery that imports."""
    return filename not in (__file__, importlib.__file__) and not filename.startswith("<")


def _kind(value: object) -> str:
    return f"an object of type {type(value).__name__}"

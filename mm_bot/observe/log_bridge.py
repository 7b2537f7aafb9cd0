"""What others write, in our form: library logging, warnings, and failures nobody caught.

`install` routes the standard library's root logger, `warnings`, and the last-resort hooks of the
interpreter and of threads through one `Log`, so that their lines too are single, structured and
free of secrets. It returns what undoes it. Request lines of HTTP libraries (INFO, one for each
request, with whole URLs) are silenced.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from mm_bot.observe.log import TRACEBACK, Level, Log

_CHATTY = ("httpx", "httpcore", "websockets", "urllib3", "web3", "asyncio")
"""Libraries of which only warnings and worse are wanted."""


class _Bridge(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = max(each for each in Level if each <= max(record.levelno, Level.DEBUG))
        try:
            message = record.getMessage()
        except Exception as error:  # a library's broken format string must not stop the bot
            message = f"{record.msg!r} (its arguments do not fit: {type(error).__name__})"
        fields: dict[str, object] = {"logger": record.name, "message": message}
        if record.exc_info:
            fields[TRACEBACK] = logging.Formatter().formatException(record.exc_info)
        self._log.write(level, "library", fields)


def install(log: Log) -> Callable[[], None]:
    """Routes everything through `log`, from now until the returned function is called."""
    root = logging.getLogger()
    bridge = _Bridge(log)
    loggers = [root, *(logging.getLogger(name) for name in _CHATTY)]
    levels = [each.level for each in loggers]
    handlers = list(root.handlers)
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning

    root.handlers[:] = [bridge]
    root.setLevel(log.level)
    for each in loggers[1:]:
        each.setLevel(max(log.level, logging.WARNING))
    _install_hooks(log)

    def undo() -> None:
        root.handlers[:] = handlers
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
        sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = hooks

    return undo


def _install_hooks(log: Log) -> None:
    interrupted = sys.excepthook

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            interrupted(kind, error, trace)
        else:
            log.exception("uncaught", error)

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else "unknown"
        log.exception("uncaught", args.exc_value or args.exc_type(), thread=name)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        error = args.exc_value or args.exc_type()
        log.exception("uncaught", error, where=args.err_msg or repr(args.object))

    def warned(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        where = f"{filename}:{lineno}"
        log.warning("warning", category=category.__name__, message=str(message), where=where)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable
    warnings.showwarning = warned

"""Claims about what libraries and uncaught errors write."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from mm_bot.observe.log import Log
from mm_bot.observe.log_bridge import install
from mm_bot.observe.redact import MASK
from tests.observe.test_log import json_lines


@contextmanager
def bridged() -> Iterator[tuple[Log, io.StringIO]]:
    """Installed inside of the test, after the test runner has put its own handlers in place."""
    stream = io.StringIO()
    log = Log(stream=stream)
    undo = install(log)
    try:
        yield log, stream
    finally:
        undo()


def test_libraries_are_heard_in_the_same_form() -> None:
    """Library warnings and failures are structured lines; request lines of httpx are not heard."""
    with bridged() as (log, stream):
        log.redactor.add("hunter2hunter2")
        logging.getLogger("httpx").info("HTTP Request: GET https://node/hunter2hunter2")
        logging.getLogger("psycopg").warning("password is %s", "hunter2hunter2")
        logging.getLogger("psycopg").error("bad %d", "format")
        try:
            raise OSError("gone")
        except OSError:
            logging.getLogger("lib").exception("failed")
    first, second, third = json_lines(stream)
    assert first["message"] == f"password is {MASK}"
    assert (first["logger"], first["level"], first["event"]) == ("psycopg", "warning", "library")
    assert "arguments do not fit" in str(second["message"])
    assert "OSError: gone" in str(third["traceback"])


def test_warnings_are_lines() -> None:
    """A warning is one line with its category and place."""
    with bridged() as (_, stream), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning("old", DeprecationWarning, "file.py", 3)
    (line,) = json_lines(stream)
    assert (line["category"], line["where"]) == ("DeprecationWarning", "file.py:3")


def test_installing_can_be_undone() -> None:
    """After undo everything is as it was."""
    before = sys.excepthook, threading.excepthook, logging.getLogger().handlers[:]
    install(Log(stream=io.StringIO()))()
    assert (sys.excepthook, threading.excepthook, logging.getLogger().handlers) == before


PROGRAM = """
import asyncio, sys, threading
from mm_bot.observe.log import Log
from mm_bot.observe.log_bridge import install
log = Log()
log.redactor.add("hunter2hunter2")
install(log)

async def fail():
    raise RuntimeError("task hunter2hunter2")

async def main():
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del task
    import gc; gc.collect()

def in_thread():
    raise RuntimeError("thread hunter2hunter2")

asyncio.run(main())
thread = threading.Thread(target=in_thread)
thread.start(); thread.join()

class Bad:
    def __del__(self):
        raise RuntimeError("del hunter2hunter2")
Bad()
raise RuntimeError("main hunter2hunter2")
"""


def test_what_nobody_caught_is_structured_and_clean() -> None:
    """Uncaught errors of tasks, threads, finalizers and the program itself go through the log,
    without the secret, and the exit code stays what it was."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    texts = [json.dumps(line) for line in lines]
    for word in ("task", "thread", "del", "main"):
        assert any(f"{word} {MASK}" in text for text in texts), word
    assert "hunter2" not in ended.stderr + ended.stdout
    assert ended.returncode == 1

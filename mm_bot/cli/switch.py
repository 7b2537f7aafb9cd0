"""`pause` and `resume`: the kill switch file, created and removed.

Only MM_KILL_SWITCH_FILE must be sound: in an emergency the rest of the settings may be what is
broken. Where the bot answers, the command waits until it says so itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from mm_bot.cli.call import Call
from mm_bot.cli.probe import Status, ask_if_there, bot_url
from mm_bot.core.risk import HaltReason
from mm_bot.errors import NotProvenError, SettingsError
from mm_bot.settings import read_sound

_LOOK_EVERY_S = 0.05
_NAME = "MM_KILL_SWITCH_FILE"


def run(call: Call) -> int:
    path = _path(call)
    pausing = call.text("command") == "pause"
    changed = _create(path) if pausing else _remove(path)
    url = bot_url(call.environment, call.text("url"))
    status = _wait(url, _paused if pausing else _resumed, call.number("within"))
    result: dict[str, object] = {
        "kill_switch_file": str(path),
        "active": pausing,
        "changed": changed,
        "bot": None if status is None else _told(status),
    }
    if call.output.as_json:
        call.output.json(result)
    else:
        done = "is there" if pausing else "is gone"
        call.output.line(f"{path} {done}{'' if changed else ' (it was before)'}", "bold")
        call.output.line(_sentence(url, status))
    if pausing and status is not None and not _paused(status):
        raise NotProvenError(
            f"the bot at {url} still has live orders after {call.number('within'):g} s: does it "
            f"watch {path}? `mm-bot cancel-all --force` cancels them from here"
        )
    return 0


def _path(call: Call) -> Path:
    path = read_sound(call.environment, lambda given: given.run.kill_switch_file, _NAME)
    if path is None:
        raise SettingsError(
            [f"{_NAME} is not set: give the path that the running bot watches, here and there"]
        )
    return path


def _create(path: Path) -> bool:
    """Whether it was not there before. Any entry of that name counts for the bot."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    except OSError as error:
        remedy = "create it by other means, or send SIGTERM with MM_CANCEL_ON_SHUTDOWN=true"
        raise SettingsError(
            [f"{_NAME}={path}: cannot create it: {error.strerror}; {remedy}"]
        ) from None
    with open(descriptor, "w") as file:
        file.write(f"mm-bot pause at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")
    return True


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SettingsError(
            [f"{_NAME}={path}: cannot remove it: {error.strerror}; do it by hand"]
        ) from None
    return True


def _wait(url: str, done: Callable[[Status], bool], within_s: float) -> Status | None:
    """The bot's last word; None where none answers."""
    give_up_at = time.monotonic() + within_s
    while True:
        status = ask_if_there(url)
        if status is None or done(status) or time.monotonic() >= give_up_at:
            return status
        time.sleep(_LOOK_EVERY_S)


def _halted_by_switch(status: Status) -> bool:
    halts = status.get("halts")
    reasons = [halt.get("reason") for halt in halts] if isinstance(halts, list) else []
    return HaltReason.KILL_SWITCH.value in reasons


def _paused(status: Status) -> bool:
    return _halted_by_switch(status) and not status.get("live") and not status.get("unknown")


def _resumed(status: Status) -> bool:
    return "halts" in status and not _halted_by_switch(status)


def _told(status: Status) -> dict[str, object]:
    live = status.get("live")
    return {
        "halted_by_kill_switch": _halted_by_switch(status),
        "live_orders": len(live) if isinstance(live, list) else None,
        "ready": status.get("ready"),
        "not_ready_because": status.get("not_ready_because"),
    }


def _sentence(url: str, status: Status | None) -> str:
    if status is None:
        return f"no bot answers at {url}; one that starts will see the file"
    if _halted_by_switch(status):
        count = len(live) if isinstance(live := status.get("live"), list) else 0
        return f"the bot at {url} is halted by the kill switch; live orders: {count}"
    reasons = status.get("not_ready_because")
    others = ", ".join(map(str, reasons)) if isinstance(reasons, list) and reasons else "none"
    return f"the bot at {url} is not held by the kill switch; other reasons to wait: {others}"

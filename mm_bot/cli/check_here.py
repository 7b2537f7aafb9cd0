"""What `check` looks at on this machine: files, the address of the pages."""

from __future__ import annotations

import socket

from mm_bot.app.state import identity_of, read_only_state_file
from mm_bot.cli.probe import ask_if_there, bot_url, same_bot
from mm_bot.cli.reach import now_ms
from mm_bot.core.policy import OperatorMode
from mm_bot.errors import SettingsError
from mm_bot.host.kill_switch import KillSwitch
from mm_bot.host.mode_file import ModeFile
from mm_bot.host.state_file import StateFile
from mm_bot.settings import Settings
from mm_bot.venues.checks import Checks


def check_here(settings: Settings, checks: Checks) -> None:
    """State file, kill switch, operator mode and pages, each into `checks`."""
    _state_file(settings, checks)
    _switches(settings, checks)
    _pages(settings, checks)


def _state_file(settings: Settings, checks: Checks) -> None:
    path = settings.state_file
    try:
        StateFile(path, identity_of(settings)).check_writable()
        loaded = read_only_state_file(settings).load(now_ms())
    except SettingsError as error:
        checks.unfit("here", "state file", error.faults)
        return
    if loaded.set_aside:
        checks.note("here", "state file", f"{loaded.set_aside}; a start would go on without it")
    elif not loaded.existed:
        checks.note("here", "state file", f"{path} does not exist yet; its folder can be written")
    else:
        count, halt = len(loaded.state.live_orders), loaded.state.last_halt_reason
        detail = f"{path}, names {count} orders, last halt: {halt or 'none'}"
        checks.ok("here", "state file", detail)


def _switches(settings: Settings, checks: Checks) -> None:
    path = settings.kill_switch_file
    switch = KillSwitch(path)
    active = switch.active()
    if path is None:
        checks.note("here", "kill switch", "MM_KILL_SWITCH_FILE is not set: `pause` cannot work")
    elif switch.problem:
        checks.unfit("here", "kill switch", [f"{switch.problem}; it counts as on"])
    elif active:
        checks.note("here", "kill switch", f"{path} is there: nothing is quoted until it is gone")
    else:
        checks.ok("here", "kill switch", f"{path} is not there")
    file = ModeFile(settings.operator_mode_file, settings.mode)
    mode = file.look()
    where = "control file" if file.named_by_file else "settings"
    if file.problem:
        checks.note("here", "operator mode", file.problem)
    elif mode is OperatorMode.NORMAL:
        checks.ok("here", "operator mode", f"{mode.value} ({where})")
    else:
        checks.note("here", "operator mode", f"{mode.value} ({where})")


def _pages(settings: Settings, checks: Checks) -> None:
    host, port = settings.metrics_host, settings.metrics_port
    address = f"{host or '*'}:{port}"
    url = bot_url({"MM_METRICS_ADDR": f"{host}:{port}"}, None)
    status = ask_if_there(url) if port else None
    if status is not None:
        ours = same_bot(
            status,
            chain_id=settings.chain_id,
            market=settings.market_symbol,
            subaccount_id=settings.subaccount_id,
        )
        if ours:
            ready = "ready" if status.get("ready") else "not ready"
            checks.ok("here", "pages", f"this bot runs and answers at {url}, {ready}")
            return
        detail = f"{address} is taken by a bot of another market: give MM_METRICS_ADDR another port"
        checks.unfit("here", "pages", [detail])
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            detail = f"{address}: cannot listen there: {error.strerror}; change MM_METRICS_ADDR"
            checks.unfit("here", "pages", [detail])
            return
    checks.ok("here", "pages", f"{address} is free")

"""What `check` looks at on this machine: keys, files, the address of the pages."""

from __future__ import annotations

import socket

from mm_bot.cli.check_lines import Lines
from mm_bot.cli.probe import ask_if_there, bot_url, same_bot
from mm_bot.cli.reach import now_ms
from mm_bot.core.policy import OperatorMode
from mm_bot.errors import SettingsError
from mm_bot.host.kill_switch import KillSwitch
from mm_bot.host.mode_file import ModeFile
from mm_bot.host.persistent import StateIdentity
from mm_bot.host.state_file import StateFile
from mm_bot.settings import Settings
from mm_bot.settings.keys import checksummed
from mm_bot.venues.numo.signing import Signer

_CODE = SettingsError.exit_code


def check_here(settings: Settings, lines: Lines) -> None:
    _keys(settings, lines)
    _state_file(settings, lines)
    _switches(settings, lines)
    _pages(settings, lines)


def _keys(settings: Settings, lines: Lines) -> None:
    pairs = [("owner", settings.owner_private_key, settings.owner_address)]
    if settings.signer_address != settings.owner_address:
        pairs.append(("signer", settings.signer_private_key, settings.signer_address))
    for who, key, address in pairs:
        signer = Signer(key)
        signer.check()
        assert signer.address == address, "the settings derive it from the key"
        detail = f"{checksummed(address)}, signs and is recovered"
        lines.ok("keys", who, detail)


def _state_file(settings: Settings, lines: Lines) -> None:
    path = settings.state_file
    identity = StateIdentity(
        chain_id=settings.chain_id,
        owner=settings.owner_address,
        market=settings.market_symbol,
        subaccount_id=settings.subaccount_id,
    )
    try:
        StateFile(path, identity).check_writable()
        loaded = StateFile(path, identity, read_only=True).load(now_ms())
    except SettingsError as error:
        lines.failed("here", "state file", "; ".join(error.faults), _CODE)
        return
    if loaded.set_aside:
        lines.note("here", "state file", f"{loaded.set_aside}; a start would go on without it")
    elif not loaded.existed:
        lines.note("here", "state file", f"{path} does not exist yet; its folder can be written")
    else:
        count, halt = len(loaded.state.live_orders), loaded.state.last_halt_reason
        detail = f"{path}, names {count} orders, last halt: {halt or 'none'}"
        lines.ok("here", "state file", detail)


def _switches(settings: Settings, lines: Lines) -> None:
    path = settings.kill_switch_file
    switch = KillSwitch(path)
    active = switch.active()
    if path is None:
        lines.note("here", "kill switch", "MM_KILL_SWITCH_FILE is not set: `pause` cannot work")
    elif switch.problem:
        lines.failed("here", "kill switch", f"{switch.problem}; it counts as on", _CODE)
    elif active:
        lines.note("here", "kill switch", f"{path} is there: nothing is quoted until it is gone")
    else:
        lines.ok("here", "kill switch", f"{path} is not there")
    file = ModeFile(settings.operator_mode_file, settings.mode)
    mode = file.look()
    where = "control file" if file.named_by_file else "settings"
    if file.problem:
        lines.note("here", "operator mode", file.problem)
    elif mode is OperatorMode.NORMAL:
        lines.ok("here", "operator mode", f"{mode.value} ({where})")
    else:
        lines.note("here", "operator mode", f"{mode.value} ({where})")


def _pages(settings: Settings, lines: Lines) -> None:
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
            lines.ok("here", "pages", f"this bot runs and answers at {url}, {ready}")
            return
        detail = f"{address} is taken by a bot of another market: give MM_METRICS_ADDR another port"
        lines.failed("here", "pages", detail, _CODE)
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            detail = f"{address}: cannot listen there: {error.strerror}; change MM_METRICS_ADDR"
            lines.failed("here", "pages", detail, _CODE)
            return
    lines.ok("here", "pages", f"{address} is free")

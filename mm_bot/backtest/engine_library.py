"""hftbacktest's compiled part, found without importing its Python part, and its C functions."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from mm_bot.errors import SettingsError


@cache
def compiled() -> tuple[Any, Any]:
    """The extension module, and the same library as C functions with their types."""
    found = find_spec("hftbacktest")
    if found is None or not found.submodule_search_locations:
        raise SettingsError(["hftbacktest is not installed: pip install 'mm-bot[backtest]'"])
    folder = Path(found.submodule_search_locations[0])
    name = "_hftbacktest"
    path = next(iter(sorted((*folder.glob(f"{name}*.so"), *folder.glob(f"{name}*.pyd")))), None)
    if path is None:
        raise SettingsError([f"hftbacktest in {folder} has no compiled part: install its wheel"])
    spec = spec_from_file_location(name, path, loader=ExtensionFileLoader(name, str(path)))
    assert spec is not None, path
    assert spec.loader is not None, path
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, _typed(ctypes.CDLL(str(path)))


def _typed(lib: ctypes.CDLL) -> ctypes.CDLL:
    pointer, number, real = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_double
    signed, small, yes = ctypes.c_int64, ctypes.c_uint8, ctypes.c_bool
    order = [pointer, number, number, real, real, small, small, yes]
    types: dict[str, tuple[Any, list[Any]]] = {
        "hashmapbt_elapse": (signed, [pointer, number]),
        "hashmapbt_wait_next_feed": (signed, [pointer, yes, signed]),
        "hashmapbt_current_timestamp": (signed, [pointer]),
        "hashmapbt_submit_buy_order": (signed, order),
        "hashmapbt_submit_sell_order": (signed, order),
        "hashmapbt_cancel": (signed, [pointer, number, number, yes]),
        "hashmapbt_orders": (pointer, [pointer, number]),
        "orders_get": (pointer, [pointer, number]),
        "hashmapbt_clear_inactive_orders": (pointer, [pointer, number]),
        "hashmapbt_depth": (pointer, [pointer, number]),
        "hashmapdepth_best_bid_tick": (signed, [pointer]),
        "hashmapdepth_best_ask_tick": (signed, [pointer]),
        "hashmapdepth_bid_qty_at_tick": (real, [pointer, signed]),
        "hashmapdepth_ask_qty_at_tick": (real, [pointer, signed]),
        "hashmapbt_last_trades": (pointer, [pointer, number, ctypes.POINTER(number)]),
        "hashmapbt_clear_last_trades": (pointer, [pointer, number]),
        "hashmapbt_close": (signed, [pointer]),
    }
    for name, (gives, takes) in types.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = gives, takes
    return lib

"""A market maker for on-chain order-book exchanges with signed orders: one process, one market.

Start reading at `bot.py`, which is the whole loop; `core/decide.py` is what it decides.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Final

# Where rich is installed `import httpx` brings its own command line, with rich, pygments and click:
# an eighth of a start, for a function that nobody calls.
_UNUSED: Final = "httpx._main"
if "httpx" not in sys.modules:
    vars(sys.modules.setdefault(_UNUSED, ModuleType(_UNUSED))).setdefault("main", lambda: None)

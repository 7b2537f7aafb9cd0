"""The page for people at `/`: one file without any outside part, which reads `status` beside it.

The server hands out these bytes as they are. All that the page shows comes from `/status` and is
put in as text, never as markup.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def page() -> bytes:
    """The HTML, read from disk once."""
    return files(__name__).joinpath("index.html").read_bytes()

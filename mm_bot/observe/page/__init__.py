"""The page for people at `/`: one file without any outside part, which reads `status` and `history`
beside it.

The server hands out these bytes as they are. All that the page shows comes from there and is put in
as text, never as markup.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def page() -> bytes:
    """The HTML with its pictures' script inside, read from disk once."""
    here = files(__name__)
    return (
        here.joinpath("index.html")
        .read_bytes()
        .replace(b"/* charts.js */", here.joinpath("charts.js").read_bytes())
    )

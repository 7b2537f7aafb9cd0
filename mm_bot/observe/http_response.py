"""What a page answers, and what a page is: a `Handler`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mm_bot.observe.render import to_json

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a handler answers."""

    status: int = 200
    body: bytes
    content_type: str = JSON


Handler = Callable[[str], Response | Awaitable[Response]]
"""Raw query string ("" where none) to the answer."""


def json_response(value: object, status: int = 200) -> Response:
    return Response(status=status, body=to_json(value) + b"\n")

"""How a request ends other than well."""

from __future__ import annotations


class RefusedError(Exception):
    """The answer is this status and `{"error": text}`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

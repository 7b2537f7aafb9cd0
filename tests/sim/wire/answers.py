"""Requests and answers as bytes of HTTP/1.1, and the answers that are none."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from random import Random
from typing import Final

import orjson

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: str
    body: bytes
    urgent: bool = False

    @classmethod
    def of(cls, data: bytes) -> Request:
        """From the bytes of a whole one."""
        head, _, body = data.partition(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        path, _, query = target.partition("?")
        return cls(method, path, query, body)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    kind: str = JSON
    retry_after_s: int | None = None

    @classmethod
    def json(cls, status: int, value: object) -> Answer:
        return cls(status, orjson.dumps(value))

    @classmethod
    def error(cls, status: int, text: str) -> Answer:
        return cls.json(status, {"error": text})

    def encoded(self, now_ms: int) -> bytes:
        """With the server's clock."""
        wait = "" if self.retry_after_s is None else f"retry-after: {self.retry_after_s}\r\n"
        head = (
            f"HTTP/1.1 {self.status} X\r\ndate: {_date(now_ms // 1000)}\r\n{wait}"
            f"content-type: {self.kind}\r\ncontent-length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@lru_cache(maxsize=4)
def _date(now_s: int) -> str:
    return formatdate(now_s, usegmt=True)


GATEWAYS: Final = (
    Answer(502, b"<html>Bad Gateway</html>", "text/html"),
    Answer(503, b"", "text/plain"),
    Answer.error(500, "pq: deadlock detected"),
    Answer(504, b"upstream timed out", "text/plain"),
    Answer(404, b"404 page not found\n", "text/plain"),
    Answer(409, b"<html>Conflict</html>", "text/html"),
    Answer(403, b"<html>Forbidden</html>", "text/html"),
    Answer(200, b"<html>Please log in</html>", "text/html"),
    Answer(503, b"", "text/plain", retry_after_s=2),
)
"""Of what is in between; whether the service was reached, they do not tell."""
REFUSALS: Final = (
    Answer.error(429, "too many requests"),
    Answer(429, b'{"error":"slow down"}', JSON, retry_after_s=1),
    Answer(429, b"", "text/plain", retry_after_s=3),
    Answer.error(403, "forbidden"),
)
"""What did this did nothing else."""


def garbled(answer: Answer, random: Random) -> Answer:
    """The same answer as it must not be believed: no JSON, half of it, other types, other ids."""
    body, half = answer.body, answer.body[: len(answer.body) // 2]
    forms = [
        (b"", JSON),
        (b"<html>" + half, "text/html"),
        (half, JSON),
        (b"null", JSON),
        (b"[" + body + b"]", JSON),
        (b'{"error":"none"}', JSON),
        (b"\xff\xfe" + body, JSON),
        (b"[" * 2_000, JSON),
    ]
    for known in (b'"limit_price":"', b'"nonce":"', b'"desired_amount":"', b'"market":"'):
        if known in body:
            forms.append((body.replace(known, known + b"-", 1), JSON))
    if b'"id":' in body:
        forms.append((body.replace(b'"id":', b'"id":9', 1), JSON))
        forms.append((body.replace(b'"result":', b'"nothing":', 1), JSON))
    spoilt, kind = random.choice(forms)
    return Answer(answer.status, spoilt, kind)

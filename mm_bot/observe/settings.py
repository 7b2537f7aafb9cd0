"""The variables of the pages, the log and readiness."""

from __future__ import annotations

from typing import Annotated

from mm_bot.fields.kinds import LISTEN_ADDRESS, LOG_LEVEL, SECONDS, zero_is_off
from mm_bot.fields.model import Model, variable


class ObserveSettings(Model, title="Pages and log"):
    metrics_addr: Annotated[tuple[str, int], LISTEN_ADDRESS] = variable(
        "MM_METRICS_ADDR",
        "Where `/healthz`, `/readyz` and `/metrics` are served.",
        default="127.0.0.1:8080",
    )
    readiness_missing_quote_timeout_ms: Annotated[int | None, zero_is_off(SECONDS)] = variable(
        "MM_READINESS_MISSING_QUOTE_TIMEOUT_SECONDS",
        "Not ready where a wanted side is missing for longer.",
        default="30",
    )
    soak_log_interval_ms: Annotated[int | None, zero_is_off(SECONDS)] = variable(
        "MM_SOAK_LOG_INTERVAL_SECONDS", "From status line to status line.", default="0"
    )
    log_level: Annotated[str, LOG_LEVEL] = variable(
        "MM_LOG_LEVEL", "The least that is logged.", default="INFO"
    )

    @property
    def metrics_host(self) -> str:
        return self.metrics_addr[0]

    @property
    def metrics_port(self) -> int:
        return self.metrics_addr[1]

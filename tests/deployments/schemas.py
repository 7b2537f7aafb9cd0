"""The published schemas of Kubernetes, offline."""

from __future__ import annotations

from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]

VERSIONS = ("1.30.0", "1.37.0")
"""The oldest and the newest Kubernetes that the manifests are for."""
MisfitError: type[Exception] = kubernetes_validate.ValidationError


def validate(each: dict[str, Any], version: str = VERSIONS[-1]) -> None:
    """Raises MisfitError where an object has a key that the schema does not know, or lacks one."""
    kubernetes_validate.validate(each, version, strict=True)

"""The fleet as Kubernetes manifests: one overlay a market on the base in `deployments/kubernetes`.

The cluster then does the supervising; `kubectl apply -k FOLDER` takes all of them.

Each market has a namespace of its own, as the overlays by hand have, so that its key is within
reach of nothing else. What is secret is never written: its variables are named, and belong into
the Secret `mm-bot-urls` of that namespace, which the base reads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mm_bot.errors import SettingsError
from mm_bot.fields.model import Variable
from mm_bot.fields.secrets import secret_texts
from mm_bot.fleet.plan import Fleet, Market
from mm_bot.settings import models

BASE: Final = Path("deployments/kubernetes/base")
_OF_THE_BASE: Final = frozenset(
    {"MM_METRICS_ADDR", "MM_STATE_FILE", "MM_KILL_SWITCH_FILE", "MM_WAIT_FOR_LOCK"}
)
"""Variables that the base sets for every market: paths in its volume, ports of its pod."""
_KEYSTORE: Final = "MM_OWNER_KEYSTORE_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What was written for one market."""

    market: str
    namespace: str
    secrets: tuple[str, ...]
    """Variables that belong into its Secret `mm-bot-urls`."""


def render(fleet: Fleet, folder: Path, base: Path) -> tuple[Rendered, ...]:
    """Write every overlay below `folder`.

    Raises:
        SettingsError: where the base is not there, or the folder cannot be written.
    """
    if not (base / "kustomization.yaml").is_file():
        raise SettingsError([f"{base}: no kustomization.yaml there; name the base with --base"])
    try:
        rendered = tuple(_overlay(market, folder, base) for market in fleet.markets)
        names = sorted(each.namespace for each in rendered)
        _write(folder / "kustomization.yaml", _kustomization(resources=names))
    except OSError as error:
        fault = f"{folder}: cannot be written: {error.strerror}; name another with --out"
        raise SettingsError([fault]) from None
    return rendered


def _overlay(market: Market, folder: Path, base: Path) -> Rendered:
    label = "".join(c if c.isalnum() else "-" for c in market.name.lower()).strip("-")
    namespace = f"mm-{label}"
    here = folder / namespace
    public, secret = _split(market.environment)
    lines = "".join(f"{name}={text}\n" for name, text in public.items())
    _write(here / "mm-bot.env", f"# Rendered by `mm-bot fleet render`.\n{lines}")
    _write(here / "namespace.yaml", _NAMESPACE.format(namespace=namespace))
    known = {each.name for each in _variables(market.environment)}
    has_keystore = _KEYSTORE in known and "MM_OWNER_PRIVATE_KEY" not in secret
    if not has_keystore:
        _write(here / "no-keystore.yaml", _NO_KEYSTORE)
    _write(
        here / "kustomization.yaml",
        _kustomization(
            resources=["namespace.yaml", os.path.relpath(base, here)],
            namespace=namespace,
            label=market.name,
            patch="" if has_keystore else "no-keystore.yaml",
        ),
    )
    return Rendered(market=market.name, namespace=namespace, secrets=tuple(secret))


def _split(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """What may be written, and the names of what may not."""
    variables = _variables(environment)
    hidden = set(secret_texts(environment, variables, own="MM_"))
    public: dict[str, str] = {}
    secret: list[str] = []
    for name in sorted(environment):
        if not name.startswith("MM_") or name in _OF_THE_BASE or not environment[name]:
            continue
        if any(text in environment[name] for text in hidden):
            secret.append(name)
        else:
            public[name] = environment[name]
    return public, secret


def _variables(environment: Mapping[str, str]) -> list[Variable]:
    sections = models.sections(models.venue_module(environment))
    return [variable for section in sections for variable in section.variables]


def _kustomization(
    *, resources: list[str], namespace: str = "", label: str = "", patch: str = ""
) -> str:
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization"]
    if namespace:
        lines.append(f"namespace: {namespace}")
    lines += ["resources:", *(f"  - {each}" for each in resources)]
    if label:
        lines += ["labels:", "  - pairs:", f"      numo/market: {label}"]
        lines += ["    includeTemplates: true"]
        lines += ["configMapGenerator:", "  - name: mm-bot", "    envs: [mm-bot.env]"]
    if patch:
        lines += ["patches:", f"  - path: {patch}"]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


_NAMESPACE: Final = """\
# Pods that want more than the bot needs are refused.
apiVersion: v1
kind: Namespace
metadata:
  name: {namespace}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""
_NO_KEYSTORE: Final = """\
# The key is in the Secret `mm-bot-urls`, and what the base has for keystore and database is not.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: mm-bot
spec:
  template:
    spec:
      containers:
        - name: mm-bot
          env:
            - name: MM_OWNER_KEYSTORE_FILE
              $patch: delete
            - name: MM_OWNER_KEYSTORE_PASSWORD_FILE
              $patch: delete
            - name: PGSERVICEFILE
              $patch: delete
          volumeMounts:
            - mountPath: /run/secrets/mm-bot
              $patch: delete
      volumes:
        - name: secrets
          $patch: delete
"""

"""What `kubectl apply -k` would send, as kubectl's own kustomize builds it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

Object = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """An address is a text, as it is for kubectl, whose numbers have 64 bits."""


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    text = loader.construct_scalar(node)
    return text if text.startswith("0x") else loader.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _number)


@cache
def build(folder: Path) -> list[Object]:
    """Every object of an overlay; the test is skipped where kubectl is not here."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not here")
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.load_all(done.stdout, _Loader))

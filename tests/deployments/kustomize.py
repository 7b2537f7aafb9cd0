"""What `kustomize build` makes of an overlay, for the part of it that our files use.

Known: resources (files and folders), namespace, labels (into metadata and templates), environment
files into ConfigMaps, tags of images, and strategic-merge patches by path. Any other key is a
fault, so that nothing is silently left out. A generated ConfigMap gets a hash of its content in its
name, and so does every reference to it: a change of a setting restarts the bot. (The hash is not
kustomize's own; its value means nothing.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from tests.deployments.operators import env_file

Object = dict[str, Any]
KNOWN = {
    "apiVersion",
    "kind",
    "resources",
    "namespace",
    "labels",
    "configMapGenerator",
    "images",
    "patches",
}
MERGE_KEYS = {
    "containers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
}
"""Lists that a patch adds to, by what tells their items apart; it replaces all others whole."""
CLUSTER_WIDE = {"Namespace"}


def build(folder: Path) -> list[Object]:
    """Every object of a kustomization, in the order of its resources."""
    recipe: Object = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(recipe) <= KNOWN, f"{folder}: {set(recipe) - KNOWN} is not known here"
    found: list[Object] = []
    for resource in recipe["resources"]:
        path = folder / resource
        found.extend(build(path) if path.is_dir() else _load(path))
    renamed: dict[str, str] = {}
    for generator in recipe.get("configMapGenerator", []):
        found.append(_config_map(folder, generator, renamed))
    for each in recipe.get("patches", []):
        for patch in _load(folder / each["path"]):
            target = _find(found, patch)
            found[found.index(target)] = merged(target, patch)
    for each in found:
        if "namespace" in recipe and each["kind"] not in CLUSTER_WIDE:
            each["metadata"]["namespace"] = recipe["namespace"]
        for labels in recipe.get("labels", []):
            _add_labels(each, labels)
        for image in recipe.get("images", []):
            _walk(each, lambda part, image=image: _tag(part, image))  # type: ignore[misc]
        _walk(each, lambda part: _rename(part, renamed))
    return found


def merged(target: Any, patch: Any, key: str = "") -> Any:
    """A strategic merge: objects by key, lists of named things by name, all else replaced; null
    takes away, and so does `$patch: delete` in a named thing."""
    if isinstance(target, dict) and isinstance(patch, dict):
        result = deepcopy(target)
        for name, value in patch.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = merged(result.get(name), value, name)
        return result
    if isinstance(target, list) and isinstance(patch, list) and key in MERGE_KEYS:
        return _merged_by(target, patch, MERGE_KEYS[key])
    return deepcopy(patch)


def _merged_by(target: list[Object], patch: list[Object], key: str) -> list[Object]:
    found = list(target)
    for item in patch:
        same = next((old for old in found if old[key] == item[key]), None)
        if item.get("$patch") == "delete":
            found.remove(same or item)
        elif same is None:
            found.append(deepcopy(item))
        else:
            found[found.index(same)] = merged(same, item)
    return found


def _load(file: Path) -> list[Object]:
    return [each for each in yaml.safe_load_all(file.read_text()) if each is not None]


def _find(objects: list[Object], patch: Object) -> Object:
    (target,) = (
        each
        for each in objects
        if each["kind"] == patch["kind"] and each["metadata"]["name"] == patch["metadata"]["name"]
    )
    return target


def _config_map(folder: Path, generator: Object, renamed: dict[str, str]) -> Object:
    assert set(generator) == {"name", "envs"}, generator
    data: dict[str, str] = {}
    for name in generator["envs"]:
        data.update(env_file(folder / name))
    content = json.dumps(data, sort_keys=True).encode()
    renamed[generator["name"]] = f"{generator['name']}-{hashlib.sha256(content).hexdigest()[:10]}"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": renamed[generator["name"]]},
        "data": data,
    }


def _add_labels(each: Object, labels: Object) -> None:
    assert set(labels) <= {"pairs", "includeTemplates"}, labels
    each["metadata"].setdefault("labels", {}).update(labels["pairs"])
    template = each.get("spec", {}).get("template")
    if labels.get("includeTemplates") and template is not None:
        template["metadata"].setdefault("labels", {}).update(labels["pairs"])


def _walk(part: Any, visit: Callable[[Object], None]) -> None:
    if isinstance(part, dict):
        visit(part)
        for value in part.values():
            _walk(value, visit)
    elif isinstance(part, list):
        for value in part:
            _walk(value, visit)


def _tag(part: Object, image: Object) -> None:
    name = part.get("image")
    if isinstance(name, str) and name.partition(":")[0] == image["name"]:
        part["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"


def _rename(part: Object, renamed: dict[str, str]) -> None:
    reference = part.get("configMapRef")
    if isinstance(reference, dict):
        reference["name"] = renamed.get(reference["name"], reference["name"])

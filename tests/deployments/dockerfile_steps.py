"""The steps of a Dockerfile, and their execution in a folder where there is no daemon.

`parse` gives the steps; `Build` takes them in order as a builder would: COPY from the context (what
.dockerignore leaves of it) or from the stage before, RUN in a shell with no environment but its
own, WORKDIR and ENV. The base image is a Python on PATH; the folders that the steps use are under
one root for all stages. Only what our Dockerfile uses is known; anything else is a fault.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

FOLDERS = re.compile(r"(?<![\w./:-])(?=/(?:opt|src|var/lib)\b)")
"""Before every path that belongs to the image, in commands and in values."""
PASSED_ON = re.compile(r"(PIP|SSL|REQUESTS|CURL)_\w+|\w+_proxy|HOME", re.IGNORECASE)
"""What a builder's machine gives every RUN: how packages are reached."""
NOTED = ("USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "FROM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction, its flags apart."""

    kind: str
    rest: str
    flags: tuple[str, ...] = ()


def parse(text: str) -> list[Step]:
    """Every instruction in order; comments are gone and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    steps = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        kind, _, rest = line.strip().partition(" ")
        if not kind:
            continue
        words = rest.split()
        flags = [word for word in words if word.startswith("--")] if kind != "RUN" else []
        if flags:
            rest = rest[rest.rindex(flags[-1]) + len(flags[-1]) :]
        steps.append(Step(kind=kind, rest=" ".join(rest.split()), flags=tuple(flags)))
    return steps


@dataclass(slots=True, kw_only=True)
class Build:
    """One build. `noted` holds what describes the image and is not executed."""

    context: Path
    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)
    _here: str = "/"

    def run(self, steps: list[Step]) -> None:
        """All of them; raises where one fails."""
        (self.root / "base").mkdir(parents=True)
        (self.root / "base" / "python").symlink_to(sys.executable)
        for step in steps:
            if step.kind in NOTED:
                self._note(step)
            elif step.kind == "ENV":
                for pair in shlex.split(step.rest):
                    name, _, value = pair.partition("=")
                    self.environment[name] = self.placed(value)
            elif step.kind == "WORKDIR":
                self._here = step.rest
                self.inside(step.rest).mkdir(parents=True, exist_ok=True)
            elif step.kind == "COPY":
                self._copy(step)
            else:
                assert step.kind == "RUN", step
                self._run(step.rest)

    def inside(self, path: str) -> Path:
        """Where a path of the image is."""
        return self.root / PurePosixPath(self._here, path).relative_to("/")

    def placed(self, text: str) -> str:
        """A text with every path of the image replaced by where it is."""
        return FOLDERS.sub(str(self.root), text)

    def entrypoint(self) -> list[str]:
        """The program that a container runs."""
        words: list[str] = json.loads(self.noted["ENTRYPOINT"])
        found = shutil.which(words[0], path=self.environment["PATH"])
        assert found is not None, f"{words[0]} is not on the image's PATH"
        return [found, *words[1:]]

    def _note(self, step: Step) -> None:
        self.noted[step.kind] = step.rest
        if step.kind == "FROM":  # a new stage has the base image's environment
            self.environment.clear()
            self._here = "/"

    def _copy(self, step: Step) -> None:
        *sources, target = step.rest.split()
        goal = self.inside(target)
        if any(flag.startswith("--from=") for flag in step.flags):
            (source,) = sources
            if self.inside(source) != goal:
                shutil.copytree(self.inside(source), goal, dirs_exist_ok=True)
            return
        for source in sources:
            self._copy_from_context(source, goal / source if target == "./" else goal)

    def _copy_from_context(self, source: str, goal: Path) -> None:
        rules = ignore_rules(self.context)
        origin = self.context / source
        files = (
            [origin] if origin.is_file() else sorted(p for p in origin.rglob("*") if p.is_file())
        )
        copied = 0
        for file in files:
            if ignored(file.relative_to(self.context), rules):
                continue
            to = goal if origin.is_file() else goal / file.relative_to(origin)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
            copied += 1
        assert copied, f"COPY {source}: there is no such thing in the context"

    def _run(self, command: str) -> None:
        passed_on = {k: v for k, v in os.environ.items() if PASSED_ON.fullmatch(k)}
        path = os.pathsep.join([str(self.root / "base"), "/usr/local/bin", "/usr/bin", "/bin"])
        done = subprocess.run(
            ["/bin/sh", "-c", self.placed(command)],
            cwd=self.inside(""),
            env={**passed_on, "PATH": path, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"RUN {command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def ignore_rules(context: Path) -> list[str]:
    """The patterns of .dockerignore, in order."""
    lines = (context / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def ignored(file: Path, rules: list[str]) -> bool:
    """Whether a file stays out of the context: the last rule that fits it, or a folder that it is
    in, decides."""
    verdict = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        if pattern.startswith("**/"):
            fits = any(fnmatch(part, pattern[3:]) for part in file.parts)
        else:
            fits = fnmatch(file.parts[0], pattern)
        if fits:
            verdict = not rule.startswith("!")
    return verdict

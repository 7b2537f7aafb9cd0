"""A file whose content is replaced whole and durably: `Disk`."""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """The four steps of a durable write, apart, so that a test can die between any two."""

    def write(self, path: Path, content: bytes) -> None:
        """Writes and syncs the temporary file."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        """So that the rename itself survives a power cut."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace_content(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(path.name + ".tmp")
        self.write(temporary, content)
        self.rename(temporary, path)
        self.sync_folder(path.parent)

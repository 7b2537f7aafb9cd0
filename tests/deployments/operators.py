"""What an operator adds to the files of a deployment: keys, and where they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from eth_keyfile.keyfile import create_keyfile_json

from mm_bot.settings import Settings, load

KEY = b"\x11" * 32
PASSWORD = b"a password"


def env_file(file: Path) -> dict[str, str]:
    """`NAME=value` lines, as systemd and kustomize read them alike: no quotes, no expansion."""
    found: dict[str, str] = {}
    for line in file.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        assert equals, line
        assert name.replace("_", "").isalnum(), line
        assert value == value.strip(" \"'"), f"{line}: quotes and spaces mean different things"
        assert name not in found, f"{name} twice"
        found[name] = value
    return found


def keystore(folder: Path) -> dict[str, Path]:
    """A keystore and its password, where nobody waits for the key's derivation."""
    made = create_keyfile_json(KEY, PASSWORD, kdf="pbkdf2", iterations=1)
    (folder / "owner-keystore").write_text(json.dumps(made))
    (folder / "owner-password").write_bytes(PASSWORD + b"\n")
    return {
        "MM_OWNER_KEYSTORE_FILE": folder / "owner-keystore",
        "MM_OWNER_KEYSTORE_PASSWORD_FILE": folder / "owner-password",
    }


def settings_of(environment: Mapping[str, str], folder: Path) -> Settings:
    """What the bot reads of an environment, with a keystore in place of the operator's own.

    Raises:
        SettingsError: with every fault.
    """
    own = {name: str(path) for name, path in keystore(folder).items()}
    assert own.keys() <= environment.keys(), "the keystore is not named"
    return load({**environment, **own})


SECRET_NAMES = ("PRIVATE_KEY", "PASSWORD", "API_KEY", "SECRET", "TOKEN")


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """Variables that hold a secret itself, instead of the file that it is in."""
    return [
        name
        for name, value in environment.items()
        if (any(word in name for word in SECRET_NAMES) and not name.endswith("_FILE"))
        or ("://" in value and ":" in value.partition("://")[2].partition("@")[0] and "@" in value)
    ]

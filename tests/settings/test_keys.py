"""Keys, addresses, keystores."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from Crypto.Hash import keccak
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_bot.fields.keccak import keccak_256
from mm_bot.fields.keys import (
    address_of,
    checksummed,
    parse_address,
    parse_private_key,
    read_keystore,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY = bytes.fromhex("4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d")
PASSWORD = "correct horse battery"


def keystore(password: str = PASSWORD) -> dict[str, Any]:
    """A keystore of `KEY` that opens fast."""
    return dict(Account.encrypt(KEY, password, kdf="pbkdf2", iterations=10))


def write(folder: Path, content: object, password: bytes) -> tuple[Path, Path]:
    """A keystore file and its password file."""
    file, password_file = folder / "keystore.json", folder / "password"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    password_file.write_bytes(password)
    return file, password_file


@given(st.binary(max_size=400))
def test_the_fast_hash_is_that_of_the_library_it_stands_for(data: bytes) -> None:
    """Whichever library is installed, the bytes are the same."""
    assert keccak_256(data) == keccak.new(digest_bits=256, data=data).digest()


def test_keccak_is_the_chain_s_own() -> None:
    """The hash of nothing is Keccak's, not SHA3's."""
    assert keccak_256(b"").hex().startswith("c5d2460186f7233c927e7db2dcc703c0")


@settings(max_examples=30)
@given(st.integers(min_value=1, max_value=ORDER - 1))
def test_addresses_agree_with_an_independent_library(number: int) -> None:
    """For any key the address and its checksum are those of eth-account."""
    key = number.to_bytes(32, "big")
    independent = Account.from_key(key).address
    assert checksummed(address_of(key)) == independent
    assert parse_address(independent) == address_of(key)


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
    ],
)
def test_the_examples_of_the_checksum_s_standard_hold(address: str) -> None:
    """EIP-55's own examples are spelled as there, and accepted."""
    assert checksummed(address) == address
    assert parse_address(address) == address.lower()


def test_a_wrong_checksum_is_refused_with_the_remedy() -> None:
    """Mixed case whose checksum does not fit is a typo until somebody has looked at it."""
    with pytest.raises(ValueError, match="lower case"):
        parse_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD")


@pytest.mark.parametrize("text", ["", "0x", "0x" + "1" * 39, "1" * 40, "0x" + "g" * 40, "0x1\n"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """Only 0x and 40 hexadecimal digits are an address."""
    with pytest.raises(ValueError, match="40 hexadecimal digits"):
        parse_address(text)


def test_a_key_may_lack_its_prefix() -> None:
    """The same key is read with and without 0x, in either case."""
    assert parse_private_key("0x" + KEY.hex()) == KEY
    assert parse_private_key(KEY.hex().upper()) == KEY


@pytest.mark.parametrize(
    "text",
    ["", "0x", "11" * 31, "11" * 33, "zz" * 32, "00" * 32, f"{ORDER:064x}", "0x" + "f" * 64],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    """A malformed or out-of-range key is refused, and the message has nothing of it."""
    with pytest.raises(ValueError, match=r"give|no key") as caught:
        parse_private_key(text)
    assert len(text) < 4 or text not in str(caught.value)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n"])
def test_a_keystore_gives_back_its_key(tmp_path: Path, ending: bytes) -> None:
    """A keystore opens with its password, whatever newline the password's file ends with."""
    assert read_keystore(*write(tmp_path, keystore(), PASSWORD.encode() + ending)) == KEY


def test_a_password_keeps_its_spaces_and_its_letters(tmp_path: Path) -> None:
    """Only newlines are stripped; blanks and other alphabets are part of a password."""
    password = " naïve pässword\t "
    files = write(tmp_path, keystore(password), password.encode() + b"\n")
    assert read_keystore(*files) == KEY


DAMAGED: list[tuple[object, str]] = [
    ("{", "is not JSON"),
    ([], "is not a keystore"),
    ({"version": 3}, "is not a keystore"),
    ({"version": 3, "crypto": None}, "does not open"),
    ({"version": 3, "crypto": {}}, "does not open"),
    ({"version": 9, "crypto": {}}, "another kind"),
    (keystore() | {"version": 1}, "does not open|another kind"),
    (keystore("another password"), "does not open"),
    (keystore() | {"crypto": keystore()["crypto"] | {"ciphertext": "zz"}}, "does not open"),
    (keystore() | {"crypto": keystore()["crypto"] | {"kdf": "md5"}}, "another kind|does not open"),
]


@pytest.mark.parametrize(("content", "complaint"), DAMAGED)
def test_a_keystore_that_does_not_open_names_its_file(
    tmp_path: Path, content: object, complaint: str
) -> None:
    """Whatever is wrong with a keystore, the message names the file and not the password."""
    file, password_file = write(tmp_path, content, PASSWORD.encode())
    with pytest.raises(ValueError, match=complaint) as caught:
        read_keystore(file, password_file)
    assert str(file) in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_missing_file_is_the_one_that_is_named(tmp_path: Path) -> None:
    """Of two files the message names the one that cannot be read."""
    file, password_file = write(tmp_path, keystore(), b"")
    password_file.unlink()
    with pytest.raises(ValueError, match="password cannot be read: No such file"):
        read_keystore(file, password_file)
    file.unlink()
    with pytest.raises(ValueError, match=r"keystore\.json cannot be read: No such file"):
        read_keystore(file, password_file)


def test_a_keystore_leaves_the_limit_on_recursion_alone(tmp_path: Path) -> None:
    """What reads it raises it where nobody looks: a body nested deep would then end the process."""
    files = map(str, write(tmp_path, keystore(), PASSWORD.encode()))
    program = (
        "import sys; from pathlib import Path; from mm_bot.fields.keys import read_keystore\n"
        "before = sys.getrecursionlimit(); read_keystore(*map(Path, sys.argv[1:]))\n"
        "sys.exit(sys.getrecursionlimit() != before)"
    )
    done = subprocess.run([sys.executable, "-c", program, *files], check=False)
    assert done.returncode == 0

"""Private keys and addresses: from one to the other, their spelling, and keys in keystore files.

An address is lower-case text, `0x` and 40 hexadecimal digits, everywhere but where a person may
see it: `checksummed` gives the mixed-case spelling. A private key is 32 bytes. No message here
contains a key, a password or a piece of one; what concerns a file names the file.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import orjson
from coincurve import PrivateKey

from mm_bot.fields.keccak import keccak_256

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


def address_of(private_key: bytes) -> str:
    """The address that signs with this key, in lower case."""
    public = PrivateKey(private_key).public_key.format(compressed=False)
    return "0x" + keccak_256(public[1:])[-20:].hex()


def checksummed(address: str) -> str:
    """The mixed-case spelling of EIP-55, whose case checks the digits."""
    digits = address[2:].lower()
    marks = keccak_256(digits.encode("ascii")).hex()
    cased = (d.upper() if int(m, 16) >= 8 else d for d, m in zip(digits, marks, strict=False))
    return "0x" + "".join(cased)


def parse_address(text: str) -> str:
    """The address in lower case.

    Raises:
        ValueError: for anything but 0x and 40 hexadecimal digits, and for mixed case that does not
            fit its own checksum: somebody mistyped a digit.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError("give an address: 0x and 40 hexadecimal digits")
    digits = text[2:]
    mixed = digits not in (digits.lower(), digits.upper())
    if mixed and checksummed(text) != text:
        raise ValueError(
            "its mixed case does not fit its checksum, so a digit may be wrong: "
            "compare it with its source, then write it in lower case"
        )
    return text.lower()


def parse_private_key(text: str) -> bytes:
    """The 32 bytes of a key.

    Raises:
        ValueError: where it is not 64 hexadecimal digits (0x before them or not), or no key of
            the curve.
    """
    found = _KEY.fullmatch(text)
    if found is None:
        raise ValueError("give 32 bytes as 64 hexadecimal digits, with or without 0x")
    return _on_the_curve(bytes.fromhex(found.group(1)))


def read_keystore(file: Path, password_file: Path) -> bytes:
    """The key in a keystore JSON (version 3); trailing newlines of the password are not part of it.

    Raises:
        ValueError: where a file cannot be read, is no keystore, or the password does not fit.
    """
    encrypted = _read(file)
    password = _read(password_file).rstrip(b"\r\n")
    try:
        content: object = orjson.loads(encrypted)  # has a bound on nesting
    except ValueError:
        raise ValueError(f"{file} is not JSON; give a keystore JSON file") from None
    if not isinstance(content, dict) or not {"crypto", "Crypto"} & content.keys():
        raise ValueError(f"{file} is not a keystore: it has no 'crypto' part")
    return _on_the_curve(_decrypt(content, password, file, password_file))


def _decrypt(content: dict[str, object], password: bytes, file: Path, password_file: Path) -> bytes:
    # Costs most of a second and 40 MB; only who keeps the key in a keystore pays for it.
    # What it imports raises Python's limit on recursion a hundredfold, beyond which the stack ends:
    # then a body that is nested deep would end the process, not its parser.
    limit = sys.getrecursionlimit()
    from eth_keyfile.keyfile import decode_keyfile_json

    sys.setrecursionlimit(limit)

    try:
        key = decode_keyfile_json(content, password)
    except NotImplementedError:
        raise ValueError(
            f"{file} is a keystore of another kind; write it again as version 3, "
            "aes-128-ctr, with scrypt or pbkdf2"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError):
        raise ValueError(
            f"{file} does not open with the password in {password_file}: "
            "give the password it was written with, or an undamaged copy"
        ) from None
    return bytes(key)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in the path
        raise ValueError("the path of that file cannot exist") from None


def _on_the_curve(key: bytes) -> bytes:
    try:
        PrivateKey(key)
    except ValueError:
        raise ValueError("it is no key: zero, or not below the order of the curve") from None
    return key

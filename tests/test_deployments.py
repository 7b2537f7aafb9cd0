"""The known deployments, and the reading of files in their format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import deployments
from mm_bot.fields.keys import parse_address

ADDRESS = "0x9E90A9cD13d859Bd6a08168082FB1F6F7405F191"


def test_base_has_the_published_addresses() -> None:
    """Chain 8453 resolves to every address that the exchange publishes for it."""
    base = deployments.load(8453)
    assert base == deployments.Deployment(
        chain_id=8453,
        matching="0x9E90A9cD13d859Bd6a08168082FB1F6F7405F191",
        trade="0x44813aD30b2fFC1bB2871Eed9b19F63c8196eD1c",
        sub_accounts="0x7019244E25FA416e6Ca2ed2F3cA25277aef72843",
        cash="0x6B232A2155Bd0C9bf741dB4cf8E7e8A0176A6fc6",
        deposit="0x6540f8d9Eb599b045C05E45cb6a5B1730a806658",
        withdrawal="0x0a10AE2f5D2482cE1e43bC309D430B8861C2b5aB",
        wrapped_cngn="0x9D806fD040a719D27a8E5E77dc5aE0ED1e089493",
        usdc="0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
        feed="0xdfbb5Cbc88E382de007bfe6CE99C388176ED80aD",
    )


def test_base_sepolia_has_the_published_addresses() -> None:
    """Chain 84532 resolves to its four addresses, and says None of what is not published."""
    sepolia = deployments.load(84532)
    assert sepolia.matching == "0x1599636347FD5bA1fBE21D58AfE0b8B9cbe283FF"
    assert sepolia.trade == "0x0AAE65AaA66Fe7f54486cDbD007956d3De611990"
    assert sepolia.sub_accounts == "0xaaA53649Eb98eED1517cA216A95eB5ba9Eb84e27"
    assert sepolia.cash == "0x5AE072C6144E352Aa678417b0c4B530f325Dd26f"
    assert sepolia.feed is None


@pytest.mark.parametrize("chain_id", deployments.known_chains())
def test_every_address_in_the_files_fits_its_checksum(chain_id: int) -> None:
    """No digit of a packaged address is mistyped."""
    for file in (Path(deployments.__file__).parent / str(chain_id)).glob("*.json"):
        for address in json.loads(file.read_text()).values():
            assert parse_address(address) == address.lower()


def test_an_unknown_chain_names_the_known_ones() -> None:
    """A chain without a deployment is refused, and the message says which there are."""
    with pytest.raises(deployments.DeploymentError, match=r"chain 1 \(known: 8453, 84532\)"):
        deployments.load(1)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"{}", "has no address under 'matching' and 'trade'"),
        (b'{"matching": 5, "trade": "0x12"}', "has no address under 'matching' and 'trade'"),
        (json.dumps({"matching": ADDRESS}).encode(), "has no address under 'trade'"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    """Whatever a file contains, the message names the file and what it lacks."""
    file = tmp_path / "matching.json"
    file.write_bytes(content)
    with pytest.raises(deployments.DeploymentError) as caught:
        deployments.read_addresses(file, "matching", "trade")
    assert str(file) in str(caught.value)
    assert complaint in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is named with the system's reason."""
    with pytest.raises(deployments.DeploymentError, match=r"core\.json cannot be read: No such"):
        deployments.read_addresses(tmp_path / "core.json", "cash")


def test_members_that_are_no_address_are_left_out(tmp_path: Path) -> None:
    """Other members of the exchange's files do no harm."""
    file = tmp_path / "matching.json"
    file.write_text(json.dumps({"matching": ADDRESS, "version": 3, "note": "hello"}))
    assert deployments.read_addresses(file, "matching") == {"matching": ADDRESS}

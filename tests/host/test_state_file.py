"""Claims about what the state file holds, and about surviving whatever it holds."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.errors import SettingsError
from mm_bot.host.persistent import LiveOrder, PersistentState
from mm_bot.host.state_file import StateFile
from mm_bot.host.state_text import decode, encode
from tests.host.state_helpers import FULL, OURS, DyingDisk, store


def test_the_founding_fields_are_at_the_top_level(tmp_path: Path) -> None:
    """The file is one JSON object with every field of the founding text in snake case."""
    path = tmp_path / "state.json"
    store(path, FULL)
    content = json.loads(path.read_text())
    assert content["last_halt_reason"] == "kill switch active"
    assert content["last_inventory_snapshot"]["inventory"] == "-12.000000000000000001"
    assert content["next_buy_nonce"] == 2**62 + 1
    assert {each.name for each in fields(PersistentState)} < set(content)
    assert {"version", "chain_id", "owner", "market", "subaccount_id"} < set(content)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """Every field survives a restart to the last digit."""
    path = tmp_path / "state.json"
    store(path, FULL)
    loaded = StateFile(path, OURS).load(1)
    assert loaded.state == FULL
    assert loaded.existed
    assert loaded.set_aside is None


def test_no_file_is_a_fresh_start(tmp_path: Path) -> None:
    """Nothing there is nothing to report."""
    loaded = StateFile(tmp_path / "state.json", OURS).load(1)
    assert loaded.state == PersistentState()
    assert (loaded.existed, loaded.set_aside) == (False, None)


@given(st.integers(0, len(encode(FULL, OURS)) - 3))
def test_no_part_of_a_file_passes_for_the_whole(length: int) -> None:
    """A file cut at any byte is noticed."""
    with pytest.raises(Exception, match="torn") as caught:
        decode(encode(FULL, OURS)[:length], OURS)
    assert type(caught.value).__name__ == "ForeignStateError"


def changed(**values: object) -> bytes:
    return json.dumps(json.loads(encode(FULL, OURS)) | values).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "torn"),
        (b"\x00" * 300, "torn"),
        (b"\xff\xfe", "torn"),
        (b"[" * 100_000, "torn"),
        (b"[1]", "no JSON object"),
        (b"{}", "version is None"),
        (changed(version=2), "version is 2"),
        (changed(version=True), "version is True"),
        (changed(owner="0xother"), "owner is '0xother'"),
        (changed(market="B-SPOT"), "market is 'B-SPOT'"),
        (changed(subaccount_id=11), "subaccount_id is 11"),
        (changed(chain_id=84532), "chain_id is 84532"),
        (changed(nonce_reserved_until="7"), "nonce_reserved_until makes no sense"),
        (changed(next_buy_nonce=-1), "next_buy_nonce makes no sense"),
        (changed(next_sell_nonce=1.5), "next_sell_nonce makes no sense"),
        (changed(last_halt_reason=3), "last_halt_reason makes no sense"),
        (changed(last_inventory_snapshot={"inventory": "x", "at_ms": 1}), "makes no sense: 'x'"),
        (changed(last_inventory_snapshot={"inventory": 1.5, "at_ms": 1}), "makes no sense: 1.5"),
        (changed(last_inventory_snapshot=[]), "makes no sense"),
        (changed(live_orders=[{"order_id": 1}]), "live_orders makes no sense"),
        (changed(live_orders=[{"order_id": "x", "price": "-1"}]), "live_orders.price makes no"),
        (changed(live_orders=[{"order_id": "x", "size": 1.5}]), "live_orders.size makes no sense"),
        (changed(live_orders=[{"order_id": "x", "notional": "1E+300"}]), "live_orders.notional"),
        (changed(live_orders=3), "live_orders makes no sense"),
        (changed(books=[]), "books makes no sense"),
        (changed(fills_cursor=True), "fills_cursor makes no sense"),
    ],
)
def test_a_bad_file_is_set_aside_and_survived(tmp_path: Path, content: bytes, reason: str) -> None:
    """Whatever is in the file, the start goes on, the content is kept, and the reason is told."""
    path = tmp_path / "state.json"
    path.write_bytes(content)
    loaded = StateFile(path, OURS).load(1_795_264_180_000)
    assert loaded.state == PersistentState()
    assert loaded.set_aside is not None
    assert reason in loaded.set_aside
    aside = tmp_path / "state.json.set-aside-1795264180000"
    assert aside.read_bytes() == content
    assert not path.exists()


def test_an_order_of_an_older_file_is_known_by_its_id_alone() -> None:
    """Earlier versions kept no price and no size of it."""
    old = {"order_id": "mm:A-SPOT:buy:1", "nonce": 1, "expiry_s": 2}
    (order,) = decode(changed(live_orders=[old]), OURS).live_orders
    assert order == LiveOrder(order_id="mm:A-SPOT:buy:1", nonce=1, expiry_s=2)


def test_setting_aside_never_overwrites(tmp_path: Path) -> None:
    """Two bad files in one millisecond are both kept."""
    path = tmp_path / "state.json"
    for content in ("first", "second"):
        path.write_text(content)
        StateFile(path, OURS).load(5)
    kept = sorted(each.read_text() for each in tmp_path.iterdir())
    assert kept == ["first", "second"]


def test_the_owner_is_compared_in_lower_case(tmp_path: Path) -> None:
    """A checksummed address and its lower-case form are one owner."""
    path = tmp_path / "state.json"
    store(path, FULL)
    lower = replace(OURS, owner=OURS.owner.lower())
    assert StateFile(path, lower).load(1).state == FULL


def test_a_missing_folder_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    """The fault names the variable, the path and the remedy, before anything is contacted."""
    with pytest.raises(SettingsError, match=r"MM_STATE_FILE=.*none.*create it"):
        StateFile(tmp_path / "none" / "state.json", OURS).check_writable()


def test_a_folder_in_its_place_is_a_fault(tmp_path: Path) -> None:
    """A path that is a folder is told as such, at the check and at the load."""
    with pytest.raises(SettingsError, match="that is a folder"):
        StateFile(tmp_path, OURS).check_writable()
    with pytest.raises(SettingsError, match="cannot read it"):
        StateFile(tmp_path, OURS).load(1)


def test_a_full_disk_is_a_fault_at_start(tmp_path: Path) -> None:
    """The check writes for real, so a disk that takes nothing is found at once."""
    with pytest.raises(SettingsError, match="No space left on device"):
        StateFile(tmp_path / "state.json", OURS, disk=DyingDisk("sync")).check_writable()


def test_the_check_leaves_nothing_behind(tmp_path: Path) -> None:
    """Checking changes neither the file nor the folder."""
    path = tmp_path / "state.json"
    store(path, FULL)
    StateFile(path, OURS).check_writable()
    assert os.listdir(tmp_path) == ["state.json"]
    assert StateFile(path, OURS).load(1).state == FULL


@pytest.mark.parametrize("content", [encode(FULL, OURS), b"torn"])
def test_a_dry_run_leaves_the_file_alone(tmp_path: Path, content: bytes) -> None:
    """Read-only, nothing is written, moved or removed, and everything else works as ever."""
    path = tmp_path / "state.json"
    path.write_bytes(content)

    async def scenario() -> None:
        file = StateFile(path, OURS, read_only=True)
        file.check_writable()
        loaded = file.load(1)
        assert loaded.existed == (content != b"torn")
        assert (loaded.set_aside is not None) == (content == b"torn")
        await file.reserve_nonces(2**80)
        file.save(PersistentState(fills_cursor=5))
        await file.flush()
        assert file.state.nonce_reserved_until == 2**80

    asyncio.run(scenario())
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]
    assert path.read_bytes() == content


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A state file that is a link to a volume is written there, and stays a link."""
    volume = tmp_path / "volume"
    volume.mkdir()
    link = tmp_path / "state.json"
    link.symlink_to(volume / "state.json")
    store(link, FULL)
    assert link.is_symlink()
    assert StateFile(volume / "state.json", OURS).load(1).state == FULL

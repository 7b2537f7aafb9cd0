"""Claims about the systemd units and the example files beside them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from mm_bot import errors
from mm_bot.fleet.parent import PROVE_WITHIN_S, STOP_WITHIN_S
from mm_bot.host.notify import EXTENSION_S, INTERVAL_S
from tests.deployments.operators import env_file, secrets_in, settings_of

FOLDER = Path(__file__).parents[2] / "deployments" / "systemd"
BOT = FOLDER / "mm-bot@.service"
FLEET = FOLDER / "mm-fleet.service"
UNITS = sorted(FOLDER.glob("*.service"))
EXAMPLES = sorted(FOLDER.glob("usdc*.env.example"))
Unit = dict[str, dict[str, list[str]]]
each_unit = pytest.mark.parametrize("file", UNITS, ids=lambda file: file.stem)


def unit(file: Path) -> Unit:
    """Section to key to its values, one for each time that the key is given."""
    found: Unit = {}
    for line in file.read_text().splitlines():
        if line.startswith("[") and line.endswith("]"):
            found[line[1:-1]] = defaultdict(list)
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            found[list(found)[-1]][key].append(value)
    return found


def one(file: Path, key: str, section: str = "Service") -> str:
    (value,) = unit(file)[section][key]
    return value


def environment(credentials: str) -> dict[str, str]:
    """What the unit itself sets, its specifiers replaced as the manager does."""
    pairs = (each.partition("=") for each in unit(BOT)["Service"]["Environment"])
    return {
        name: value.replace("%S", "/var/lib").replace("%i", "spot").replace("%d", credentials)
        for name, _, value in pairs
    }


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """systemd's own view of a unit."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not here")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


@each_unit
def test_systemd_accepts_the_unit(file: Path, tmp_path: Path) -> None:
    """`verify` has nothing to say about an instance of it (its program aside, which is not
    installed here)."""
    instance = tmp_path / file.name.replace("@.", "@spot.")
    instance.write_text(file.read_text().replace(one(file, "ExecStart"), sys.executable))
    done = analyze("verify", "--man=no", str(instance))
    told = [line for line in done.stderr.splitlines() if instance.name in line]
    assert (done.returncode, told) == (0, [])


@each_unit
def test_systemd_finds_the_unit_locked_down(file: Path) -> None:
    """Its exposure, of 10 at the worst, is below 2: no privileges and no writable system."""
    done = analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(file))
    assert done.returncode == 0, done.stdout[-300:]


def test_exit_codes_decide_about_a_restart() -> None:
    """Settings, identity and orders that may be left stay down; a dependency that was not there and
    a bug are tried again."""
    stay_down = {int(code) for code in one(BOT, "RestartPreventExitStatus").split()}
    assert stay_down == {
        errors.SettingsError.exit_code,
        errors.IdentityError.exit_code,
        errors.NotProvenError.exit_code,
    }
    assert errors.UnreachableError.exit_code not in stay_down
    assert errors.BotError.exit_code not in stay_down


def test_readiness_and_watchdog_fit_the_bot() -> None:
    """The unit hears of readiness from the bot itself, outwaits a bot that asks for time, and
    gives the watchdog longer than the reports are apart."""
    assert (one(BOT, "Type"), one(BOT, "NotifyAccess")) == ("notify", "main")
    assert float(one(BOT, "TimeoutStartSec")) > INTERVAL_S
    assert EXTENSION_S > 2 * INTERVAL_S
    assert float(one(BOT, "WatchdogSec")) > 3 * INTERVAL_S
    # 5 s to end the cycle, 10 s to cancel and prove it
    assert float(one(BOT, "TimeoutStopSec")) > 15


def test_a_fleet_is_stopped_by_its_parent_alone() -> None:
    """Its markets are not asked beside it, and it has the time that their proofs may take; what
    locks a bot in and what keeps it down locks in and keeps down the fleet."""
    assert one(FLEET, "KillMode") == "mixed"
    assert float(one(FLEET, "TimeoutStopSec")) > STOP_WITHIN_S + PROVE_WITHIN_S
    own = {"MemoryMax", "TasksMax", "StateDirectory", "LoadCredential", "EnvironmentFile"}
    own |= {"Type", "NotifyAccess", "WatchdogSec", "TimeoutStartSec", "TimeoutStopSec"}
    own |= {"ExecStart", "Environment"}
    for key, values in unit(BOT)["Service"].items():
        if key not in own:
            assert unit(FLEET)["Service"][key] == values, key


def test_secrets_come_as_credentials() -> None:
    """Every secret file that the unit names is one that the manager hands over."""
    handed = {each.partition(":")[0] for each in unit(BOT)["Service"]["LoadCredential"]}
    named = environment("/credentials")
    files = {value for value in named.values() if value.startswith("/credentials/")}
    assert files == {f"/credentials/{name}" for name in handed}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.name)
def test_the_bot_takes_each_example(example: Path, tmp_path: Path) -> None:
    """With a keystore in place, unit and example together are settings without a fault, without a
    secret in them, and without a variable that the unit's own would hide."""
    own, theirs = environment(str(tmp_path)), env_file(example)
    assert not own.keys() & theirs.keys()
    assert secrets_in({**own, **theirs}) == []
    settings = settings_of({**own, **theirs}, tmp_path)
    assert settings.market_symbol.lower() == example.name.removesuffix(".env.example")
    assert settings.state_file == Path("/var/lib/mm-bot/spot/state.json")
    assert settings.wait_for_lock


def test_the_examples_do_not_share_a_port() -> None:
    """Both markets and the anchor run on one host."""
    addresses = [env_file(each)["MM_METRICS_ADDR"] for each in EXAMPLES]
    (anchor,) = FOLDER.glob("fair-anchor-*.env.example")
    addresses.append(env_file(anchor)["FAIR_ANCHOR_LISTEN_ADDR"])
    assert len(set(addresses)) == len(addresses) == 3
    assert f"http://{addresses[-1]}/price" in {env_file(e).get("MM_ANCHOR_URL") for e in EXAMPLES}

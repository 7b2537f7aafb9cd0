"""Claims about the Kubernetes manifests: each overlay, built, is valid and is one market."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deployments.kustomize import Object, build
from tests.deployments.operators import secrets_in, settings_of
from tests.deployments.schemas import VERSIONS, MisfitError, validate

FOLDER = Path(__file__).parents[2] / "deployments" / "kubernetes"
OVERLAYS = sorted((FOLDER / "overlays").iterdir())
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)


def of_kind(objects: list[Object], kind: str, name: str = "mm-bot") -> Object:
    (found,) = (o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name)
    return found


def pod(objects: list[Object], name: str = "mm-bot") -> Object:
    spec: Object = of_kind(objects, "Deployment", name)["spec"]["template"]["spec"]
    return spec


def container(objects: list[Object], name: str = "mm-bot") -> Object:
    (found,) = pod(objects, name)["containers"]
    result: Object = found
    return result


def environment(objects: list[Object], name: str = "mm-bot") -> dict[str, str]:
    """What the container gets, in the order in which later sources win."""
    by_name = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
    found: dict[str, str] = {}
    for source in container(objects, name)["envFrom"]:
        if "configMapRef" in source:
            found |= by_name[source["configMapRef"]["name"]]
    own = {each["name"]: each["value"] for each in container(objects, name)["env"]}
    assert not own.keys() & found.keys()
    return found | own


@each_overlay
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_the_published_schemas(overlay: Path, version: str) -> None:
    """Each object of the built overlay validates, with no key that the schema does not know."""
    for each in build(overlay):
        validate(each, version)


def test_the_schemas_see_mistakes() -> None:
    """A misspelt key and a wrong type are refused, or the claim above would be empty."""
    deployment = of_kind(build(OVERLAYS[0]), "Deployment")
    for mistake in ({"replica": 1}, {"replicas": "one"}):
        each = {**deployment, "spec": {**deployment["spec"], **mistake}}
        with pytest.raises(MisfitError):
            validate(each)


@each_overlay
def test_the_bot_takes_the_settings(overlay: Path, tmp_path: Path) -> None:
    """ConfigMap and manifest together are settings without a fault and without a secret, for the
    market that the overlay, its namespace and its labels are named after."""
    objects = build(overlay)
    variables = environment(objects)
    assert secrets_in(variables) == []
    settings = settings_of(variables, tmp_path)
    assert settings.market_symbol.lower() == overlay.name
    assert settings.wait_for_lock
    assert settings.metrics_host in ("", "0.0.0.0", "::")
    labels = of_kind(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert labels["numo/market"] == settings.market_symbol
    spaces = {o["metadata"].get("namespace") for o in objects if o["kind"] != "Namespace"}
    assert spaces == {f"mm-{overlay.name}"}


@each_overlay
def test_what_must_survive_is_on_a_volume_of_its_own(overlay: Path) -> None:
    """State file and kill switch lie on the claim; all other mounts are secrets or memory."""
    objects = build(overlay)
    volumes = {each["name"]: each for each in pod(objects)["volumes"]}
    mounts = {m["mountPath"]: volumes[m["name"]] for m in container(objects)["volumeMounts"]}
    for name in ("MM_STATE_FILE", "MM_KILL_SWITCH_FILE"):
        folder = str(Path(environment(objects)[name]).parent)
        claim = mounts[folder]["persistentVolumeClaim"]["claimName"]
        assert of_kind(objects, "PersistentVolumeClaim", claim)["spec"]["accessModes"]
    assert mounts["/tmp"]["emptyDir"]["medium"] == "Memory"


@each_overlay
def test_secrets_come_as_files(overlay: Path) -> None:
    """Every file that the environment names under the secrets' folder is an item of the one Secret,
    readable by the bot's group alone; the overlay contains no Secret."""
    objects = build(overlay)
    (secret,) = (each["secret"] for each in pod(objects)["volumes"] if "secret" in each)
    named = {v for v in environment(objects).values() if v.startswith("/run/secrets/mm-bot/")}
    assert named == {f"/run/secrets/mm-bot/{item['path']}" for item in secret["items"]}
    assert len(named) == 3
    assert secret["defaultMode"] == 0o440
    assert "Secret" not in {each["kind"] for each in objects}


@each_overlay
def test_probes_ask_the_right_pages(overlay: Path) -> None:
    """Liveness asks whether the process runs, readiness whether it quotes: a halted bot is taken
    out of nothing and restarted by nobody."""
    own = container(build(overlay))
    assert own["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert own["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert own["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    (port,) = own["ports"]
    assert environment(build(overlay))["MM_METRICS_ADDR"] == f":{port['containerPort']}"


@each_overlay
def test_selectors_find_their_pods(overlay: Path) -> None:
    """Deployments, Services, budgets and policies select the labels of a pod template here."""
    objects = build(overlay)
    deployments = [o for o in objects if o["kind"] == "Deployment"]
    labels = {
        o["metadata"]["name"]: o["spec"]["template"]["metadata"]["labels"] for o in deployments
    }
    for each in objects:
        spec = each.get("spec", {})
        chosen = spec.get("selector") or spec.get("podSelector")
        if chosen is not None:
            wanted = chosen.get("matchLabels", chosen)
            assert wanted.items() <= labels[each["metadata"]["name"]].items()


def test_the_future_asks_the_fair_value_beside_it() -> None:
    """The bot's anchor is the Service of the same namespace; that one serves the bot's market."""
    (overlay,) = (each for each in OVERLAYS if (each / "fair-anchor.env").exists())
    objects = build(overlay)
    (port,) = of_kind(objects, "Service", "fair-anchor")["spec"]["ports"]
    assert environment(objects)["MM_ANCHOR_URL"] == f"http://fair-anchor:{port['port']}/price"
    anchor = environment(objects, "fair-anchor")
    assert anchor["FAIR_ANCHOR_FUTURES_SYMBOL"] == environment(objects)["MM_MARKET_SYMBOL"]
    assert anchor["FAIR_ANCHOR_API_BASE_URL"] == environment(objects)["MM_API_BASE_URL"]
    (listening,) = container(objects, "fair-anchor")["ports"]
    assert anchor["FAIR_ANCHOR_LISTEN_ADDR"] == f":{listening['containerPort']}"

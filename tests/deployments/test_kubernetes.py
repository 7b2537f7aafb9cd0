"""Claims about the Kubernetes manifests: each overlay, built, is valid and is one market."""

from __future__ import annotations

import re
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.kustomize import Object, build, merged
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
    misspelt = merged(deployment, {"spec": {"replica": 1}})
    wrong = merged(deployment, {"spec": {"replicas": "one"}})
    for each in (misspelt, wrong):
        with pytest.raises(MisfitError):
            validate(each)


@each_overlay
def test_kustomize_builds_the_same(overlay: Path) -> None:
    """Where kubectl is there, its kustomize makes the same objects, hashes of names aside."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return
    done = subprocess.run(
        [kubectl, "kustomize", str(overlay)], capture_output=True, text=True, check=True
    )
    assert normal(list(yaml.safe_load_all(done.stdout))) == normal(build(overlay))


def normal(objects: list[Object]) -> list[Any]:
    """In one order, and without the hashes of generated names."""
    text = yaml.safe_dump_all(objects)
    plain = re.sub(r"(name: (?:mm-bot|fair-anchor))-[0-9a-z]{10}$", r"\1", text, flags=re.M)
    found = list(yaml.safe_load_all(plain))
    return sorted(found, key=lambda o: (o["kind"], o["metadata"]["name"]))


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
def test_there_is_one_bot_and_never_two_that_trade(overlay: Path) -> None:
    """One replica, gone before the next comes, which waits for the lock where it is not gone."""
    objects = build(overlay)
    spec = of_kind(objects, "Deployment")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    assert environment(objects)["MM_WAIT_FOR_LOCK"] == "true"
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > 15


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
def test_no_service_can_add_settings(overlay: Path) -> None:
    """The cluster's variables for Services are off: one for `mm-bot` begins with MM_, and an
    unknown MM_ name is a fault."""
    objects = build(overlay)
    for each in (o for o in objects if o["kind"] == "Deployment"):
        assert each["spec"]["template"]["spec"]["enableServiceLinks"] is False


@each_overlay
def test_pods_have_no_privileges(overlay: Path) -> None:
    """Each pod meets the restricted standard that its namespace enforces, on a read-only root, and
    has no token of the cluster; the user is the image's."""
    objects = build(overlay)
    (namespace,) = (o for o in objects if o["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    dockerfile = (FOLDER.parents[1] / "Dockerfile").read_text()
    user = int(re.findall(r"^USER (\d+):", dockerfile, re.M)[0])
    for each in (o for o in objects if o["kind"] == "Deployment"):
        spec = each["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == user
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for own in (c["securityContext"] for c in spec["containers"]):
            assert own["readOnlyRootFilesystem"] is True
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
        for resources in (c["resources"] for c in spec["containers"]):
            assert resources["requests"]["memory"]
            assert resources["limits"]["memory"]


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
def test_a_node_can_be_drained(overlay: Path) -> None:
    """The budget covers the bot's pods, lets one go at a time, and none that is not ready stays in
    the way."""
    budget = of_kind(build(overlay), "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


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
            wanted = deepcopy(chosen.get("matchLabels", chosen))
            assert wanted.items() <= labels[each["metadata"]["name"]].items()


def reached(policy: Object) -> set[int | str]:
    return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}


@each_overlay
def test_the_network_is_closed_but_for_what_is_needed(overlay: Path) -> None:
    """In: only the namespace `monitoring`, only to the metrics. Out: names, 443 without private
    addresses, Postgres, and the fair value where there is one."""
    objects = build(overlay)
    policy = of_kind(objects, "NetworkPolicy")
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    ((source,),) = (rule["from"] for rule in policy["spec"]["ingress"])
    name = "kubernetes.io/metadata.name"
    assert source == {"namespaceSelector": {"matchLabels": {name: "monitoring"}}}
    anchored = "MM_ANCHOR_URL" in environment(objects)
    assert reached(policy) == {53, 443, 5432} | ({8090} if anchored else set())
    for rule in policy["spec"]["egress"]:
        for block in (to["ipBlock"] for to in rule["to"] if "ipBlock" in to):
            if block["cidr"] == "0.0.0.0/0":
                assert "169.254.0.0/16" in block["except"]
            else:
                assert block["cidr"].endswith("/32")


def test_the_future_asks_the_fair_value_beside_it() -> None:
    """The bot's anchor is the Service of the same namespace; that one serves the bot's market, may
    be reached by the bot, and reaches the API alone."""
    (overlay,) = (each for each in OVERLAYS if (each / "fair-anchor.env").exists())
    objects = build(overlay)
    (port,) = of_kind(objects, "Service", "fair-anchor")["spec"]["ports"]
    assert environment(objects)["MM_ANCHOR_URL"] == f"http://fair-anchor:{port['port']}/price"
    anchor = environment(objects, "fair-anchor")
    assert anchor["FAIR_ANCHOR_FUTURES_SYMBOL"] == environment(objects)["MM_MARKET_SYMBOL"]
    assert anchor["FAIR_ANCHOR_API_BASE_URL"] == environment(objects)["MM_API_BASE_URL"]
    (listening,) = container(objects, "fair-anchor")["ports"]
    assert anchor["FAIR_ANCHOR_LISTEN_ADDR"] == f":{listening['containerPort']}"
    policy = of_kind(objects, "NetworkPolicy", "fair-anchor")
    assert reached(policy) == {53, 443}


def test_a_merge_is_strategic() -> None:
    """Named things merge by name, other lists are replaced, null takes away."""
    target = {"env": [{"name": "a", "value": "1"}, {"name": "b"}], "ports": [1, 2], "x": {"y": 1}}
    patch = {"env": [{"name": "a", "value": "2"}, {"name": "c"}], "ports": [3], "x": None}
    assert merged(target, patch) == {
        "env": [{"name": "a", "value": "2"}, {"name": "b"}, {"name": "c"}],
        "ports": [3],
    }

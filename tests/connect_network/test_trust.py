"""What the agents of a connected cluster say of the other, and what the other's Secrets open here.

Certificates and tokens are those that lie in the east, tried on the west's mesh etcd and API server.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
import pytest

from isthmus.mesh.trust import leaves
from tests.connect_network import worlds
from tests.lab_network import nets

if TYPE_CHECKING:
    from tests.connect_network.conftest import Connected

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("connected"),
]

Held = dict[str, dict[str, bytes]]
READ = {"nodes", "endpoints", "identities", "services"}
"""What an agent reads of another cluster; what is not yet true is left out (api/v1/models, `omitempty`)."""
SECRETS = "/api/v1/namespaces/kube-system/secrets"
ROOT = Path(__file__).parents[2]


def peers(net: nets.Net, cluster: str) -> list[dict[str, Any]]:
    """Return what a cluster's agent itself says of the other clusters (`cilium-dbg status`)."""
    machines = [
        psutil.Process(each.pid) for each in net.lab.clusters[cluster].processes.values() if each.is_running()
    ]
    below = [child for each in machines for child in each.children(recursive=True)]
    agents = [each.pid for each in below if each.is_running() and each.name() == "cilium-agent"]
    if len(agents) != 1:
        return []  # it restarts
    words = ["nsenter", f"--target={agents[0]}", "--mount", "--net", "cilium-dbg", "status", "-o", "json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode != 0:
        return []  # it does not listen yet
    found: list[dict[str, Any]] = json.loads(done.stdout).get("cluster-mesh", {}).get("clusters") or []
    return found


def whole(net: nets.Net, cluster: str) -> bool:
    """Say whether an agent is ready with every other cluster, everything of it read."""
    found = peers(net, cluster)
    return bool(found) and all(one.get("ready") and set(one.get("synced", ())) >= READ for one in found)


def held(net: nets.Net, cluster: str) -> Held:
    """Return every Secret of a cluster, by NAMESPACE-NAME."""
    items = net.api(cluster).get("/api/v1/secrets")["items"]
    return {
        f"{one['metadata']['namespace']}-{one['metadata']['name']}": {
            key: base64.b64decode(text) for key, text in (one.get("data") or {}).items()
        }
        for one in items
    }


def pairs(of: Held, folder: Path) -> set[str]:
    """Write every certificate with its key to a file of its own, and return their names."""
    found = {name: data for name, data in of.items() if {"tls.crt", "tls.key"} <= set(data)}
    for name, data in found.items():
        (folder / f"{name}.pem").write_bytes(data["tls.crt"] + b"\n" + data["tls.key"])
    return set(found)


def opens(net: nets.Net, folder: Path, key: str) -> dict[str, dict[str, bool]]:
    """Return what each certificate may do in the west's mesh etcd, asked from the east's node."""
    (west,), (east,) = (net.layout.by_cluster[cluster].nodes for cluster in worlds.CLUSTERS)
    service = net.api("west").get("/api/v1/namespaces/kube-system/services/clustermesh-apiserver")
    address = f"{west.address}:{service['spec']['ports'][0]['nodePort']}"
    words = [
        sys.executable,
        "-m",
        "tests.connect_network.etcd",
        address,
        "west.mesh.cilium.io",
        str(folder),
        key,
    ]
    done = subprocess.run(
        ["nsenter", f"--net=/run/netns/{east.namespace}", *words], capture_output=True, text=True,
        check=False, timeout=120, cwd=ROOT, env={**os.environ, "NO_PROXY": "*"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, bool]] = json.loads(done.stdout)
    return found


def status_of(net: nets.Net, *, token: bytes = b"", pair: Path | None = None) -> int:
    """Return what the west's API server says to who asks for its Secrets; 401 where it hangs up."""
    server = urlsplit(net.lab.clusters["west"].server)
    context = ssl.create_default_context(cafile=str(net.lab.clusters["west"].folder / "pki" / "ca.crt"))
    if pair is not None:
        context.load_cert_chain(pair)
    line = http.client.HTTPSConnection(str(server.hostname), server.port, timeout=10, context=context)
    headers = {"Authorization": f"Bearer {token.decode()}"} if token else {}
    try:
        line.request("GET", SECRETS, headers=headers)
        return line.getresponse().status
    except ssl.SSLError:
        return 401
    finally:
        line.close()


@pytest.mark.parametrize("cluster", worlds.CLUSTERS)
def test_the_agent_itself_has_the_other_cluster_ready_and_all_of_it_read(
    connected: Connected, cluster: str
) -> None:
    nets.until(lambda: whole(connected.net, cluster))

    (peer,) = peers(connected.net, cluster)

    assert peer["name"] == next(each for each in worlds.CLUSTERS if each != cluster)
    assert peer["num-nodes"] == 1
    assert set(peer["synced"]) >= READ


def test_with_all_secrets_of_the_east_in_hand_nobody_writes_to_the_wests_mesh_etcd(
    connected: Connected, tmp_path: Path
) -> None:
    key = "cilium/state/nodes/v1/west/west-node-1"
    (tmp_path / "root.pem").write_bytes((connected.mesh.folder / "trust" / "ca.crt").read_bytes())
    stolen = pairs(held(connected.net, "east"), tmp_path)

    found = opens(connected.net, tmp_path, key)

    remote = f"kube-system-{leaves.REMOTE}"
    assert {f"kube-system-{name}" for name in leaves.SECRETS} <= stolen
    assert set(found) == stolen
    assert [name for name, may in found.items() if may["put"]] == []
    assert [name for name, may in found.items() if may["read"]] == [remote]


def test_the_same_calls_write_with_the_wests_own_admin(connected: Connected, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes((connected.mesh.folder / "trust" / "ca.crt").read_bytes())
    name = f"kube-system-{leaves.ADMIN}"
    pairs({name: held(connected.net, "west")[name]}, tmp_path)

    assert opens(connected.net, tmp_path, "isthmus/test") == {name: {"put": True, "read": True}}


def test_with_all_secrets_of_the_east_in_hand_nobody_reads_the_wests_secrets(
    connected: Connected, tmp_path: Path
) -> None:
    secrets = held(connected.net, "east")
    tokens = [data["token"] for data in secrets.values() if "token" in data]

    said = [status_of(connected.net, pair=tmp_path / f"{name}.pem") for name in pairs(secrets, tmp_path)]
    said += [status_of(connected.net, token=token) for token in tokens]

    pki = connected.net.lab.clusters["west"].folder / "pki"
    (tmp_path / "own.pem").write_bytes((pki / "admin.crt").read_bytes() + (pki / "admin.key").read_bytes())
    assert len(said) >= len(leaves.SECRETS)
    assert set(said) <= {401, 403}
    assert status_of(connected.net, pair=tmp_path / "own.pem") == 200


def test_the_key_of_the_authority_is_in_no_secret(connected: Connected) -> None:
    key = (connected.mesh.folder / "trust" / "ca.key").read_bytes().strip()

    assert [
        name
        for cluster in worlds.CLUSTERS
        for name, data in held(connected.net, cluster).items()
        if any(key in value for value in data.values())
    ] == []

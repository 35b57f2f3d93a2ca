"""A mesh of two real clusters, what doctor says of it, and the faults that tests make there."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.lab.images import catalog
from isthmus.lab.network import tools
from isthmus.mesh.trust import authority, leaves, secrets
from tests.connect_verify import meshes
from tests.lab_network import nets
from tests.shops import Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


Json = dict[str, Any]

LAB = "doctor"
SYSTEM = "/api/v1/namespaces/kube-system"
KVSTOREMESH = f"{SYSTEM}/secrets/cilium-kvstoremesh"
CONFIG = f"{SYSTEM}/configmaps/cilium-config"
USERS = f"{SYSTEM}/configmaps/clustermesh-remote-users"
SHOP = "/api/v1/namespaces/shop"
ORDERS = f"{SHOP}/services/orders"
POLICIES = "/apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles"
GLOBAL = "service.cilium.io/global"
LABELS = {"app": "orders"}

# As `ethtool -K eth0 tso on|off`, which not every machine has: ETHTOOL_STSO (linux/ethtool.h).
SEGMENT = """
import ctypes, fcntl, socket, struct, sys
value = ctypes.create_string_buffer(struct.pack("II", 0x1F, int(sys.argv[1])))
request = struct.pack("16sP", b"eth0", ctypes.addressof(value)).ljust(40, b"\\0")
fcntl.ioctl(socket.socket(), 0x8946, request)
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """The mesh and the command line of doctor on it."""

    mesh: meshes.Mesh

    def doctor(self, *args: str, code: int | None = None, kubeconfig: Path | None = None) -> Json:
        """Run `isthmus doctor -o json` on the folder, and expect an exit code."""
        env = {**self.mesh.env, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
        words = [sys.executable, "-m", "isthmus", "doctor", "-f", str(self.mesh.folder), "-o", "json", *args]
        done = subprocess.run(
            words, env=env, capture_output=True, text=True, timeout=200, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        found = Done(done.returncode, done.stdout, done.stderr)
        assert code in {None, found.code}, f"exit {found.code}, expected {code}:\n{found.end}"
        body: Json = json.loads(found.out)
        return body

    def until(
        self,
        holds: Callable[[Json], bool],
        *args: str,
        seconds: float = 60.0,
        kubeconfig: Path | None = None,
    ) -> Json:
        """Return what doctor says as soon as it says that; a mesh takes a moment to heal."""
        end = time.monotonic() + seconds
        while not holds(found := self.doctor(*args, kubeconfig=kubeconfig)):
            assert time.monotonic() < end, json.dumps(found["findings"], indent=1)
            time.sleep(1)
        return found

    def fault(self, *args: str) -> None:
        """Run `isthmus lab fault`."""
        words = [sys.executable, "-m", "isthmus", "lab", "fault", *args, "--name", LAB]
        done = subprocess.run(words, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr

    @contextlib.contextmanager
    def faulty(self, *args: str) -> Iterator[None]:
        """Make a fault of the lab, and heal it at the end."""
        self.fault(*args)
        try:
            yield
        finally:
            self.fault("heal")

    @contextlib.contextmanager
    def changed(self, cluster: str, path: str, change: Callable[[Json], None]) -> Iterator[None]:
        """Change one object, and put it back at the end."""
        before = self.mesh.lab.api(cluster).get(path)
        self._put(cluster, path, change)
        try:
            yield
        finally:
            kept = {key: before[key] for key in ("data", "spec", "rules") if key in before}
            notes = before["metadata"].get("annotations") or {}

            def back(body: Json) -> None:
                body.update(kept)
                body["metadata"]["annotations"] = notes

            self._put(cluster, path, back)

    def _put(self, cluster: str, path: str, change: Callable[[Json], None]) -> None:
        api = self.mesh.lab.api(cluster)
        body = api.get(path)
        change(body)
        code, said = api.ask("PUT", path, body)
        assert code == 200, said

    @contextlib.contextmanager
    def without_overlay(self) -> Iterator[None]:
        """Let no packet of VXLAN through between the regions; everything else passes."""
        region = nets.layout_of(LAB).by_region["west"]
        rule = "ipproto udp dport 8472 priority 90 type blackhole"
        tools.Tools().ip([f"rule add {rule}"], namespace=region.namespace)
        try:
            yield
        finally:
            tools.Tools().ip([f"rule del {rule}"], namespace=region.namespace)

    @contextlib.contextmanager
    def without_segmentation(self) -> Iterator[None]:
        """Let the processor of the west's node cut what its interface could cut."""
        (place,) = (each for each in nets.layout_of(LAB).places if each.cluster == "west")
        self._segment(place.nodes[0].namespace, on=False)
        try:
            yield
        finally:
            self._segment(place.nodes[0].namespace, on=True)

    def _segment(self, namespace: str, *, on: bool) -> None:
        words = [*tools.enter(namespace), sys.executable, "-c", SEGMENT, str(int(on))]
        subprocess.run(words, check=True, timeout=60)


def errors_of(found: Json, trouble: int | None = None) -> list[Json]:
    """Return the errors among findings, of one trouble or all."""
    wrong = [each for each in found["findings"] if each["severity"] == "error"]
    return [each for each in wrong if trouble in {None, each["trouble"]}]


# --- faults --------------------------------------------------------------------------------------
def other_authority(world: World) -> contextlib.AbstractContextManager[None]:
    """Give the west a client certificate of an authority that nobody else knows."""
    now = datetime.now(UTC)
    stranger = authority.create("Cilium CA", random=os.urandom, now=now)
    leaf = leaves.Leaf(secret=leaves.REMOTE, common_name="remote-west", client=True)
    issued = authority.issue(stranger, leaf, random=os.urandom, now=now)
    body = secrets.body(leaf, issued, [stranger.certificate])

    def change(secret: Json) -> None:
        secret["data"] = body["data"]

    return world.changed("west", f"{SYSTEM}/secrets/{leaves.REMOTE}", change)


def expired(world: World) -> contextlib.AbstractContextManager[None]:
    """Let the certificate of the east's mesh server run out."""
    trust = world.mesh.folder / "trust"
    both = world.mesh.folder / "both.pem"
    both.write_bytes((trust / "ca.crt").read_bytes() + (trust / "ca.key").read_bytes())
    both.chmod(0o600)
    return world.faulty("expire", "east", f"kube-system/{leaves.SERVER}", "--ca", str(both))


def renamed(world: World) -> contextlib.AbstractContextManager[None]:
    """Let the west look for a cluster of another name."""

    def change(secret: Json) -> None:
        secret["data"] = {"orient": secret["data"]["east"]}

    return world.changed("west", KVSTOREMESH, change)


def misplaced(world: World) -> contextlib.AbstractContextManager[None]:
    """Let the west look for the east where nobody is."""

    def change(secret: Json) -> None:
        entry = yaml.safe_load(base64.b64decode(secret["data"]["east"]))
        entry["cilium-host-aliases"][0]["ips"] = ["10.66.6.6"]
        secret["data"]["east"] = base64.b64encode(yaml.safe_dump(entry).encode()).decode()

    return world.changed("west", KVSTOREMESH, change)


def shrunken(world: World) -> contextlib.AbstractContextManager[None]:
    """Let larger packets vanish between the regions."""
    return world.faulty("shrink", "west", "east", "1300", "--blackhole")


def same_id(world: World) -> contextlib.AbstractContextManager[None]:
    """Give the east the id of the west."""
    return world.changed("east", CONFIG, lambda body: body["data"].update({"cluster-id": "1"}))


def shut(world: World) -> contextlib.AbstractContextManager[None]:
    """Let only pods of their own cluster ask the west's orders, as an old policy does since Cilium 1.19."""
    spec = {
        "endpointSelector": {"matchLabels": LABELS},
        "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "shop"}}]}],
    }
    body = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "orders"},
        "spec": spec,
    }

    @contextlib.contextmanager
    def made() -> Iterator[None]:
        api = world.mesh.lab.api("west")
        api.create(POLICIES, body)
        try:
            yield
        finally:
            api.delete(f"{POLICIES}/orders")

    return made()


def one_sided(world: World) -> contextlib.AbstractContextManager[None]:
    """Take the annotation from the east's Service alone."""
    return world.changed("east", ORDERS, lambda body: body["metadata"]["annotations"].pop(GLOBAL))


def without_user(world: World) -> contextlib.AbstractContextManager[None]:
    """Take the user away as which the west asks the east's mesh server."""
    return world.changed("east", USERS, lambda body: body["data"].update({"users.yaml": "users: []\n"}))


def same_range(world: World) -> contextlib.AbstractContextManager[None]:
    """Give the east the pool that Cilium takes where nobody sets one."""
    return world.changed(
        "east", CONFIG, lambda body: body["data"].update({"cluster-pool-ipv4-cidr": "10.0.0.0/8"})
    )


# --- the world -----------------------------------------------------------------------------------
def make(folder: Path) -> World:
    """Start the lab, connect it, and give both clusters a global service."""
    world = World(mesh=meshes.make(folder, meshes.Ground(name=LAB)))
    for cluster in meshes.CLUSTERS:
        _serve(world, cluster)
    for cluster in meshes.CLUSTERS:
        nets.until(lambda cluster=cluster: _ready(world, cluster))  # type: ignore[misc]  # a bound default
    world.until(lambda found: not found["findings"])
    return world


def _serve(world: World, cluster: str) -> None:
    api = world.mesh.lab.api(cluster)
    api.create("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    nets.until(lambda: api.get(f"{SHOP}/serviceaccounts/default"))
    container = {"name": "main", "image": catalog.ref("busybox"), "command": ["probe", "serve"]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    api.create(f"{SHOP}/pods", {"metadata": {"name": "orders", "labels": LABELS}, "spec": spec})
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    service = {
        "metadata": {"name": "orders", "annotations": {GLOBAL: "true"}},
        "spec": {"selector": LABELS, "ports": ports},
    }
    api.create(f"{SHOP}/services", service)


def _ready(world: World, cluster: str) -> bool:
    return nets.ready(world.mesh.lab.api(cluster).get(f"{SHOP}/pods/orders"))

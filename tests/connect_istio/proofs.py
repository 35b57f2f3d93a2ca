"""A mesh with Istio and a clusterset that `connect verify` runs on, and what tests break in it."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import os
from typing import TYPE_CHECKING, Any

from isthmus.mesh.trust import authority, intermediate
from tests.connect_istio import meshes
from tests.connect_verify import meshes as connected
from tests.lab_network import nets

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

SPACES = ("isthmus-probe", "isthmus-probe-mesh")
POLICY = "/apis/security.istio.io/v1/namespaces/istio-system/peerauthentications/default"
EXPORTS = "/apis/multicluster.x-k8s.io/v1beta1/namespaces/isthmus-probe/serviceexports"
CACERTS = f"{meshes.SECRETS}/cacerts"
ISTIOD = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
PODS = f"{meshes.ISTIO}/pods?labelSelector=app%3Distiod"


class Mesh(connected.Mesh):
    """The lab of `connect_verify` as it is with Istio."""

    def spaces(self) -> list[tuple[str, str]]:
        """Return the namespaces of probes that are there, by cluster."""
        return [
            (cluster, space)
            for cluster in meshes.CLUSTERS
            for space in SPACES
            if self.lab.api(cluster).get(f"/api/v1/namespaces/{space}") is not None
        ]

    def left(self) -> list[str]:
        """Return what of verify is in its namespaces: what runs and what is read by name."""
        paths = [
            f"{group}/namespaces/{space}/{plural}?labelSelector=isthmus.dev%2Fprobe"
            for space in SPACES
            for group, plural in (
                *(("/api/v1", each) for each in ("services", "pods", "serviceaccounts")),
                ("/apis/apps/v1", "deployments"),
            )
        ]
        paths.append(f"{EXPORTS}?labelSelector=isthmus.dev%2Fprobe")
        return [
            f"{cluster} {path} {each['metadata']['name']}"
            for cluster in meshes.CLUSTERS
            for path in paths
            for each in (self.lab.api(cluster).get(path) or {"items": []})["items"]
        ]

    @contextlib.contextmanager
    def missing(self, cluster: str, path: str) -> Iterator[None]:
        """Delete an object of a cluster, and make it again at the end."""
        api = self.lab.api(cluster)
        body = api.get(path)
        api.delete(path)
        try:
            yield
        finally:
            api.create(path.rpartition("/")[0], bare(body))

    @contextlib.contextmanager
    def changed(self, cluster: str, path: str, **fields: Any) -> Iterator[None]:
        """Replace fields of an object of a cluster, and put it back at the end."""
        before = bare(self.lab.api(cluster).get(path))
        self._put(cluster, path, {**before, **fields})
        try:
            yield
        finally:
            self._put(cluster, path, before)

    @contextlib.contextmanager
    def foreign_root(self, cluster: str) -> Iterator[None]:
        """Let the istiod of a cluster sign below a root that no other cluster knows, until the end."""
        root = authority.create("another root", random=os.urandom, now=dt.datetime.now(dt.UTC), below=1)
        made = intermediate.settle(
            intermediate.name("shop", cluster),
            None,
            root=root,
            random=os.urandom,
            now=dt.datetime.now(dt.UTC),
        )
        try:
            with self.changed(cluster, CACERTS, data=made.objects[0]["data"]):
                self._restart(cluster)
                yield
        finally:
            self._restart(cluster)

    def _put(self, cluster: str, path: str, body: Json) -> None:
        code, said = self.lab.api(cluster).ask("PUT", path, self._now(cluster, path, body))
        assert code == 200, said

    def _now(self, cluster: str, path: str, body: Json) -> Json:
        """Return an object with the version of the one that is there: some kinds are not replaced without."""
        version = self.lab.api(cluster).get(path)["metadata"]["resourceVersion"]
        return {**body, "metadata": {**body["metadata"], "resourceVersion": version}}

    def _restart(self, cluster: str) -> None:
        """Take istiod's pods away, and wait for new ones whose root has come to namespaces."""
        api = self.lab.api(cluster)
        before = {each["metadata"]["uid"] for each in api.get(PODS)["items"]}
        for each in api.get(PODS)["items"]:
            api.delete(f"{meshes.ISTIO}/pods/{each['metadata']['name']}?gracePeriodSeconds=0")

        def is_back() -> bool:
            pods = api.get(PODS)["items"]
            fresh = [each for each in pods if each["metadata"]["uid"] not in before]
            return bool(fresh) and all(map(nets.ready, fresh)) and self._spread(cluster)

        nets.until(is_back, 120.0)

    def _spread(self, cluster: str) -> bool:
        """Say whether the root that pods are given is the one that istiod signs below."""
        api = self.lab.api(cluster)
        held = base64.b64decode(api.get(CACERTS)["data"]["root-cert.pem"]).decode()
        given = api.get("/api/v1/namespaces/default/configmaps/istio-ca-root-cert")
        return bool(given) and given["data"]["root-cert.pem"].strip() == held.strip()


def bare(body: Json) -> Json:
    """Return an object as one may write it anew."""
    dropped = {"resourceVersion", "uid", "creationTimestamp", "managedFields", "generation"}
    meta = {key: value for key, value in body["metadata"].items() if key not in dropped}
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": meta}

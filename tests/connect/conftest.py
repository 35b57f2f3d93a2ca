"""A lab of its own for the tests that put Cilium into kube-system, and a clean one for each of them."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import psutil
import pytest

from isthmus.lab import binaries, build, labs, spec
from tests import labs as shared
from tests.connect import meshes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def mesh_lab() -> Iterator[labs.Lab]:
    """Three clusters that no other test looks at: what is in kube-system is seen by all."""
    build.ensure(binaries.CONTROL)
    mine = os.environ.get(shared.OWNER) or shared.owner(psutil.Process())
    name = f"{shared.PREFIX}{mine}-{secrets.token_hex(2)}"
    yield labs.up(spec.LabSpec(name=name, clusters=spec.default_clusters(3)))
    labs.down(name)


@pytest.fixture
def net(mesh_lab: labs.Lab, tmp_path: Path) -> Iterator[meshes.Net]:
    """A Fleet over three clusters without Cilium."""
    made = meshes.make(mesh_lab, tmp_path)
    yield made
    for cluster in meshes.CLUSTERS:
        _clear(made, cluster)


def _clear(net: meshes.Net, cluster: str) -> None:
    """Take out what a test left, whoever installed it, with its operations."""
    if net.releases(cluster):
        net.helm(cluster, "uninstall", "cilium", "-n", "kube-system", "--ignore-not-found")
    api = net.lab.api(cluster)
    for name in (*meshes.CERTIFICATES, "cilium-ca"):
        api.delete(f"{meshes.SECRETS}/{name}")
    net.until(lambda: net.get(cluster, "/api/v1/namespaces/cilium-secrets") is None)
    for kind in ("configmaps", "secrets"):
        path = f"/api/v1/namespaces/isthmus-system/{kind}"
        for one in (api.get(path) or {"items": []})["items"]:
            api.delete(f"{path}/{one['metadata']['name']}")

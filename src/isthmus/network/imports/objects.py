"""The objects of one cluster that tell of its network, as its API server gave them.

Whoever wrote them may have written anything, so every reader goes through `dig` and trusts no type.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json = dict[str, Any]
SYSTEM: Final = "kube-system"
ISTIO: Final = "istio-system"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objects:
    """What one API server has; None and empty are what it does not have or does not show."""

    context: str
    system: Json | None = None
    """Namespace kube-system: its uid is the cluster's."""
    nodes: tuple[Json, ...] = ()
    agents: tuple[Json, ...] = ()
    """DaemonSets of Cilium."""
    cilium: Json | None = None
    kubeadm: Json | None = None
    control: tuple[Json, ...] = ()
    """Pods of the control plane."""
    mesh: tuple[Json, ...] = ()
    """ConfigMaps of istio-system."""
    istiod: tuple[Json, ...] = ()
    ztunnel: Json | None = None
    istio_home: Json | None = None
    service_ranges: tuple[Json, ...] = ()
    gateway: Json | None = None
    """Service clustermesh-apiserver."""
    services: tuple[Json, ...] = ()
    denied: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def states_services(self) -> bool:
        """Say whether a setting tells the service range, so that no Service need be listed."""
        stated = (kubeadm_network(self).get("serviceSubnet"), argument(self, "--service-cluster-ip-range"))
        return bool(self.service_ranges or any(stated))

    def with_services(self, services: tuple[Json, ...]) -> Objects:
        """Return the same with the Services of all namespaces."""
        return dataclasses.replace(self, services=services)


def dig(value: Any, *path: str) -> Any:
    """Return what lies at a path of mappings, or None."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def items(value: Any) -> list[Any]:
    """Return a list, or nothing."""
    return value if isinstance(value, list) else []


def mapping(value: Any) -> Json:
    """Return a mapping, or nothing."""
    return value if isinstance(value, dict) else {}


def document(text: object) -> Json:
    """Return the first document of a YAML text that an object holds; empty where there is none."""
    if not isinstance(text, str):
        return {}
    found, _ = source.read("", text)
    return mapping(found[0].data) if found else {}


def kubeadm_network(found: Objects) -> Json:
    """Return `networking` of the ClusterConfiguration that kubeadm keeps."""
    return mapping(document(dig(found.kubeadm, "data", "ClusterConfiguration")).get("networking"))


def argument(found: Objects, flag: str) -> str | None:
    """Return the value of a flag of a control-plane pod."""
    for word in _words(found):
        name, equals, value = word.partition("=")
        if name == flag and equals:
            return value
    return None


def _words(found: Objects) -> Iterator[str]:
    for pod in found.control:
        for container in items(dig(pod, "spec", "containers")):
            for field in ("command", "args"):
                yield from (str(word) for word in items(dig(container, field)))


def image_version(workload: Json | None, container: str) -> str | None:
    """Return `1.20.2` of the image of a container; None where its tag is no version."""
    for each in items(dig(workload, "spec", "template", "spec", "containers")):
        if dig(each, "name") == container:
            image = str(dig(each, "image") or "").partition("@")[0]
            _, _, tag = image.rpartition("/")[2].partition(":")
            return release(tag)
    return None


def release(tag: str) -> str | None:
    """Return the numbers of a tag: `1.20.2` of `v1.20.2-rc.0`."""
    numbers = tag.removeprefix("v").partition("-")[0].split(".")
    is_version = len(numbers) in {2, 3} and all(each.isascii() and each.isdigit() for each in numbers)
    return ".".join(numbers) if is_version else None

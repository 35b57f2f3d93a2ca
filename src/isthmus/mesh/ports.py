"""The ports that Kubernetes, Cilium, Istio and Isthmus use: what for, when, and who says so.

Facts alone: which of them a fleet needs, and between whom, is judged in `network/needs`.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Final

from isthmus.mesh import gateways
from isthmus.model import datapath


class Need(StrEnum):
    """What is lost without a flow: the fleet, a diagnosis, or something that not everybody uses."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"
    OPTIONAL = "optional"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Port:
    """One port of one program.

    `port` is a number, a range (`2379-2380`), `any`, or type/code of ICMP. `name` is short and lasts: rules
    in firewalls are named after it.
    """

    name: str
    protocol: str
    port: str
    purpose: str
    when: str
    source: str
    need: Need = Need.REQUIRED


SYSTEM: Final = "Cilium 1.20 Documentation/operations/system_requirements.rst"
KUBERNETES: Final = "kubernetes.io/docs/reference/networking/ports-and-protocols"
ISTIO: Final = "istio.io/latest/docs/ops/deployment/application-requirements"
MULTICLUSTER: Final = "istio.io/latest/docs/setup/install/multicluster"

# --- Kubernetes ----------------------------------------------------------------------------------
API: Final = Port(
    name="kubernetes-api",
    protocol="tcp",
    port="6443",
    purpose="Kubernetes API",
    when="always",
    source=KUBERNETES,
)
MANAGED_API: Final = dataclasses.replace(
    API, port="443", when="always; 443 where the cloud runs the API server"
)
MANAGED: Final = frozenset({datapath.Provider.GCP, datapath.Provider.AWS, datapath.Provider.AZURE})
"""Providers whose own Kubernetes (GKE, EKS, AKS) serves the API at 443; others do at kubeadm's 6443."""

KUBELET: Final = Port(
    name="kubelet",
    protocol="tcp",
    port="10250",
    purpose="kubelet API: logs, exec, metrics",
    when="always",
    source=KUBERNETES,
)
ETCD: Final = Port(
    name="etcd",
    protocol="tcp",
    port="2379-2380",
    purpose="etcd of the control plane",
    when="you run the control plane",
    source=KUBERNETES,
)
NODE_PORTS: Final = Port(
    name="node-ports",
    protocol="tcp",
    port="30000-32767",
    purpose="NodePort Services",
    when="Services of type NodePort are used from outside",
    source=KUBERNETES,
    need=Need.OPTIONAL,
)

# --- Cilium --------------------------------------------------------------------------------------
VXLAN: Final = Port(
    name="vxlan",
    protocol="udp",
    port="8472",
    purpose="Cilium overlay (VXLAN): all pod traffic",
    when="routing tunnel, encapsulation vxlan",
    source=SYSTEM,
)
GENEVE: Final = Port(
    name="geneve",
    protocol="udp",
    port="6081",
    purpose="Cilium overlay (Geneve): all pod traffic",
    when="routing tunnel, encapsulation geneve",
    source=SYSTEM,
)
WIREGUARD: Final = Port(
    name="wireguard",
    protocol="udp",
    port="51871",
    purpose="Cilium encryption (WireGuard)",
    when="encryption wireguard",
    source="Cilium 1.20 Documentation/security/network/encryption-wireguard.rst",
)
ESP: Final = Port(
    name="ipsec",
    protocol="esp",
    port="any",
    purpose="Cilium encryption (IPsec ESP, IP protocol 50)",
    when="encryption ipsec; AWS security groups do not allow ESP by default",
    source=SYSTEM,
)
POD_PORTS: Final = Port(
    name="pods",
    protocol="any",
    port="any",
    purpose="pod to pod, unwrapped: all pod ports",
    when="routing native",
    source="Cilium 1.20 Documentation/network/clustermesh/setup.rst",
)
HEALTH: Final = Port(
    name="cilium-health",
    protocol="tcp",
    port="4240",
    purpose="cilium-health between nodes",
    when="recommended: without it Cilium works and cannot say whether nodes reach one another",
    source=SYSTEM,
    need=Need.RECOMMENDED,
)
PING: Final = Port(
    name="ping",
    protocol="icmp",
    port="8/0",
    purpose="cilium-health ping between nodes",
    when="recommended, as 4240/tcp; underlay ipv4",
    source=SYSTEM,
    need=Need.RECOMMENDED,
)
PING_V6: Final = dataclasses.replace(
    PING,
    name="ping-v6",
    protocol="icmpv6",
    port="128/0",
    when="recommended, as 4240/tcp; underlay ipv6",
    source=f"{SYSTEM}; type of RFC 4443",
)
TOO_BIG: Final = Port(
    name="fragmentation-needed",
    protocol="icmp",
    port="3/4",
    purpose="path MTU discovery: 'fragmentation needed'",
    when="recommended: without it a smaller MTU on the way swallows large packets; underlay ipv4",
    source=f"{SYSTEM}; type and code of RFC 1191",
    need=Need.RECOMMENDED,
)
TOO_BIG_V6: Final = dataclasses.replace(
    TOO_BIG,
    name="packet-too-big",
    protocol="icmpv6",
    port="2/0",
    purpose="path MTU discovery: 'packet too big'",
    when="always: no router fragments IPv6; underlay ipv6",
    source="RFC 4443 section 3.2, RFC 4890 section 4.3.1",
    need=Need.REQUIRED,
)
CLUSTERMESH: Final = Port(
    name="clustermesh",
    protocol="tcp",
    port="2379",
    purpose="ClusterMesh control plane (etcd, mTLS)",
    when="ClusterMesh; exposure LoadBalancer or ClusterIP",
    source="Cilium 1.20 Documentation/network/clustermesh/setup.rst",
)
CLUSTERMESH_NODE_PORT: Final = dataclasses.replace(
    CLUSTERMESH,
    name="clustermesh-node-port",
    port="32379",
    when="ClusterMesh; exposure NodePort",
    source="Cilium 1.20 install/kubernetes/cilium/values.yaml clustermesh.apiserver.service.nodePort",
)
HUBBLE: Final = Port(
    name="hubble",
    protocol="tcp",
    port="4244",
    purpose="Hubble Relay reads flows of every node, remote ones too",
    when="hubble true",
    source=SYSTEM,
)
RELAY: Final = Port(
    name="hubble-relay",
    protocol="tcp",
    port="4245",
    purpose="Hubble Relay's API",
    when="hubble true",
    source=SYSTEM,
)
METRICS: Final = Port(
    name="cilium-metrics",
    protocol="tcp",
    port="9962-9964",
    purpose="Prometheus reads metrics of agent, operator and Envoy",
    when="Cilium's metrics are switched on",
    source=SYSTEM,
    need=Need.OPTIONAL,
)

# --- Istio ---------------------------------------------------------------------------------------
ISTIOD_API: Final = dataclasses.replace(
    API,
    name="istiod-api",
    purpose="istiod reads the endpoints of other clusters",
    when="Istio in more than one cluster",
    source=MULTICLUSTER,
)
XDS: Final = Port(
    name="istiod",
    protocol="tcp",
    port="15012",
    purpose="proxies fetch configuration and certificates of istiod",
    when="Istio",
    source=ISTIO,
)
WEBHOOK: Final = Port(
    name="istiod-webhook",
    protocol="tcp",
    port="15017",
    purpose="API server calls istiod to inject sidecars and to validate",
    when="Istio",
    source=ISTIO,
)
REMOTE_XDS: Final = dataclasses.replace(
    XDS, name="istiod-remote", when="Istio topology primary-remote", source=MULTICLUSTER
)
REMOTE_WEBHOOK: Final = dataclasses.replace(
    WEBHOOK, name="istiod-webhook-remote", when="Istio topology primary-remote", source=MULTICLUSTER
)
EAST_WEST: Final = Port(
    name="east-west",
    protocol="tcp",
    port="15443",
    purpose="Istio east-west gateway (mTLS passed through)",
    when="Istio sidecars on several networks",
    source=MULTICLUSTER,
)
EAST_WEST_NODE_PORT: Final = dataclasses.replace(
    EAST_WEST,
    name="east-west-node-port",
    port=str(gateways.NODE_PORT),
    when="Istio sidecars on several networks; gateway exposure NodePort",
)
HBONE: Final = Port(
    name="hbone",
    protocol="tcp",
    port="15008",
    purpose="Istio ambient (HBONE)",
    when="Istio mode ambient",
    source=ISTIO,
)
GATEWAY_HBONE: Final = dataclasses.replace(
    HBONE,
    name="east-west-hbone",
    purpose="Istio ambient east-west gateway (HBONE)",
    when="Istio mode ambient on several networks",
    source="istio.io/latest/docs/ambient/install/multicluster",
)
STATUS: Final = Port(
    name="gateway-status",
    protocol="tcp",
    port="15021",
    purpose="the load balancer checks the east-west gateway",
    when="an east-west gateway behind a load balancer",
    source=ISTIO,
)

# --- Isthmus -------------------------------------------------------------------------------------
OPERATOR: Final = dataclasses.replace(
    API,
    name="isthmus",
    purpose="Isthmus, kubectl and helm reach the API server",
    when="always, from where Isthmus runs",
    source="Isthmus",
)
WITNESS: Final = dataclasses.replace(
    OPERATOR,
    name="witness",
    purpose="Isthmus asks the witness for its vote",
    when="a witness; 6443 unless its kubeconfig says otherwise",
)


def api(port: Port, provider: datapath.Provider | None) -> Port:
    """Return a port of the API server as the provider serves it."""
    return dataclasses.replace(port, port=MANAGED_API.port) if provider in MANAGED else port

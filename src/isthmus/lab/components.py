"""The programs of one cluster's control plane and how each is called, fake nodes included.

Pure but for the files a program is told to read. TLS with a client certificate everywhere, etcd included; no
anonymous user; the audit log is always on. Leader election is off: there is one of each.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import TYPE_CHECKING, Any

from isthmus.lab import ports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ETCD = "etcd"
APISERVER = "kube-apiserver"
CONTROLLERS = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"

FOLLOWERS = frozenset({CONTROLLERS, SCHEDULER, KWOK})
"""Programs that do nothing but what the API server tells them."""

LOOPBACK = ports.HOST
PORTS = (ETCD, "etcd-peer", APISERVER)

# Garbage is collected early and hard: a lab is small, and memory is scarcer than its work is heavy.
# MiB per program beyond which Go's collector works without pause.
_MEMORY = {ETCD: 96, APISERVER: 384, CONTROLLERS: 128, SCHEDULER: 96, KWOK: 96}
_GARBAGE = 50


VOTER = (ETCD, APISERVER, CONTROLLERS)
"""What a witness runs, in the order of its start."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """Where one cluster lives: its folder, its address and ports, its ranges.

    `programs` are in the order of their start; `enter` are the words that run one where the address is.
    Without `pods` no controller hands out blocks of pod addresses.
    """

    folder: Path
    ports: dict[str, int]
    etcd_quota: int | None
    etcd_version: tuple[int, ...]
    programs: tuple[str, ...]
    services: str
    pods: str = ""
    node_mask: int = 24
    host: str = LOOPBACK
    enter: tuple[str, ...] = ()
    nodes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Names and addresses of nodes with a kubelet; fake nodes have none."""

    @property
    def pki(self) -> Path:
        """The folder of certificates and keys."""
        return self.folder / "pki"

    @property
    def audit(self) -> Path:
        """The audit log of the API server."""
        return self.folder / "audit.log"

    @property
    def server(self) -> str:
        """The address of the API server."""
        return f"https://{self.host}:{self.ports[APISERVER]}"

    @property
    def is_reached(self) -> bool:
        """Say whether others than this machine's own programs reach the API server: real nodes and pods."""
        return self.host != LOOPBACK

    @property
    def service_ip(self) -> str:
        """The address of the service `kubernetes`."""
        return str(ipaddress.ip_network(self.services)[1])


def environment(name: str) -> dict[str, str]:
    """Return the whole environment of a program; nothing of the user's own leaks into it."""
    return {
        "PATH": "/usr/bin:/bin",
        "GOGC": str(_GARBAGE),
        "GOMEMLIMIT": f"{_MEMORY[name]}MiB",
        "NO_PROXY": "*",
    }


def arguments(name: str, site: Site) -> list[str]:
    """Return the flags of a program."""
    return {
        ETCD: _etcd,
        APISERVER: _apiserver,
        CONTROLLERS: _controllers,
        SCHEDULER: _scheduler,
        KWOK: _kwok,
    }[name](site)


def kubeconfig(site: Site, user: str, context: str) -> dict[str, Any]:
    """Return a kubeconfig that points at files, for a program of the cluster."""
    pki = site.pki
    server = {"server": site.server, "certificate-authority": str(pki / "ca.crt")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": server}],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate": str(pki / f"{user}.crt"),
                    "client-key": str(pki / f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }


def audit_policy() -> dict[str, Any]:
    """Return the audit policy: who wrote what, without bodies, so that no secret enters the log."""
    writes = ["create", "update", "patch", "delete", "deletecollection"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            # Heartbeats and reports of nodes would bury everything else.
            {
                "level": "None",
                "users": ["isthmus:kwok"],
                "resources": [{"group": "", "resources": ["nodes/status"]}],
            },
            {"level": "None", "userGroups": ["system:nodes"]},
            {"level": "Metadata", "verbs": writes},
            {"level": "None"},
        ],
    }


def _etcd(site: Site) -> list[str]:
    pki = site.pki
    client, peer = (f"https://127.0.0.1:{site.ports[name]}" for name in (ETCD, "etcd-peer"))
    flags = [
        "--name=etcd",
        f"--data-dir={site.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=etcd={peer}",
        f"--cert-file={pki / 'etcd.crt'}",
        f"--key-file={pki / 'etcd.key'}",
        f"--trusted-ca-file={pki / 'etcd-ca.crt'}",
        "--client-cert-auth=true",
        f"--peer-cert-file={pki / 'etcd.crt'}",
        f"--peer-key-file={pki / 'etcd.key'}",
        f"--peer-trusted-ca-file={pki / 'etcd-ca.crt'}",
        "--peer-client-cert-auth=true",
        "--snapshot-count=5000",
        "--log-level=warn",
    ]
    if site.etcd_quota is not None:
        flags.append(f"--quota-backend-bytes={site.etcd_quota}")
    if site.etcd_version >= (3, 5):
        # Data outlives a killed process without it; only a crash of the machine would lose some.
        flags.append("--unsafe-no-fsync=true")
    return flags


def _apiserver(site: Site) -> list[str]:
    pki = site.pki
    return [
        f"--bind-address={site.host}",
        f"--advertise-address={site.host}",
        f"--secure-port={site.ports[APISERVER]}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--cert-dir={pki}",
        f"--etcd-servers=https://127.0.0.1:{site.ports[ETCD]}",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd.crt'}",
        f"--etcd-keyfile={pki / 'apiserver-etcd.key'}",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-account-issuer={site.server}",
        f"--service-account-key-file={pki / 'accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'accounts.key'}",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'front-proxy.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy.key'}",
        f"--service-cluster-ip-range={site.services}",
        *(_for_kubelets(site) if site.is_reached else _FOR_FAKES),
        f"--audit-policy-file={site.folder / 'audit-policy.json'}",
        f"--audit-log-path={site.audit}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=2",
        "--profiling=false",
    ]


# No pod can reach the API server by the service `kubernetes`: fake pods reach nothing.
_FOR_FAKES = ("--endpoint-reconciler-type=none",)


def _for_kubelets(site: Site) -> list[str]:
    pki = site.pki
    flags = [
        # Webhooks and extension servers are asked at their pods: the control plane has no kube-proxy.
        "--enable-aggregator-routing=true",
        "--kubelet-preferred-address-types=InternalIP",
    ]
    if site.nodes:
        flags += [
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        ]
    return flags


def _controllers(site: Site) -> list[str]:
    pki = site.pki
    blocks = [f"--cluster-cidr={site.pods}", f"--node-cidr-mask-size={site.node_mask}"] if site.pods else []
    return [
        f"--kubeconfig={site.folder / 'controller-manager.json'}",
        "--leader-elect=false",
        "--secure-port=0",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'accounts.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--allocate-node-cidrs={'true' if blocks else 'false'}",
        *blocks,
        # More than the defaults (20, 30): a test deletes a namespace and waits.
        "--kube-api-qps=100",
        "--kube-api-burst=200",
        "--profiling=false",
    ]


def _scheduler(site: Site) -> list[str]:
    return [
        f"--kubeconfig={site.folder / 'scheduler.json'}",
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
    ]


def _kwok(site: Site) -> list[str]:
    return [
        f"--kubeconfig={site.folder / 'kwok.json'}",
        f"--config={site.folder / 'stages.yaml'}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=0",
    ]

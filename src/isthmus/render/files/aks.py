"""AKS for the target `commands`: a subnet, and a cluster without a CNI (BYOCNI)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.address import prefix
from isthmus.mesh import settings
from isthmus.render.files import request, shell

if TYPE_CHECKING:
    from isthmus.network.ipam import ranges

DNS_OFFSET: Final = 10
"""AKS wants the address of its DNS service; ten behind the first is what it takes by itself."""


def files(wish: request.Request, each: ranges.Ranges) -> dict[str, str]:
    """Return a script for az: a subnet, and a cluster without a CNI (BYOCNI)."""
    cluster = each.cluster
    group = f"--resource-group {shell.text(None, 'RESOURCE_GROUP')}"
    account = f"--subscription {shell.text(cluster.account, 'SUBSCRIPTION')}"
    vnet = shell.text(cluster.vpc, "VNET")
    services = prefix.parse(shell.v4(each, "services"))
    dns = str(prefix.Prefix(services.first + DNS_OFFSET, 1)).partition("/")[0]
    subnet = f"{cluster.name}-nodes"
    show = (
        f"az network vnet subnet show {account} {group} --vnet-name {vnet} --name {subnet} --query id -o tsv"
    )
    plugin = "none" if settings.uses_cilium(wish.fleet) else "azure --network-plugin-mode overlay"
    body = [
        shell.command(
            "az network vnet subnet create",
            account,
            group,
            f"--vnet-name {vnet}",
            f"--name {subnet}",
            f"--address-prefixes {shell.v4(each, 'nodes')}",
        ),
        "# Azure's own Cilium reverts changes, so ClusterMesh needs a cluster without a CNI.",
        shell.command(
            "az aks create",
            account,
            group,
            f"--name {cluster.name}",
            f"--location {shell.text(cluster.region, 'LOCATION')}",
            f"--network-plugin {plugin}",
            f"--pod-cidr {shell.v4(each, 'pods')}",
            f"--service-cidr {services}",
            f"--dns-service-ip {dns}",
            f'--vnet-subnet-id "$({show})"',
            f"--node-count {cluster.nodes}",
            f"--max-pods {cluster.pods_per_node}",
        ),
    ]
    return {f"aks-{cluster.name}.sh": shell.script([], body)}

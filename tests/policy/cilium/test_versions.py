"""What the same policy means in each version of Cilium; the places are inside the source of 1.20.2 where no
version is named."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.policy import labels, ports, world
from isthmus.policy.cilium import entities, translate
from tests.policy.cilium import ground

WEB = ground.pod("web", {"app": "web"}, address="10.0.0.1", namespace_labels={"team": "red"})
API = ground.pod("api", {"app": "api"}, address="10.0.0.2", namespace_labels={"team": "red"})
AWAY = ground.pod("api", {"app": "api"}, cluster="remote", address="10.1.0.2")
OTHER = ground.pod("api", {"app": "api"}, namespace="other", namespace_labels={"team": "red"})
ADDRESS = ground.outside("192.0.2.7")

TO_API = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toEndpoints: [{matchLabels: {app: api}}]}]
"""


def _by_version(policies: list[world.Object], *ends: world.Endpoint, port: int = 80, **more: Any) -> str:
    """Return a letter for each version from 1.15 to 1.20: a for allow, d for deny."""
    return "".join(
        ground.verdict(policies, ends[0], ends[1], port, version=version, **more)[0]
        for version in ground.VERSIONS
    )


def test_a_selector_without_a_cluster_means_the_own_one_since_1_19() -> None:
    # getEndpointSelector and addClusterFilterByDefault, pkg/k8s/apis/cilium.io/utils/utils.go
    assert _by_version([ground.policy(TO_API)], WEB, API) == "aaaaaa"
    assert _by_version([ground.policy(TO_API)], WEB, AWAY) == "aaaadd"


@pytest.mark.parametrize("term", ["operator: Exists", "operator: In, values: [remote]"])
def test_a_selector_that_names_the_cluster_reaches_it_in_every_version(term: str) -> None:
    spec = f"""
endpointSelector: {{matchLabels: {{app: web}}}}
egress: [{{toEndpoints: [{{matchLabels: {{app: api}}, matchExpressions: [
  {{key: io.cilium.k8s.policy.cluster, {term}}}]}}]}}]
"""
    assert _by_version([ground.policy(spec)], WEB, AWAY) == "aaaaaa"


def test_labels_of_a_namespace_open_other_namespaces_since_1_16() -> None:
    # getEndpointSelector of v1.15.6 puts the policy's namespace beside them
    spec = """
endpointSelector: {}
egress: [{toEndpoints: [{matchLabels: {io.cilium.k8s.namespace.labels.team: red}}]}]
"""
    assert _by_version([ground.policy(spec)], WEB, OTHER) == "daaaaa"


def test_the_entity_cluster_is_the_own_cluster_and_cluster_mesh_all_since_1_20() -> None:
    # EntitySelectorMapping and InitEntities, pkg/policy/api/entity.go
    spec = "{endpointSelector: {matchLabels: {app: web}}, egress: [{toEntities: [cluster]}]}"
    assert _by_version([ground.policy(spec)], WEB, API) == "aaaaaa"
    assert _by_version([ground.policy(spec)], WEB, AWAY) == "dddddd"
    mesh = ground.policy(spec.replace("cluster]", "cluster-mesh]"))
    deny = ground.policy("{endpointSelector: {matchLabels: {app: web}}, egress: [{}]}", name="deny")
    assert _by_version([mesh, deny], WEB, AWAY) == "ddddda"


def test_port_ranges_are_known_since_1_16() -> None:
    # pkg/policy/api/l4.go of v1.15.6 has no endPort, and the API server drops it
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toPorts: [{ports: [{port: "80", endPort: 90, protocol: TCP}]}]}]
"""
    assert _by_version([ground.policy(spec)], WEB, API, port=85) == "daaaaa"
    assert _by_version([ground.policy(spec)], WEB, API, port=80) == "aaaaaa"


def test_default_deny_can_be_left_out_since_1_16() -> None:
    # Rule.EnableDefaultDeny; dropped by the API server of 1.15
    spec = """
endpointSelector: {matchLabels: {app: web}}
enableDefaultDeny: {egress: false}
egress: [{toEntities: [kube-apiserver]}]
"""
    assert _by_version([ground.policy(spec)], WEB, API) == "daaaaa"


def test_groups_of_cidrs_can_be_selected_since_1_17() -> None:
    # CIDRRule of pkg/policy/api/cidr.go; before, an element without cidr and cidrGroupRef
    group = world.Object({
        "apiVersion": "cilium.io/v2", "kind": "CiliumCIDRGroup",
        "metadata": {"name": "doc", "labels": {"site": "north"}}, "spec": {"externalCIDRs": ["192.0.2.0/24"]},
    })  # fmt: skip
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {site: north}}}]}]
"""
    # 1.15 and 1.16 parse an empty cidr and refuse the policy, which then guards nobody.
    assert _by_version([ground.policy(spec), group], WEB, ADDRESS) == "aaaaaa"
    away = spec.replace("north", "south")
    assert _by_version([ground.policy(away), group], WEB, ADDRESS) == "aadddd"


def test_a_service_with_a_selector_stands_for_its_pods_since_1_17() -> None:
    # appendSelector, pkg/policy/k8s/service.go; serviceFilter of v1.16.0 takes services without one alone
    service = world.Service(
        ground.LOCAL, "shop", "api", labels.equal("app", "api"), {}, addresses=(ground.place("10.0.0.2"),)
    )
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toServices: [{k8sService: {serviceName: api, namespace: shop}}]}]
"""
    assert _by_version([ground.policy(spec)], WEB, API, services=[service]) == "ddaaaa"


def test_a_service_without_a_selector_stands_for_its_addresses_and_no_pod() -> None:
    service = world.Service(
        ground.LOCAL, "shop", "db", None, {}, addresses=(ground.place("192.0.2.7"), ground.place("10.0.0.2"))
    )
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toServices: [{k8sService: {serviceName: db}}]}]
"""
    assert _by_version([ground.policy(spec)], WEB, ADDRESS, services=[service]) == "aaaaaa"
    assert _by_version([ground.policy(spec)], WEB, API, services=[service]) == "dddddd"


def test_a_service_that_is_not_there_opens_its_ports_to_everybody_since_1_17() -> None:
    # Nothing comes in its place, and createL4Filter takes no peer for every peer; 1.16 refuses the pair.
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toServices: [{k8sService: {serviceName: gone}}], toPorts: [{ports: [{port: "80"}]}]}]
"""
    assert _by_version([ground.policy(spec)], WEB, ADDRESS) == "aaaaaa"
    assert _by_version([ground.policy(spec)], WEB, ADDRESS, port=81) == "aadddd"


def test_a_star_twice_spans_labels_since_1_19() -> None:
    # pkg/fqdn/matchpattern/matchpattern.go
    answers = {"a.b.example.org": (ground.place("192.0.2.7"),)}
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toFQDNs: [{matchPattern: "**.example.org"}]}]
"""
    assert _by_version([ground.policy(spec)], WEB, ADDRESS, answers=answers) == "ddddaa"


def test_nodes_by_label_are_remote_nodes_since_1_18_and_any_endpoint_with_it_before() -> None:
    # parseToCiliumEgressCommonRule of v1.17.0 adds nothing beside the labels
    node = world.Endpoint(
        ground.LOCAL, None, "n1", "Node",
        entities.node_labels({"app": "api"}, cluster=ground.LOCAL, is_local=False), is_managed=False,
    )  # fmt: skip
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toNodes: [{matchLabels: {app: api}}]}]
"""
    other = ground.policy("{endpointSelector: {matchLabels: {app: web}}, egress: [{}]}", name="deny")
    assert _by_version([ground.policy(spec), other], WEB, node) == "daaaaa"
    assert _by_version([ground.policy(spec), other], WEB, API) == "daaddd"


def test_icmp_types_have_names_since_1_16() -> None:
    # ICMPField.Type of v1.15.6 is a number
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{icmps: [{fields: [{family: IPv4, type: EchoRequest}]}]}]
"""
    asked: dict[str, Any] = {"protocol": ports.Protocol.ICMP, "port": 0}
    assert _by_version([ground.policy(spec)], WEB, API, **asked) == "addddd"
    assert _by_version([ground.policy(spec)], WEB, API, port=8, protocol=ports.Protocol.ICMP) == "aaaaaa"


def test_l7_rules_that_a_version_does_not_know_leave_the_port_open() -> None:
    # L7Rules of pkg/policy/api/l4.go has http and dns alone since 1.20
    spec = """
endpointSelector: {matchLabels: {app: api}}
ingress: [{toPorts: [{ports: [{port: "9042", protocol: TCP}], rules: {l7proto: cassandra, l7: [{}]}}]}]
"""
    unknown = []
    for version in ground.VERSIONS:
        using = ground.settings(version)
        found = translate.translate([ground.policy(spec)], settings=using)
        said = ground.ask(found, (WEB, API), 9042, using=using)
        assert said.verdict == "allow"
        unknown.append(bool(said.unknown))
    assert unknown == [True, True, True, True, True, False]

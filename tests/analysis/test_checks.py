"""Each trouble, caused in a value that is healthy otherwise, is what the checks say, and nothing else is."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isthmus.address import prefix
from isthmus.analysis import checks, datapath, offloads, peering, policies, ranges, report, snapshot
from isthmus.analysis.istio import remotes
from isthmus.mesh import istiod
from isthmus.network import imported
from tests.analysis import scenes

Json = dict[str, Any]

MISSING = snapshot.Missing(why="the server refused", remedy="isthmus permissions doctor")
CLUSTER = "io.cilium.k8s.policy.cluster"


def agent(name: str, **changes: Any) -> Json:
    (one,) = scenes.site(name).agents  # type: ignore[misc]  # the scene has one
    return {"agents": (dataclasses.replace(one, **changes),)}


def unready(name: str, **changes: Any) -> tuple[Json, ...]:
    return ({**scenes.ready(name), "ready": False, **changes},)


def dead(name: str, over: str) -> Json:
    nodes = [{"name": f"{name}/{name}-1", "host": scenes.probe(), "health-endpoint": scenes.probe()}]
    nodes[0][over] = scenes.probe("Connection timed out")
    return {"nodes": nodes}


def policy(**spec: Any) -> tuple[Json, ...]:
    return (
        {
            "kind": "CiliumNetworkPolicy",
            "metadata": {"namespace": "shop", "name": "orders"},
            "spec": {"endpointSelector": {"matchLabels": {"app": "orders"}}, **spec},
        },
    )


def troubleshot(words: str) -> str:
    return f'Cluster "west":\n   - fine\nCluster "east":\n   ❌ {words}\n'


def parts(**versions: str) -> Json:
    whole = scenes.site("west").parts
    assert isinstance(whole, dict)
    return {
        "parts": {
            **whole,
            **{key: dataclasses.replace(whole[key], version=text) for key, text in versions.items()},
        }
    }


def counted(part: str, **counts: int) -> Json:
    whole = scenes.site("west").parts
    assert isinstance(whole, dict)
    return {"parts": {**whole, part: dataclasses.replace(whole[part], **counts)}}


TLS = "Cannot establish TLS connection to east.mesh.cilium.io:32379: x509: unknown authority"
TCP = "Cannot establish TCP connection to east.mesh.cilium.io:32379: connection refused"
OVERLAPS = imported.Live(name="east", pods=(prefix.parse("10.0.0.0/8"),), services=())
WRONG: dict[str, tuple[Json, set[tuple[int, str, str | None]]]] = {
    "nothing": ({}, set()),
    "another authority": (
        {"west": {"secrets": {**scenes.secrets_of("west"), **scenes.certificates("west", "other", "other")}}},
        {(1, "mesh-ca-differs", "west"), (1, "mesh-ca-differs", "east")},
    ),
    "an authority that everybody trusts beside another": (
        {
            "west": {
                "secrets": {**scenes.secrets_of("west"), **scenes.certificates("west", "other", "other")},
                "bundle": (scenes.root("mesh").pem + scenes.root("other").pem).decode(),
            },
            "east": {"bundle": (scenes.root("mesh").pem + scenes.root("other").pem).decode()},
        },
        set(),
    ),
    "an authority of before in a pod": (
        {"west": {"kvstoremesh": unready("east", connected=False), "troubleshoot": troubleshot(TLS)}},
        {(1, "mesh-tls-refused", "west")},
    ),
    "a certificate that is gone": (
        {"east": scenes.secret("east", clustermesh_apiserver_server_cert=None)},
        {(1, "certificate", "east")},
    ),
    "certificates that have run out": (
        {"now": scenes.NOW + dt.timedelta(days=366)},
        {(1, "certificate", "west"), (1, "certificate", "east")},
    ),
    "certificates that run out soon": (
        {"now": scenes.NOW + dt.timedelta(days=300)},
        {(1, "certificate-ending", "west"), (1, "certificate-ending", "east")},
    ),
    "a peer that is not looked for": (
        {"west": scenes.secret("west", cilium_kvstoremesh={"data": {}}, cilium_clustermesh={"data": {}})},
        {(2, "mesh-peer-missing", "west")},
    ),
    "a peer that no cluster is called, and KVStoreMesh that does not find it": (
        {
            "west": {
                **scenes.secret(
                    "west",
                    cilium_kvstoremesh={"data": {"orient": scenes.peer("east", "10.64.2.1")}},
                    cilium_clustermesh={"data": {"orient": scenes.peer("east", "10.64.2.1")}},
                ),
                "kvstoremesh": unready("orient", config={"required": True, "retrieved": False}),
            }
        },
        {(2, "mesh-peer-missing", "west"), (2, "mesh-peer-unknown", "west")},
    ),
    "KVStoreMesh that fetches what no agent asks for": (
        {"west": scenes.secret("west", cilium_clustermesh={"data": {}})},
        {(2, "mesh-peer-half", "west")},
    ),
    "a peer without its configuration": (
        {"west": {"kvstoremesh": unready("east", config={"required": True, "retrieved": False})}},
        {(2, "mesh-peer-not-ready", "west")},
    ),
    "an agent that does not read what KVStoreMesh has": (
        {
            "west": agent(
                "west", status={"cluster-mesh": {"clusters": unready("east", synced={"nodes": True})}}
            )
        },
        {(2, "mesh-peer-not-ready", "west")},
    ),
    "a wrong address, with the peer not ready for it": (
        {
            "west": {
                **scenes.secret(
                    "west", cilium_kvstoremesh={"data": {"east": scenes.peer("east", "10.6.6.6")}}
                ),
                "kvstoremesh": unready("east", connected=False),
                "troubleshoot": troubleshot(TCP),
            }
        },
        {(3, "mesh-address-wrong", "west")},
    ),
    "a port that is shut": (
        {"west": {"kvstoremesh": unready("east", connected=False), "troubleshoot": troubleshot(TCP)}},
        {(3, "mesh-address-unreachable", "west")},
    ),
    "one node named of two": (
        {"east": {"nodes": (scenes.node("e1", "10.64.2.1"), scenes.node("e2", "10.64.2.2"))}},
        {(3, "mesh-address-one-node", "west")},
    ),
    "a dead overlay": (
        {"west": agent("west", health=dead("east", "health-endpoint"))},
        {(4, "overlay-dead", "west")},
    ),
    "a dead underlay, with the mesh server behind it": (
        {
            "west": {
                **agent("west", health=dead("east", "host")),
                "troubleshoot": troubleshot(TCP),
                "kvstoremesh": unready("east", connected=False),
            }
        },
        {(4, "nodes-unreachable", "west")},
    ),
    "pods that reach nothing": (
        {
            "proofs": (
                snapshot.Proof(source="west", target="east", leg="pod-udp", state="failed", why="silence"),
            )
        },
        {(4, "pods-unreachable", "west")},
    ),
    "the range that Cilium takes everywhere": ({"east": {"live": OVERLAPS}}, {(5, "ranges-overlap", "east")}),
    "services that overlap": (
        {"east": {"live": dataclasses.replace(scenes.live_of("west"), pods=(prefix.parse("10.9.0.0/16"),))}},
        {(5, "services-overlap", "west")},
    ),
    "a node with an address of the other's pods": (
        {
            "west": {"nodes": (scenes.node("west-1", "10.2.3.4"),)},
            "east": scenes.secret(
                "east", cilium_kvstoremesh={"data": {"west": scenes.peer("west", "10.2.3.4")}}
            ),
        },
        {(5, "ranges-overlap", "east")},
    ),
    "packets that vanish": (
        {
            "proofs": (
                snapshot.Proof(
                    source="west",
                    target="east",
                    leg="packet",
                    state="failed",
                    why="silence",
                    figures={"largest": 1250, "planned": 1350},
                ),
            )
        },
        {(6, "packets-vanish", "west")},
    ),
    "an MTU above the plan's": (
        {"west": {**scenes.config("west", mtu="1500"), **agent("west", mtus={"cilium_host": 1500})}},
        {(6, "mtu-not-planned", "west")},
    ),
    "an MTU that agents have not read": (
        {"west": agent("west", mtus={"cilium_host": 1350})},
        {(6, "mtu-not-applied", "west")},
    ),
    "MTUs that differ, without a plan": (
        {
            "planned": None,
            "west": {**scenes.config("west", mtu="1500"), **agent("west", mtus={"cilium_host": 1500})},
        },
        {(6, "mtu-mixed", None)},
    ),
    "an id given twice": (
        {
            "planned": None,
            "west": scenes.config("west", cluster_id="2"),
            "east": agent("east", status={"cluster-mesh": {"clusters": []}}),
        },
        {(7, "cluster-id-shared", "east")},
    ),
    "a name given twice": (
        {
            "west": {**scenes.config("west", cluster_name="east"), "secrets": scenes.site("east").secrets},
            "east": agent("east", status={"cluster-mesh": {"clusters": []}}),
        },
        {
            (7, "cluster-name-shared", "east"),
            (2, "mesh-peer-missing", "west"),
            (2, "mesh-peer-missing", "east"),
            (10, "remote-user-missing", "east"),
        },
    ),
    "an id changed under running agents": (
        {"east": scenes.config("east", cluster_id="3")},
        {(7, "cluster-id-changed", "east"), (7, "cluster-id-not-applied", "east")},
    ),
    "an id with the bit of ENI": (
        {
            "planned": None,
            "east": {**scenes.config("east", cluster_id="200", ipam="eni")},
            "west": agent("west", status={"cluster-mesh": {"clusters": []}}),
        },
        {(7, "cluster-id-clashes", "east")},
    ),
    "numbers of clusters that differ": (
        {"west": scenes.config("west", max_connected_clusters="511")},
        {(7, "max-connected-clusters-differ", None)},
    ),
    "a policy that names no cluster": (
        {"west": {"policies": policy(ingress=[{"fromEndpoints": [{}]}])}},
        {(8, "policy-local-only", "west")},
    ),
    "a policy that names clusters": (
        {
            "west": {
                "policies": policy(
                    ingress=[
                        {"fromEndpoints": [{"matchExpressions": [{"key": CLUSTER, "operator": "Exists"}]}]}
                    ]
                )
            }
        },
        set(),
    ),
    "a service that is global on one side": (
        {"east": {"services": (scenes.service(**{"service.cilium.io/global": "false"}),)}},
        {(9, "service-not-global", "east")},
    ),
    "a service that is on one side": (
        {"east": {"services": (), "backends": {}}},
        {(9, "service-absent", "east")},
    ),
    "ports that differ": (
        {"east": {"services": ({**scenes.service(), "spec": {"ports": [{"name": "web", "port": 80}]}},)}},
        {(9, "service-ports-differ", "west")},
    ),
    "backends that are kept": (
        {
            "west": {"services": (scenes.service(**{"service.cilium.io/shared": "false"}),)},
            "east": {"backends": {}},
        },
        {(9, "service-not-shared", "east")},
    ),
    "an affinity that Cilium does not know": (
        {"east": {"services": (scenes.service(**{"service.cilium.io/affinity": "near"}),)}},
        {(9, "service-affinity", "east")},
    ),
    "a namespace that is not global": (
        {"east": scenes.config("east", clustermesh_default_global_namespace="false")},
        {(9, "namespace-not-global", "east")},
    ),
    "versions two apart": (
        {"west": parts(agents="1.18.4", operator="1.18.4", mesh="1.18.4")},
        {(10, "cilium-version-skew", "west")},
    ),
    "versions one apart": ({"west": parts(agents="1.19.9", operator="1.19.9", mesh="1.19.9")}, set()),
    "a mesh server of another version": (
        {"west": parts(mesh="1.20.1")},
        {(10, "cilium-parts-differ", "west")},
    ),
    "agents that are not ready": (
        {"west": counted("agents", ready=0)},
        {(0, "not-ready", "west")},
    ),
    "a mesh server that is scaled away": (
        {"west": counted("mesh", ready=0, desired=0, updated=0)},
        {(0, "not-ready", "west")},
    ),
    "a user that is missing": ({"west": {"users": None}}, {(10, "remote-user-missing", "west")}),
    "an interface without tunnel segmentation": (
        {"west": {"interfaces": {"west-1": (scenes.interface(**dict.fromkeys(offloads.TUNNEL, False)),)}}},
        {(16, "offloads-missing", "west")},
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_and_nothing_else(what: str) -> None:
    change, expected = WRONG[what]

    assert scenes.codes(scenes.mesh(**change)) == expected


@pytest.mark.parametrize("what", WRONG)
def test_every_finding_has_a_listed_code_of_its_trouble_evidence_and_a_remedy(what: str) -> None:
    listed = {each.number: each.codes for each in checks.TROUBLES}
    for each in checks.examine(scenes.mesh(**WRONG[what][0])).diagnoses:
        assert each.finding.code in listed[each.trouble]
        assert each.finding.remedy
        assert each.evidence or each.finding.severity is not report.Severity.ERROR or each.finding.kind


# --- what cannot be looked at --------------------------------------------------------------------
@pytest.mark.parametrize(
    "part",
    [
        "config",
        "nodes",
        "parts",
        "service",
        "secrets",
        "users",
        "agents",
        "kvstoremesh",
        "services",
        "backends",
        "policies",
        "istio",
    ],
)
def test_a_part_that_cannot_be_read_is_told_and_hides_no_finding_of_the_other_cluster(part: str) -> None:
    seen = scenes.mesh(west={part: MISSING}, east=scenes.config("east", cluster_id="0"))
    found = checks.examine(seen)

    assert ("west", MISSING.why) in {(each.cluster, each.why) for each in found.unchecked}
    assert (7, "cluster-id-unset", "east") in scenes.codes(seen)
    assert not any(each.finding.cluster == "west" for each in found.diagnoses if each.trouble != 7)


def test_a_silent_cluster_hides_nothing_of_the_other_and_is_no_reason_for_findings_there() -> None:
    seen = scenes.mesh(west={"silent": MISSING}, east={"users": None, "kvstoremesh": unready("west")})

    assert scenes.codes(seen) == {(0, "cluster-silent", "west"), (2, "mesh-peer-not-ready", "east")}
    assert checks.examine(seen).state(0) is checks.State.FOUND


def test_nothing_found_and_something_unread_is_partly_checked() -> None:
    found = checks.examine(scenes.mesh(west={"services": MISSING}))

    assert found.state(9) is checks.State.PARTLY
    assert found.state(7) is checks.State.CLEAR


def test_errors_come_first_and_then_the_trouble_that_may_cause_the_others() -> None:
    found = checks.examine(
        scenes.mesh(
            west={
                **scenes.secret("west", cilium_clustermesh={"data": {}}),
                **agent("west", mtus={"cilium_host": 9}),
            },
            east={"users": None},
        )
    )

    assert [each.finding.code for each in found.diagnoses] == [
        "mesh-peer-half",
        "remote-user-missing",
        "mtu-not-applied",
    ]


def test_a_symptom_becomes_evidence_of_its_cause() -> None:
    change, _ = WRONG["a wrong address, with the peer not ready for it"]
    (one,) = checks.examine(scenes.mesh(**change)).diagnoses

    assert any("KVStoreMesh does not read east" in words for words in one.evidence)


def test_a_probe_of_an_agent_that_pods_contradict_now_is_a_warning() -> None:
    proof = snapshot.Proof(source="west", target="east", leg="pod-tcp", state="ok")
    seen = scenes.mesh(west=agent("west", health=dead("east", "health-endpoint")), proofs=(proof,))
    (one,) = checks.examine(seen).diagnoses

    assert (one.finding.code, one.finding.severity) == ("overlay-dead", report.Severity.WARNING)


# --- single decisions ----------------------------------------------------------------------------
STAGES = [
    ("Cannot resolve hostname: no such host", 3),
    (TCP, 3),
    (TLS, 1),
    ("TLS client authentication failed: remote error: tls: bad certificate", 1),
    ("Failed to retrieve key from etcd: permission denied", 2),
]


@pytest.mark.parametrize(("words", "trouble"), STAGES)
def test_the_step_at_which_a_peer_fails_says_the_trouble(words: str, trouble: int) -> None:
    assert peering.stage(troubleshot(words), "east") == (words, trouble)
    assert peering.stage(troubleshot(words), "west") == ("", 2)


def test_one_probe_of_two_that_answers_proves_a_way_and_one_never_sent_proves_nothing() -> None:
    tried = {"lastProbed": "2026-11-28T00:00:00Z"}
    legs = [
        {"icmp": {**tried, "status": "timed out"}, "http": tried},
        {"icmp": {"lastProbed": "0001-01-01T00:00:00Z"}},
        {"icmp": {**tried, "status": "timed out"}, "http": {**tried, "status": "refused"}},
    ]
    nodes = [{"name": f"east/{index}", "host": {"primary-address": leg}} for index, leg in enumerate(legs)]
    seen = datapath.ways(snapshot.Agent(pod="p", node="n", health={"nodes": nodes}))

    assert [(way.target, way.why) for way in seen] == [("east/0", ""), ("east/2", "timed out")]


def test_a_way_that_was_dead_and_takes_a_connection_now_is_not_dead() -> None:
    lost = {"lastProbed": "2026-11-28T00:00:00Z", "status": "Connection timed out"}
    nodes = [
        {"name": f"east/{ip}", "health-endpoint": {"primary-address": {"ip": ip, "icmp": lost, "http": lost}}}
        for ip in ("10.8.0.7", "10.8.0.8")
    ]
    agent = snapshot.Agent(pod="p", node="n", health={"nodes": nodes}, answering=frozenset({"10.8.0.7"}))

    assert [(way.address, way.is_dead) for way in datapath.ways(agent)] == [
        ("10.8.0.7", False),
        ("10.8.0.8", True),
    ]


NETWORK = {"kind": "NetworkPolicy", "metadata": {"namespace": "shop", "name": "n"}}
PEERS: list[tuple[Json, bool]] = [
    ({**NETWORK, "spec": {"podSelector": {}}}, True),
    ({**NETWORK, "spec": {"podSelector": {}, "ingress": [{}]}}, False),
    ({**NETWORK, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}, False),
    ({**NETWORK, "spec": {"podSelector": {"matchLabels": {"app": "other"}}}}, False),
    ({**NETWORK, "spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}}, True),
    (
        {
            **NETWORK,
            "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]},
        },
        True,
    ),
    ({**NETWORK, "metadata": {"namespace": "else", "name": "n"}, "spec": {"podSelector": {}}}, False),
    (policy(ingress=[{"fromEntities": ["all"]}])[0], False),
    (policy(ingress=[{"fromEntities": ["cluster"]}])[0], True),
    (policy(ingress=[{"toPorts": [{"ports": [{"port": "80"}]}]}])[0], False),
    (policy(egress=[{}])[0], False),
    (policy(ingress=[], enableDefaultDeny={"ingress": False})[0], False),
    (policy(ingress=[{"fromEndpoints": [{"matchLabels": {f"k8s:{CLUSTER}": "east"}}]}])[0], False),
    (policy(ingressDeny=[{"fromEntities": ["world"]}])[0], True),
]


@pytest.mark.parametrize(("body", "closes"), PEERS)
def test_a_policy_closes_a_pod_to_other_clusters_when_no_rule_lets_one_in(
    body: Json, *, closes: bool
) -> None:
    assert bool(policies.closing(scenes.pod(), [body], is_local=True)) is closes


def test_one_policy_that_lets_other_clusters_in_is_enough() -> None:
    shut, opened = PEERS[0][0], PEERS[7][0]

    assert policies.closing(scenes.pod(), [shut, opened], is_local=True) == []


NETS = st.builds(
    lambda first, length: prefix.parse(
        f"{first >> 24 & 255}.{first >> 16 & 255}.{first >> 8 & 255}.0/{length}"
    ),
    st.integers(0, 2**32 - 1),
    st.integers(8, 24),
)


@given(
    st.lists(
        st.tuples(NETS, st.sampled_from(["pods", "services"]), st.sampled_from(scenes.CLUSTERS)), max_size=12
    )
)
def test_ranges_meet_exactly_where_they_share_an_address_and_must_not(
    drawn: list[tuple[prefix.Prefix, str, str]],
) -> None:
    sites = {name: snapshot.Site(cluster=name) for name in scenes.CLUSTERS}
    held = [ranges.Held(net, role, sites[name], "drawn") for net, role, name in drawn]
    pairs = {frozenset((id(one), id(other))) for one, other in ranges.meetings(held)}
    expected = {
        frozenset((id(one), id(other)))
        for index, one in enumerate(held)
        for other in held[index + 1 :]
        if one.range.first < other.range.end and other.range.first < one.range.end
        and not (one.site is other.site and one.role == other.role)
    }  # fmt: skip

    assert pairs == expected


# --- Istio ---------------------------------------------------------------------------------------
def token(ends: dt.datetime | None) -> str:
    claims = {} if ends is None else {"exp": ends.timestamp()}
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.c2lnbmVk"


def kubeconfig(server: str = "https://10.64.2.1:6443", ca: str = "", **user: Any) -> str:
    place = {"server": server, **({"certificate-authority-data": ca} if ca else {})}
    text = yaml.safe_dump(
        {
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": place}],
            "users": [{"name": "u", "user": user or {"token": token(scenes.NOW + dt.timedelta(days=1))}}],
        }
    )
    return base64.b64encode(text.encode()).decode()


def pem(name: str) -> str:
    return base64.b64encode(scenes.root(name).pem).decode()


def istio(name: str, *, root: str = "istio", domain: str = "shop.local", **keys: str) -> Json:
    other = next(each for each in scenes.CLUSTERS if each != name)
    address = "10.64.1.1:6443" if name == "east" else "10.64.2.1:6443"
    data = keys or {other: kubeconfig(f"https://{address}")}
    roots = ({"metadata": {"name": "cacerts"}, "data": {"root-cert.pem": pem(root)}},)
    return {
        "istio": snapshot.Istio(
            cluster_id=name,
            trust_domain=domain,
            roots=roots,
            remotes=({"metadata": {"name": "remote"}, "data": data},),
        )
    }


def told(name: str, said: istiod.Told) -> Json:
    return {"istio": dataclasses.replace(istio(name)["istio"], told=said)}


LATE, SOON = scenes.NOW - dt.timedelta(hours=1), scenes.NOW + dt.timedelta(hours=1)
ISTIO: dict[str, tuple[Json, set[tuple[int, str, str | None]]]] = {
    "nothing": ({"west": istio("west")}, set()),
    "no remote Secret": (
        {
            "west": {
                "istio": snapshot.Istio(
                    cluster_id="west", trust_domain="shop.local", roots=istio("west")["istio"].roots
                )
            }
        },
        {(11, "istio-remote-missing", "west")},
    ),
    "an istiod of another cluster": (
        {"west": {"istio": snapshot.Istio(trust_domain="shop.local", has_istiod=False)}},
        set(),
    ),
    "a key that nobody is called": (
        {"west": istio("west", orient=kubeconfig())},
        {(11, "istio-remote-missing", "west"), (11, "istio-remote-unknown", "west")},
    ),
    "no kubeconfig": (
        {"west": istio("west", east="bm90aGluZw==")},
        {(11, "istio-remote-unreadable", "west")},
    ),
    "a token that has ended": (
        {"west": istio("west", east=kubeconfig(token=token(LATE)))},
        {(11, "istio-remote-token", "west")},
    ),
    "a token that ends soon": (
        {"west": istio("west", east=kubeconfig(token=token(SOON)))},
        {(11, "istio-remote-token", "west")},
    ),
    "a program for credentials": (
        {"west": istio("west", east=kubeconfig(exec={"command": "aws"}))},
        {(11, "istio-remote-refused", "west")},
    ),
    "an address of the pod itself": (
        {"west": istio("west", east=kubeconfig("https://127.0.0.1:6443"))},
        {(11, "istio-remote-local", "west")},
    ),
    "a server that is not reached": (
        {"west": {**istio("west"), "reaches": {"10.64.2.1:6443": "Connection refused"}}},
        {(11, "istio-remote-unreachable", "west")},
    ),
    "an authority of before": (
        {
            "west": istio("west", east=kubeconfig(ca=pem("before"))),
            "east": {**istio("east"), "authority": remotes.fingerprint(scenes.root("today").pem)},
        },
        {(11, "istio-remote-ca", "west")},
    ),
    "a cluster that istiod does not read": (
        {"west": told("west", istiod.Told(states={"east": istiod.TIMEOUT}))},
        {(11, "istio-remote-not-synced", "west")},
    ),
    "a cluster that istiod reads without its Secrets": (
        {"west": told("west", istiod.Told(states={"east": istiod.TIMEOUT}, endpoints={"east": 3}))},
        set(),
    ),
    "another root": ({"west": istio("west", root="other")}, {(12, "istio-root-differs", "east")}),
    "another trust domain": (
        {"west": istio("west", domain="west.local")},
        {(12, "istio-trust-domain-differs", "east")},
    ),
    "sockets that pass sidecars by": (
        {"west": {**istio("west"), **scenes.config("west", kube_proxy_replacement="true")}},
        {(14, "sidecars-bypassed", "west")},
    ),
}


@pytest.mark.parametrize("what", ISTIO)
def test_what_is_wrong_with_istio_is_said_and_nothing_else(what: str) -> None:
    change, expected = ISTIO[what]

    assert scenes.codes(scenes.mesh(**{"east": istio("east"), **change})) == expected


def test_no_token_and_no_key_reaches_what_is_shown() -> None:
    secret = "aVeryPrivateToken"
    seen = scenes.mesh(west=istio("west", east=kubeconfig(token=secret)), east=istio("east"))
    shown = json.dumps(checks.examine(seen).to_json()) + repr(seen)

    assert secret not in shown
    keys = [
        base64.b64decode(body["data"]["tls.key"]).decode() for body in scenes.certificates("west").values()
    ]
    assert not any(key.splitlines()[1] in shown for key in keys)


def test_the_page_tells_every_code_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|.*", page, flags=re.MULTILINE)
    told = set(re.findall(r"^\| `([a-z-]+)` \|", page, flags=re.MULTILINE))

    assert {int(each) for each in rows} >= {each.number for each in checks.TROUBLES}
    assert told == {code for each in checks.TROUBLES for code in each.codes}

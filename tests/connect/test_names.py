"""What each cluster's CoreDNS is told of the others, and that all of it can be taken out again."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isthmus.mesh import cilium, corefile
from isthmus.mesh import dns as dns_
from isthmus.model import errors, folder
from isthmus.rollout.connect import facts, names

PLAIN = """.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
    }
    forward . /etc/resolv.conf
    reload
}
"""
IMPORTS = PLAIN + "import custom/*.server\n"
BARE = ".:53 {\n    kubernetes cluster.local\n    reload\n}\n"
ZONES: dns_.Stubs = {"data.svc.cluster.local": ("10.8.0.10:53",)}
OWN = corefile.BEGIN


def read(
    *, dns: bool = True, clusterset: bool = False, at: bool = True, twice: bool = False
) -> folder.Folder:
    """Return a Fleet of west and east, with one App in the east alone (or in both)."""
    clusters: list[dict[str, Any]] = [
        {"name": name, "id": number, "nodes": 1, **({"dns": [f"10.8.0.{number}:53"]} if at else {})}
        for number, name in enumerate(("west", "east"), 1)
    ]
    head = {"apiVersion": "isthmus.dev/v1alpha1"}
    spec = {"clusters": clusters, "dns": {"stubs": dns}, "network": {"clusterset": clusterset}}
    fleet = {**head, "kind": "Fleet", "metadata": {"name": "shop"}, "spec": spec}
    members: dict[str, Any] = {"east": {}, **({"west": {}} if twice else {})}
    app = {**head, "kind": "App", "metadata": {"name": "db", "namespace": "data"}}
    app["spec"] = {"chart": {"path": "chart"}, "clusters": members}
    found = folder.parse([("shop.yaml", yaml.safe_dump_all([fleet, app]))])
    assert found.folder is not None, found.findings
    return found.folder


def seen(text: str | None, custom: dict[str, str] | None = None) -> facts.Facts:
    """Return a cluster whose CoreDNS is configured so."""
    held = {} if text is None else {"coredns": {"data": {"Corefile": text}}}
    return facts.Facts(
        cluster="west", dns=held | ({} if custom is None else {"coredns-custom": {"data": custom}})
    )


lines = st.sampled_from(
    [".:53 {", "    errors", "    kubernetes cluster.local in-addr.arpa {", "    }", "}",
     "example.com:53 {", "    kubernetes cluster.local{", "# a note", "", "import custom/*.server"]
)  # fmt: skip
texts = st.lists(lines, max_size=12).map(lambda found: "".join(f"{line}\n" for line in found))


@given(texts, st.booleans(), st.booleans())
def test_what_is_written_can_be_taken_out_to_the_byte(text: str, stubs: bool, clusterset: bool) -> None:
    told = corefile.with_stubs(text, ZONES if stubs else {})
    try:
        told = corefile.with_clusterset(told) if clusterset else told
    except errors.InputError:
        assert "kubernetes " not in text

    assert corefile.without(told) == text
    assert corefile.is_ours(told) == (told != text)
    assert corefile.with_stubs(told, ZONES if stubs else {}) == told or clusterset


def test_the_clusterset_is_a_zone_of_the_plugin_kubernetes_and_a_second_time_changes_nothing() -> None:
    told = corefile.with_clusterset(PLAIN)

    assert "    kubernetes cluster.local in-addr.arpa ip6.arpa clusterset.local {\n" in told
    assert "        multicluster clusterset.local # isthmus: clusterset\n" in told
    assert corefile.with_clusterset(told) == told
    theirs = PLAIN.replace("pods insecure", "multicluster clusterset.local")
    assert corefile.with_clusterset(theirs) == corefile.without(theirs) == theirs


def test_a_cluster_forwards_the_namespaces_of_others_and_not_its_own() -> None:
    source = read()

    west = names.of(source, "west", seen(PLAIN))
    east = names.of(source, "east", seen(PLAIN))

    assert [str(each) for each in west] == ["ConfigMap kube-system/coredns"]
    assert west[0].body is not None
    text = west[0].body["data"]["Corefile"]
    assert text.startswith(PLAIN)
    assert "data.svc.cluster.local:53 {" in text
    assert "forward . 10.8.0.2:53 {" in text
    assert west[0].before == {"data": {"Corefile": PLAIN}}
    assert east == ()


def test_where_coredns_imports_servers_the_key_is_ours_alone() -> None:
    (one,) = names.of(read(), "west", seen(IMPORTS, {"theirs.server": "x"}))

    assert str(one) == "ConfigMap kube-system/coredns-custom"
    assert one.body is not None
    assert list(one.body["data"]) == ["isthmus.server"]
    assert one.before == {"data": {}}
    (gone,) = names.out(seen(IMPORTS, {"isthmus.server": "y"}))
    assert (gone.body, gone.before) == ({"data": {}}, {"data": {"isthmus.server": "y"}})


def test_what_the_fleet_no_longer_asks_for_is_taken_out_with_its_role() -> None:
    told = corefile.with_clusterset(corefile.with_stubs(PLAIN, ZONES))

    for found in (names.of(read(dns=False), "west", seen(told)), names.out(seen(told))):
        assert [(str(each), each.body) for each in found] == [
            ("ClusterRole isthmus-coredns-clusterset", None),
            ("ClusterRoleBinding isthmus-coredns-clusterset", None),
            ("ConfigMap kube-system/coredns", {"data": {"Corefile": PLAIN}}),
        ]
    assert names.of(read(dns=False), "west", seen(PLAIN)) == names.out(seen(PLAIN)) == ()


@pytest.mark.parametrize(
    ("source", "text", "codes"),
    [
        (read(), PLAIN, []),
        (read(dns=False), None, []),
        (read(), None, ["dns-no-coredns"]),
        (read(at=False), PLAIN, ["dns-not-told"]),
        (read(twice=True), PLAIN, ["dns-not-told"]),
        (read(dns=False, clusterset=True), BARE, ["dns-not-told"]),
        (read(), PLAIN + "data.svc.cluster.local:53 {\n}\n", ["dns-zone-there"]),
        (read(), PLAIN.replace("    reload\n", ""), ["dns-no-reload"]),
    ],
)  # fmt: skip
def test_what_stands_against_it_is_found_before_anything_is_written(
    source: folder.Folder, text: str | None, codes: list[str]
) -> None:
    assert [each.code for each in names.findings(source, "west", seen(text))] == codes


def test_the_limits_of_stubs_are_told_where_they_are_asked_for() -> None:
    assert [each.code for each in names.limits(read())] == ["dns-limits"]
    assert list(names.limits(read(dns=False))) == []


def test_values_turn_the_mcs_api_on_and_only_files_leave_coredns_to_the_chart() -> None:
    source = read(clusterset=True).fleet

    found = {
        way: cilium.values(
            source, source.cluster("west"), pods=("10.0.0.0/16",), all_pods=(), certificates=way
        )
        for way in (cilium.PROVIDED, "cronJob")
    }

    assert {way: each["clustermesh"]["mcsapi"] for way, each in found.items()} == {
        cilium.PROVIDED: {"enabled": True},
        "cronJob": {"enabled": True, "corednsAutoConfigure": {"enabled": True}},
    }

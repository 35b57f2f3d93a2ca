"""Every wrong input: what is changed in a right folder, and the findings as (code, file:line, words)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.model import worlds

if TYPE_CHECKING:
    from isthmus.model import finding

Expected = list[tuple[str, str, str]]

FLEET_CASES: dict[str, tuple[str, str, Expected]] = {
    "unknown key": (
        "podsPerNode",
        "podPerNode",
        [("unknown-field", "1.yaml:12", "did you mean `podsPerNode`")],
    ),
    "later in a cluster": (
        "region: us-west4",
        "role: seed",
        [("not-implemented", "1.yaml:12", "role")],
    ),
    "unknown provider": (
        "region: us-west4",
        "provider: gpc",
        [("unknown-value", "1.yaml:12", "did you mean `gcp`?")],
    ),
    "snake case": ("podsPerNode", "pods_per_node", [("unknown-field", "1.yaml:12", "podsPerNode")]),
    "missing id": ("id: 1, ", "", [("missing-field", "1.yaml:12", "add `id: 3`")]),
    "no such case": (
        "region: us-west4",
        "provider: AWS",
        [("unknown-value", "1.yaml:12", "did you mean `aws`?")],
    ),
    "missing field": ("name: east, ", "", [("missing-field", "1.yaml:13", "name")]),
    "text for a number": ("id: 2", 'id: "2"', [("wrong-type", "1.yaml:13", "write it without quotes: 2")]),
    "boolean for a number": ("id: 2", "id: yes", [("wrong-type", "1.yaml:13", "true is given")]),
    "boolean for text": (
        "region: us-east1",
        "region: no",
        [("wrong-type", "1.yaml:13", 'put it in quotes: "no"')],
    ),
    "number for text": ("name: east", "name: 10", [("wrong-type", "1.yaml:13", 'put it in quotes: "10"')]),
    "list for a mapping": ("{context: ops}", "[ops]", [("wrong-type", "1.yaml:10", "a mapping is wanted")]),
    "text for a list": ("[172.17.0.0/16]", "172.17.0.0/16", [("wrong-type", "1.yaml:9", "brackets")]),
    "id too large": ("id: 2", "id: 512", [("out-of-range", "1.yaml:13", "511 or less")]),
    "id zero": ("id: 2", "id: 0", [("out-of-range", "1.yaml:13", "1 or more")]),
    "id over 255": ("id: 2", "id: 300", [("cluster-id-over-255", "1.yaml:13", "511")]),
    "same id": ("id: 2", "id: 1", [("duplicate-id", "1.yaml:13", "line 12")]),
    "same name": ("name: east", "name: west", [("duplicate-name", "1.yaml:13", "line 12")]),
    "same context": ("gke-east", "gke-west", [("duplicate-context", "1.yaml:13", "line 12")]),
    "witness with a vote": (
        "context: ops",
        "context: gke-east",
        [("duplicate-context", "1.yaml:10", "east")],
    ),
    "Cilium's default": ("name: east", "name: default", [("wrong-value", "1.yaml:13", "default")]),
    "no label": ("name: shop", "name: Shop", [("wrong-value", "1.yaml:3", "a-z")]),
    "host bits": ("10.8.0.0/16", "10.8.1.0/16", [("wrong-value", "1.yaml:13", "write 10.8.0.0/16")]),
    "no length": ("10.8.0.0/16", "10.8.0.0", [("wrong-value", "1.yaml:13", "address/length")]),
    "no address": ("10.8.0.0/16", "10.8.0.300/16", [("wrong-value", "1.yaml:13", "address/length")]),
    "every address": ("[10.0.0.0/10]", "[0.0.0.0/0]", [("wrong-value", "1.yaml:6", "every address")]),
    "every address of IPv6": ("10.8.0.0/16", "'::/0'", [("wrong-value", "1.yaml:13", "every address")]),
    "ends of a range": ("10.8.0.0/16", "10.8.9.0-10.8.0.0", [("wrong-value", "1.yaml:13", "address/length")]),
    "no address of IPv6": ("10.8.0.0/16", "'fd00::g/48'", [("wrong-value", "1.yaml:13", "IPv6 range")]),
    "length of IPv6": ("10.8.0.0/16", "10.8.0.0/48", [("wrong-value", "1.yaml:13", "address/length")]),
    "two ranges of a family": (
        "10.8.0.0/16",
        "[10.8.0.0/16, 10.9.0.0/16]",
        [("wrong-value", "1.yaml:13", "one of each family")],
    ),
    "two ranges of IPv6": ("10.8.0.0/16", "'fd00::/48,fd01::/48'", [("wrong-value", "1.yaml:13", "IPv6")]),
    "host bits in the second": (
        "10.8.0.0/16",
        "'10.8.0.0/16, fd00::1/48'",
        [("wrong-value", "1.yaml:13", "fd00::/48")],
    ),
    "netmask": ("10.8.0.0/16", "10.8.0.0/255.255.0.0", [("wrong-value", "1.yaml:13", "write 10.8.0.0/16")]),
    "host mask": ("10.8.0.0/16", "10.8.0.0/0.0.255.255", [("wrong-value", "1.yaml:13", "write 10.8.0.0/16")]),
    "zero before a length": ("10.8.0.0/16", "10.8.0.0/016", [("wrong-value", "1.yaml:13", "10.8.0.0/16")]),
    "zone": ("10.8.0.0/16", "'fd00::%eth0/64'", [("wrong-value", "1.yaml:13", "zone")]),
    "octal": ("id: 2", "id: 010", [("ambiguous-number", "1.yaml:13", "write 8")]),
    "hexadecimal": ("id: 2", "id: 0x10", [("ambiguous-number", "1.yaml:13", "write 16")]),
    "digits with a gap": ("nodes: 30, p", "nodes: 3_0, p", [("ambiguous-number", "1.yaml:12", "write 30")]),
    "nothing for a section": (
        "    nodes: {supernets: [10.64.0.0/12]}",
        "    nodes:",
        [("empty", "1.yaml:8", "take")],
    ),
    "nothing for text": (
        "region: us-west4",
        "region: ~",
        [("empty", "1.yaml:12", "spec.clusters[0].region")],
    ),
    "null": ("pods: 10.8.0.0/16", "pods: null", [("empty", "1.yaml:13", "spec.clusters[1].pods")]),
    "escape": ("us-east1", '"us\\e[31m"', [("wrong-value", "1.yaml:13", "control character")]),
    "text over two lines": ("gke-east", '"gke\\neast"', [("wrong-value", "1.yaml:13", "control character")]),
    "text for true": (
        "  witness",
        "  network: {hubble: 'yes'}\n  witness",
        [("wrong-type", "1.yaml:10", "true or false is wanted and 'yes' is given")],
    ),
    "one end": (
        "  witness",
        "  paths: [{between: [a], mtu: 1500}]\n  witness",
        [("wrong-value", "1.yaml:10", "two")],
    ),
    "three ends": (
        "  witness",
        "  paths: [{between: [a, b, c], mtu: 1500}]\n  witness",
        [("wrong-value", "1.yaml:10", "two names are wanted and 3 are given")],
    ),
    "number for a range": ("10.8.0.0/16", "10", [("wrong-value", "1.yaml:13", "address/length")]),
    "no range": ("10.8.0.0/16", "[]", [("wrong-value", "1.yaml:13", "leave the field out")]),
    "mask zero": ("nodeMask: 24", "nodeMask: 0", [("out-of-range", "1.yaml:6", "1 or more")]),
    "mask of nobody": ("nodeMask: 24", "nodeMask: 129", [("out-of-range", "1.yaml:6", "128 or less")]),
    "range of nothing": ("[10.0.0.0/10]", "[]", [("empty", "1.yaml:6", "at least one")]),
    "one bad range": ("[10.0.0.0/10]", "[10.0.0.0/99]", [("wrong-value", "1.yaml:6", "10.0.0.0/99")]),
    "growth below one": ("growth: 3", "growth: 0.5", [("wrong-value", "1.yaml:12", "from 1")]),
    "duplicate key": ("id: 2,", "id: 2, id: 3,", [("duplicate-key", "1.yaml:13", "'id'")]),
    "tab": ("  witness", "\twitness", [("yaml-syntax", "1.yaml:10", "indent with spaces")]),
    "open bracket": ("[10.96.0.0/12]}", "[10.96.0.0/12}", [("yaml-syntax", "1.yaml:7", "bracket")]),
    "wrong version": ("v1alpha1", "v2", [("wrong-api-version", "1.yaml:1", "isthmus.dev/v1alpha1")]),
    "no version": ("apiVersion: isthmus.dev/v1alpha1\n", "", [("wrong-api-version", "1.yaml:1", "missing")]),
    "wrong kind": ("kind: Fleet", "kind: Fleeet", [("unknown-kind", "1.yaml:2", "did you mean `Fleet`")]),
    "no kind": ("kind: Fleet\n", "", [("unknown-kind", "1.yaml:1", "needs a kind")]),
}

APP_CASES: dict[str, tuple[str, str, Expected]] = {
    "budget": ("  rollout:", "  budget: {}\n  rollout:", [("not-implemented", "2.yaml:12", "budget")]),
    "probe": ("  rollout:", "  probe: {}\n  rollout:", [("not-implemented", "2.yaml:12", "probe")]),
    "gate of later": ("approve]", "{probe: cassandra}]", [("not-implemented", "2.yaml:14", "probe")]),
    "no gate": ("approve]", "redy]", [("wrong-value", "2.yaml:14", "write `ready`")]),
    "gate in the inner form": ("approve]", "{name: ready}]", [("wrong-value", "2.yaml:14", "write `ready`")]),
    "bake without unit": ("bake: 2m", "bake: 120", [("wrong-value", "2.yaml:14", "500ms, 10s")]),
    "SOPS": ("{secret: cassandra-secrets}", "{sops: a.yaml}", [("not-implemented", "2.yaml:8", "sops")]),
    "two sources": (
        "{secret: cassandra-secrets}",
        "{secret: a, configMap: b}",
        [("wrong-value", "2.yaml:8", "secret: NAME")],
    ),
    "OCI chart": (
        "{path: charts/cassandra}",
        "{repo: 'oci://x', name: a, version: 1.0.0}",
        [("not-implemented", "2.yaml:6", "OCI")],
    ),
    "half a chart": ("{path: charts/cassandra}", "{repo: x}", [("wrong-value", "2.yaml:6", "`version`")]),
    "two charts": ("{path: charts/cassandra}", "{path: a, repo: x}", [("wrong-value", "2.yaml:6", "either")]),
    "stranger": (
        "    east:",
        "    eats: {}\n    east:",
        [("unknown-cluster", "2.yaml:11", "east"), ("cluster-in-no-wave", "2.yaml:14", "eats")],
    ),
    "stranger in a wave": (
        "[[west], [east]]",
        "[[west], [eats]]",
        [("unknown-cluster", "2.yaml:13", "eats"), ("cluster-in-no-wave", "2.yaml:13", "east")],
    ),
    "no name for a cluster": (
        "    east:",
        "    East: {}\n    east:",
        [("wrong-value", "2.yaml:11", "a letter or digit at both ends")],
    ),
    "flat waves": (
        "[[west], [east]]",
        "[west]",
        [("wrong-type", "2.yaml:13", "put it in brackets")],
    ),
    "twice in waves": (
        "[[west], [east]]",
        "[[west], [east, west]]",
        [("cluster-twice", "2.yaml:13", "west")],
    ),
    "empty wave": ("[[west], [east]]", "[[west, east], []]", [("empty-wave", "2.yaml:13", "take it out")]),
    "nobody required": (
        "{values: {dc: west}}",
        "{membership: catch-up}",
        [("no-required-cluster", "2.yaml:9", "membership")],
    ),
    "bad membership": (
        "optional",
        "optionl",
        [("unknown-value", "2.yaml:11", "required, optional or catch-up")],
    ),
    "bad onFailure": ("rollback-all", "rollback", [("unknown-value", "2.yaml:15", "rollback-failed")]),
    "long release": (
        "  chart:",
        f"  release: {'a' * 54}\n  chart:",
        [("release-too-long", "2.yaml:6", "at most 53")],
    ),
    "infinite value": ("clusterName: shop", "heap: .inf", [("yaml-number", "2.yaml:7", "quotes")]),
}


def told(found: finding.Finding) -> tuple[str, str]:
    return found.code, f"{found.file}:{found.line}"


def expect(findings: tuple[finding.Finding, ...], expected: Expected) -> None:
    assert [told(found) for found in findings] == [(code, place) for code, place, _ in expected]
    for found, (_, _, words) in zip(findings, expected, strict=True):
        assert words in f"{found.message} → {found.remedy}"


@pytest.mark.parametrize("case", FLEET_CASES)
def test_a_wrong_fleet_gives_one_finding_with_line_reason_and_way_out(case: str) -> None:
    before, after, expected = FLEET_CASES[case]
    assert before in worlds.FLEET

    expect(worlds.parse(worlds.FLEET.replace(before, after, 1)).findings, expected)


@pytest.mark.parametrize("case", APP_CASES)
def test_a_wrong_app_gives_one_finding_with_line_reason_and_way_out(case: str) -> None:
    before, after, expected = APP_CASES[case]

    expect(worlds.parse(worlds.FLEET, worlds.APP.replace(before, after, 1)).findings, expected)


def test_all_problems_come_at_once_over_all_files() -> None:
    fleet = worlds.FLEET.replace("id: 2", "id: 1").replace("witness:", "budgets: []\n  witness:")
    app = worlds.APP.replace("[[west], [east]]", "[[west]]").replace("serviceAccount", "serviceAcount")

    expect(
        worlds.parse(fleet, app, "- 1\n", "a: [\n").findings,
        [
            ("unknown-field", "1.yaml:10", "budgets"),
            ("duplicate-id", "1.yaml:14", "id"),
            ("unknown-field", "2.yaml:5", "serviceAccount"),
            ("cluster-in-no-wave", "2.yaml:13", "east"),
            ("no-document", "3.yaml:1", "apiVersion"),
            ("yaml-syntax", "4.yaml:2", "bracket"),
        ],
    )


ACCESS_CASES: dict[str, tuple[str, str, Expected]] = {
    "an App that nobody wrote": (
        "app: cassandra",
        "app: casandra",
        [("unknown-app", "3.yaml:6", "cassandra")],
    ),
    "a cluster that is no cluster": (
        'clusters: ["*"]',
        "clusters: [wst]",
        [("unknown-cluster", "3.yaml:5", "west")],
    ),
    "two ways to say who": (
        "{app: cassandra}",
        "{app: cassandra, namespace: data}",
        [("wrong-value", "3.yaml:6", "one of them")],
    ),
    "nobody at all": ("{app: cassandra}", "{}", [("wrong-value", "3.yaml:6", "one of them")]),
    "names for who connects": (
        '{namespace: shop, labels: {app: orders}, clusters: ["*"]}',
        "{names: [shop.example]}",
        [("wrong-value", "3.yaml:4", "write `addresses`")],
    ),
    "CQL over UDP": (
        "{port: 9042, ",
        "{port: 9042, protocol: udp, ",
        [("wrong-value", "3.yaml:7", "leave `protocol` out")],
    ),
}


@pytest.mark.parametrize("case", ACCESS_CASES)
def test_a_wrong_access_gives_one_finding_with_line_reason_and_way_out(case: str) -> None:
    before, after, expected = ACCESS_CASES[case]
    assert before in worlds.ACCESS

    expect(worlds.parse(worlds.FLEET, worlds.APP, worlds.ACCESS.replace(before, after)).findings, expected)


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ((), "empty-folder"),
        (("",), "empty-folder"),
        (("# nothing\n---\n",), "empty-folder"),
        ((worlds.APP,), "no-fleet"),
        ((worlds.FLEET, worlds.FLEET), "second-fleet"),
        ((worlds.FLEET, worlds.APP, worlds.APP), "duplicate-app"),
        ((worlds.FLEET, "apiVersion: apps/v1\nkind: Deployment\n"), "wrong-api-version"),
        ((worlds.FLEET, "\x7fELF\x02\x01\x00\x00"), "yaml-syntax"),
    ],
)
def test_what_is_wrong_with_a_folder_as_a_whole_is_one_finding(texts: tuple[str, ...], code: str) -> None:
    parsed = worlds.parse(*texts)

    assert parsed.folder is None
    assert [found.code for found in parsed.findings] == [code]


def test_two_clusters_of_one_name_are_not_told_again_for_the_context_that_follows_it() -> None:
    text = worlds.FLEET.replace("context: gke-west, ", "").replace("context: gke-east, ", "")

    expect(
        worlds.parse(text.replace("name: east", "name: west")).findings,
        [("duplicate-name", "1.yaml:13", "line 12")],
    )


def test_values_of_a_chart_may_be_nothing_and_octal() -> None:
    app = worlds.APP.replace("clusterName: shop", "clusterName: null, mode: 0644")

    expect(worlds.parse(worlds.FLEET, app).findings, [])


def test_two_apps_may_not_share_a_release() -> None:
    other = worlds.APP.replace("name: cassandra,", "name: redis,").replace(
        "  chart:", "  release: cassandra\n  chart:"
    )

    assert [found.code for found in worlds.parse(worlds.FLEET, worlds.APP, other).findings] == [
        "duplicate-release"
    ]


def test_a_finding_names_its_document() -> None:
    [found] = worlds.parse(worlds.FLEET, worlds.APP.replace("optional", "never")).findings

    assert (found.kind, found.namespace, found.name) == ("App", "data", "cassandra")

"""Single rows of the matrix: what is a row, what is none, and how ends are named."""

from __future__ import annotations

import pytest

from isthmus.policy import labels, ports, rule, world
from isthmus.policy.kubernetes import rules
from isthmus.policy.manifests import cluster, text
from isthmus.policy.reach import matrix, whatif

EVERYWHERE = "0.0.0.0-255.255.255.255[External]"
TCP = ports.Protocol.TCP


def made(*documents: str, other: str = "") -> matrix.Matrix:
    """Return the matrix of documents in one cluster, or in two where another has some too."""
    given = {"east": "\n---\n".join(documents), "west": other}
    objects = {name: text.objects([("a.yaml", held)])[0] for name, held in given.items() if held}
    known, told = cluster.read(objects, {})
    assert not told
    return matrix.Matrix(
        known, {name: rules.read(known.policies[name], known.settings[name]) for name in objects}
    )


def rows(found: matrix.Matrix) -> dict[tuple[str, str], ports.Ports]:
    return {(row.source, row.destination): row.ports for row in found.rows()}


def pod(name: str, *, held: str = "", owner: str = "", ip: str = "") -> str:
    above = f", ownerReferences: [{{kind: Job, name: {owner}, controller: true}}]" if owner else ""
    status = f"\nstatus: {{podIP: '{ip}'}}" if ip else ""
    named = "containers: [{name: c, ports: [{name: web, containerPort: 8080}]}]"
    metadata = f"{{name: {name}, labels: {{app: {held or name}}}{above}}}"
    return f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\nspec: {{{named}}}{status}"


def policy(spec: str) -> str:
    return f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p}}\nspec: {spec}"


SHUT = policy("{podSelector: {}, policyTypes: [Ingress, Egress]}")
NODE = "apiVersion: v1\nkind: Node\nmetadata: {name: w}"


def test_without_policies_all_reach_all_but_themselves_and_nodes_are_no_rows() -> None:
    one, other = "default/a[Pod]", "default/b[Pod]"
    assert rows(made(pod("a"), pod("b"), NODE)) == dict.fromkeys(
        [
            (one, other),
            (other, one),
            (one, EVERYWHERE),
            (other, EVERYWHERE),
            (EVERYWHERE, one),
            (EVERYWHERE, other),
        ],
        ports.ALL,
    )


def test_where_all_is_shut_there_are_no_rows() -> None:
    assert rows(made(pod("a"), pod("b"), SHUT)) == {}


def test_ranges_of_the_sixth_version_are_there_where_pods_have_such_addresses() -> None:
    ends = {row.destination for row in made(pod("a", ip="fd00::1")).rows()}
    everything = "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff[External]"
    assert ends == {EVERYWHERE, everything, "default/a[Pod]"}


def test_ranges_are_cut_where_rules_of_their_direction_cut_them() -> None:
    spec = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"
    found = rows(made(pod("a"), policy(spec)))
    assert set(found) == {
        (EVERYWHERE, "default/a[Pod]"),
        ("default/a[Pod]", "10.0.0.0-10.255.255.255[External]"),
    }


def test_pods_of_one_workload_are_one_end_that_may_what_any_of_them_may() -> None:
    spec = (
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: x}}}], ports: [{port: %s}]}]}"
    )
    own = "{podSelector: {matchLabels: {app: b}}, ingress: [{ports: [{port: 90}]}]}"
    documents = [
        *(pod("one", held="x", owner="job"), pod("two", held="y", owner="job"), pod("b")),
        policy(spec % 80),
        policy(own).replace("name: p", "name: q"),
    ]
    found = {ends: held for ends, held in rows(made(*documents)).items() if "External" not in "".join(ends)}
    both = ports.union(ports.interval(TCP, 80, 80), ports.interval(TCP, 90, 90))
    assert found == {("default/job[Job]", "default/b[Pod]"): both}


def test_ends_of_several_clusters_say_which() -> None:
    found = rows(made(pod("a"), other=pod("b")))
    assert ("east:default/a[Pod]", "west:default/b[Pod]") in found


SERVICE = (
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: a}, ports: ["
    "{name: http, port: 80, targetPort: web}, {name: raw, port: 81, targetPort: 9090}, "
    "{name: dns, port: 53, protocol: UDP}]}"
)
INGRESS = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec: "
BACKEND = "{service: {name: s, port: {number: 81}}}"
ROUTE = "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: r}\nspec: "
CONTROLLED = {
    "by number": (f"{INGRESS}{{rules: [{{http: {{paths: [{{backend: {BACKEND}}}]}}}}]}}", [9090]),
    "by name, of a named port": (
        f"{INGRESS}{{defaultBackend: {{service: {{name: s, port: {{name: http}}}}}}}}",
        [8080],
    ),
    "a route of all ports": (f"{ROUTE}{{to: {{kind: Service, name: s}}}}", [8080, 9090]),
    "a route to the pod's port": (f"{ROUTE}{{to: {{name: s}}, port: {{targetPort: 9090}}}}", [9090]),
    "a route to the service's port by name": (
        f"{ROUTE}{{to: {{name: s}}, port: {{targetPort: http}}}}",
        [8080],
    ),
    "a port that the service has not": (f"{ROUTE}{{to: {{name: s}}, port: {{targetPort: 7}}}}", []),
}


@pytest.mark.parametrize("case", CONTROLLED)
def test_controllers_reach_pods_through_the_ports_of_their_services(case: str) -> None:
    document, numbers = CONTROLLED[case]
    expected = ports.NONE
    for number in numbers:
        expected = ports.union(expected, ports.interval(TCP, number, number))
    found = rows(made(pod("a"), SERVICE, document))
    assert found.get(("{ingress-controller}", "default/a[Pod]"), ports.NONE) == expected


def test_controllers_are_stopped_by_policies_and_missing_services_are_told() -> None:
    document = f"{ROUTE}{{to: {{name: s}}}}"
    assert rows(made(pod("a"), SERVICE, document, SHUT)) == {}
    assert [each.code for each in made(pod("a"), document).findings] == ["policy-service-missing"]


def test_a_change_is_spelled_by_name() -> None:
    base = made(pod("a"), pod("b"), SHUT)
    origins = {each.origin for each in base.rules["east"].guards}
    names = {
        ends for shift in whatif.shifts(base, "east", without=origins) for ends in whatif.spell(base, shift)
    }
    assert ("default/a[Pod]", "default/b[Pod]") in names
    assert ("default/a[Pod]", "default/a[Pod]") not in names


def test_rules_that_ask_for_more_than_the_base_does_are_known_as_such() -> None:
    base = made(pod("a"), SHUT)
    asking = rule.Isolation(
        rule.Origin("NetworkPolicy", "default", "q", "east"), rule.Direction.INGRESS, labels.exists("tier")
    )
    assert base.knows(base.rules["east"])
    assert not base.knows(rule.Rules(isolations=(asking,)))
    assert matrix.Matrix(base.world, base.rules, beside=[rule.Rules(isolations=(asking,))]).knows(
        rule.Rules(isolations=(asking,))
    )


def test_places_are_as_many_as_behaviours_and_not_as_pods() -> None:
    documents = [pod(f"p{number}", held=f"x{number % 3}") for number in range(30)]
    found = made(*documents, policy("{podSelector: {matchLabels: {app: x1}}}"))
    assert len(found.places.members) == 3
    assert len(made(*documents).places.members) == 1
    assert isinstance(found.world, world.World)

"""`access verdict`, `explain`, `matrix` and `diff` on files, as a user runs them."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot

from isthmus.cli import main

if TYPE_CHECKING:
    from pathlib import Path

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, namespace: shop}
spec:
  selector: {matchLabels: {app: orders}}
  template:
    metadata: {labels: {app: orders}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: data}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db, ports: [{name: cql, containerPort: 9042}]}]}
"""
POLICY = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: data}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]
    ports: [{port: cql}]
"""
HTTP = """\
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: data}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress:
  - fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: shop}}]
    toPorts:
    - ports: [{port: "9042", protocol: TCP}]
      rules: {http: [{method: GET, path: /items/.*}]}
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A folder with two workloads and a policy between them."""
    folder = tmp_path / "k8s"
    folder.mkdir()
    (folder / "all.yaml").write_text(WEB + POLICY, encoding="utf-8")
    return folder


def run(*args: object) -> int:
    return main.main(["access", *(str(each) for each in args)])


def asked(manifests: Path, *more: object, port: int = 9042) -> tuple[object, ...]:
    ends = ("--from", "shop/orders", "--to", "data/db", "--port", port)
    return ("--manifests", manifests, *ends, *more)


def test_the_answer_names_layer_side_object_and_reason(
    manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verdict", *asked(manifests)) == 0

    assert capsys.readouterr().out == snapshot("""\
allow: shop/orders → data/db TCP 9042
  kubernetes  egress   allow  no policy isolates the egress of shop/orders[Deployment], and no rule
                              stops it
  kubernetes  ingress  allow  NetworkPolicy data/db (spec.ingress[0]) allows it
""")


def test_a_denial_says_which_absence_decided_and_what_would_change_it(
    manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explain", *asked(manifests, port=7199)) == 0

    assert capsys.readouterr().out == snapshot("""\
shop/orders → data/db TCP 7199: deny

On the wire: shop/orders[Deployment] → data/db[StatefulSet] TCP 7199
  Kubernetes on the egress side says allow: no policy isolates the egress of
  shop/orders[Deployment], and no rule stops it.
    What would change it: a policy that selects shop/orders[Deployment] for egress denies it, unless
    it allows TCP 7199.
  Kubernetes on the ingress side says deny: NetworkPolicy data/db isolates the ingress of
  data/db[StatefulSet], and no rule allows TCP 7199 from shop/orders[Deployment].
    What would change it: an ingress rule that selects data/db[StatefulSet] and allows TCP 7199 from
    shop/orders[Deployment].
""")


def test_json_has_the_public_shape(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verdict", *asked(manifests, "-o", "json")) == 0
    found = json.loads(capsys.readouterr().out)

    assert found["verdict"] == "allow"
    assert [(each["layer"], each["side"], each["verdict"]) for each in found["layers"]] == [
        ("kubernetes", "egress", "allow"),
        ("kubernetes", "ingress", "allow"),
    ]
    assert found["layers"][1]["because"] == [
        {"kind": "NetworkPolicy", "namespace": "data", "name": "db", "cluster": "default"}
    ]


@pytest.mark.parametrize(("expected", "code"), [("allow", 0), ("deny", 1)])
def test_what_is_expected_decides_the_exit_code(manifests: Path, expected: str, code: int) -> None:
    assert run("verdict", *asked(manifests, "--expect", expected)) == code


REQUESTS: list[tuple[tuple[str, ...], str]] = [
    (("--http", "GET /items/7"), "allow"),
    (("--http", "POST /items/7"), "deny"),
    (("--http", "GET /admin"), "deny"),
    (("--mesh", "sidecar", "--http", "GET /items/7"), "deny"),
]


@pytest.mark.parametrize(("flags", "expected"), REQUESTS)
def test_cilium_reads_requests_where_it_can(
    tmp_path: Path, flags: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(WEB + HTTP, encoding="utf-8")

    assert run("verdict", *asked(file, "-o", "json", *flags)) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == expected


DB = ("--to", "data/db", "--port", "1")
WRONG: list[tuple[str, tuple[str, ...], str]] = [
    ("an unknown workload", ("--from", "shop/order", *DB), "did you mean shop/orders"),
    ("no endpoint at all", ("--from", "Orders!", *DB), "names no endpoint"),
    ("a port too far", ("--from", "world", "--to", "data/db", "--port", "70000"), "0 to 65535"),
    ("no port", ("--from", "world", "--to", "data/db"), "0 to 65535"),
    ("nobody who asks", DB, "--from is missing"),
    ("an odd request", ("--from", "world", *DB, "--http", "items"), "no HTTP request"),
    ("a version nobody knows", ("--from", "world", *DB, "--cilium", "2"), "1.15"),
    ("a protocol that is none", ("--from", "world", *DB, "--protocol", "x"), "sctp"),
    ("a mode that is none", ("--from", "world", *DB, "--mesh", "linkerd"), "ambient"),
]


@pytest.mark.parametrize(("flags", "told"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_question_exits_2_and_says_what_to_write(
    manifests: Path, flags: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verdict", "--manifests", manifests, *flags) == 2
    assert told in capsys.readouterr().err


def test_broken_yaml_exits_2_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("a: 1\nb: [\n", encoding="utf-8")

    assert run("verdict", *asked(file)) == 2
    assert f"{file}:3" in capsys.readouterr().err


def test_an_old_rule_that_fails_open_is_an_error_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "old.yaml"
    old = HTTP.replace("{http: [{method: GET, path: /items/.*}]}", "{l7proto: cassandra, l7: [{a: b}]}")
    file.write_text(WEB + old, encoding="utf-8")

    assert run("verdict", *asked(file)) == 1
    assert "stay open to every request" in capsys.readouterr().err


def test_a_batch_answers_each_line_and_tells_which_it_could_not(
    manifests: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = {"namespace": "data", "name": "db", "kind": "StatefulSet"}
    questions: list[Any] = [
        {"id": 1, "from": "shop/orders", "to": db, "port": 9042, "protocol": "tcp"},
        {"id": 2, "from": {"ip": "192.0.2.1"}, "to": db, "port": 9042},
        {"id": 3, "from": "shop/nobody", "to": db, "port": 9042},
    ]
    lines = [json.dumps({**each, "manifests": [str(manifests)]}) for each in questions]
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join([*lines, "{"]), encoding="utf-8")

    assert run("verdict", "--batch", file) == 2
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["id"], each.get("verdict")) for each in told] == [
        (1, "allow"),
        (2, "deny"),
        (3, None),
        (None, None),
    ]
    assert "line 3" in told[2]["error"]


def test_the_matrix_is_the_same_in_every_form(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def out(form: str) -> str:
        assert run("matrix", "--manifests", manifests, "-o", form) == 0
        return capsys.readouterr().out

    rows = list(csv.DictReader(io.StringIO(out("csv"))))

    assert json.loads(out("json")) == rows
    assert rows == snapshot(
        [
            {
                "src": "shop/orders[Deployment]",
                "dst": "data/db[StatefulSet]",
                "protocol": "tcp",
                "ports": "9042",
            },
            {
                "src": "shop/orders[Deployment]",
                "dst": "0.0.0.0-255.255.255.255[External]",
                "protocol": "all",
                "ports": "all",
            },
            {
                "src": "data/db[StatefulSet]",
                "dst": "shop/orders[Deployment]",
                "protocol": "all",
                "ports": "all",
            },
            {
                "src": "data/db[StatefulSet]",
                "dst": "0.0.0.0-255.255.255.255[External]",
                "protocol": "all",
                "ports": "all",
            },
            {
                "src": "0.0.0.0-255.255.255.255[External]",
                "dst": "shop/orders[Deployment]",
                "protocol": "all",
                "ports": "all",
            },
        ]
    )
    assert out("text") == snapshot("""\
shop/orders[Deployment] → TCP 9042: data/db[StatefulSet]
shop/orders[Deployment] → all: 0.0.0.0-255.255.255.255[External]
data/db[StatefulSet] → all: shop/orders[Deployment], 0.0.0.0-255.255.255.255[External]
0.0.0.0-255.255.255.255[External] → all: shop/orders[Deployment]
5 pairs are connected; every other is denied
""")


def test_the_grid_says_of_each_cell_what_passes(manifests: Path, tmp_path: Path) -> None:
    svg, page = tmp_path / "grid.svg", tmp_path / "grid.html"

    assert run("matrix", "--manifests", manifests, "--svg", svg, "--html", page) == 0
    told = "<title>shop/orders[Deployment] → data/db[StatefulSet]: TCP 9042</title>"
    assert told in svg.read_text(encoding="utf-8")
    assert told in page.read_text(encoding="utf-8")


def test_diff_says_which_connections_open_and_close(
    manifests: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(WEB + POLICY.replace("port: cql", "port: 7000"), encoding="utf-8")

    assert run("diff", manifests, new, "--exit-code") == 1
    assert capsys.readouterr().out == snapshot("""\
shop/orders[Deployment] → data/db[StatefulSet]: opens TCP 7000, closes TCP 9042
1 connections change
""")
    assert run("diff", manifests, manifests, "--exit-code") == 0

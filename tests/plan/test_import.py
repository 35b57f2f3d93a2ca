from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.cli import main
from isthmus.model import folder
from isthmus.network.imports import draft, files, hcl, names
from isthmus.network.ipam import ranges
from isthmus.render import fleet

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]


def state(*resources: tuple[str, Json]) -> str:
    """A Terraform state of version 4."""
    kept = [
        {"mode": "managed", "type": kind, "name": f"r{number}", "instances": [{"attributes": values}]}
        for number, (kind, values) in enumerate(resources)
    ]
    return json.dumps({"version": 4, "terraform_version": "1.9.0", "resources": kept})


GKE = (
    (
        "google_container_cluster",
        {
            "name": "west",
            "location": "us-west4-a",
            "project": "shop",
            "network": "projects/shop/global/networks/main",
            "subnetwork": "projects/shop/regions/us-west4/subnetworks/west",
            "cluster_ipv4_cidr": "10.8.0.0/16",
            "ip_allocation_policy": [
                {
                    "cluster_ipv4_cidr_block": "/16",
                    "services_ipv4_cidr_block": "",
                    "services_secondary_range_name": "services",
                }
            ],
            "default_max_pods_per_node": 64,
            "master_auth": [{"client_key": "hunter2"}],
        },
    ),
    (
        "google_container_node_pool",
        {"cluster": "west", "location": "us-west4-a", "node_count": 3, "node_locations": ["a", "b"]},
    ),
    (
        "google_compute_subnetwork",
        {
            "name": "west",
            "region": "us-west4",
            "ip_cidr_range": "10.64.0.0/20",
            "secondary_ip_range": [{"range_name": "services", "ip_cidr_range": "10.96.0.0/20"}],
        },
    ),
)
EKS = (
    (
        "aws_eks_cluster",
        {
            "name": "east",
            "arn": "arn:aws:eks:us-east-1:123456789012:cluster/east",
            "kubernetes_network_config": [{"service_ipv4_cidr": "172.20.0.0/16"}],
            "vpc_config": [{"vpc_id": "vpc-1", "subnet_ids": ["s-1", "s-2"]}],
        },
    ),
    ("aws_eks_node_group", {"cluster_name": "east", "scaling_config": [{"desired_size": 9}]}),
    ("aws_subnet", {"id": "s-1", "cidr_block": "10.20.0.0/24"}),
    ("aws_subnet", {"id": "s-2", "cidr_block": "10.20.1.0/24"}),
    ("aws_subnet", {"id": "s-3", "cidr_block": "10.99.0.0/24"}),
)
SUBNET = "/subscriptions/1234/resourceGroups/r/providers/n/virtualNetworks/v1/subnets/n"
AKS = (
    (
        "azurerm_kubernetes_cluster",
        {
            "name": "europe",
            "id": "/subscriptions/1234/resourceGroups/r/providers/c/managedClusters/europe",
            "location": "westeurope",
            "network_profile": [
                {
                    "network_plugin_mode": "overlay",
                    "pod_cidr": "10.244.0.0/16",
                    "service_cidr": "10.0.0.0/16",
                }
            ],
            "default_node_pool": [{"node_count": 5, "max_pods": 250, "vnet_subnet_id": SUBNET}],
            "kube_admin_config_raw": "hunter2",
        },
    ),
    ("azurerm_subnet", {"id": SUBNET.upper(), "address_prefixes": ["10.30.0.0/22"]}),
)
KIND = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
name: local
networking: {podSubnet: "10.244.0.0/16,fd00:10:244::/56", serviceSubnet: 10.96.0.0/16}
nodes: [{role: control-plane}, {role: worker}]
"""
CAPI = """\
apiVersion: cluster.x-k8s.io/v1beta1
kind: Cluster
metadata: {name: ireland}
spec:
  clusterNetwork: {pods: {cidrBlocks: [192.168.0.0/16]}, services: {cidrBlocks: [10.128.0.0/12]}}
  infrastructureRef: {kind: AWSCluster, name: base}
  controlPlaneRef: {kind: KubeadmControlPlane, name: plane}
---
{apiVersion: infrastructure.cluster.x-k8s.io/v1beta2, kind: AWSCluster, metadata: {name: base},
 spec: {region: eu-west-1}}
---
{apiVersion: controlplane.cluster.x-k8s.io/v1beta1, kind: KubeadmControlPlane, metadata: {name: plane},
 spec: {replicas: 3}}
---
{apiVersion: cluster.x-k8s.io/v1beta1, kind: MachineDeployment, metadata: {name: workers},
 spec: {clusterName: ireland, replicas: 7}}
"""
FLAT = """\
# one cluster
cluster_name = "prod"
pods_cidr    = "10.40.0.0/16"
service_cidr = "10.97.0.0/20"
subnet_cidrs = ["10.41.0.0/24", "10.41.1.0/24"]
node_count   = 4
"""
SEVERAL = {
    "region": "us-east1",
    "clusters": {
        "one": {"pods": "10.50.0.0/16", "nodes": 3, "cluster_id": 8},
        "two": {"pods": ["10.51.0.0/16", "fd00:51::/48"], "nodes": 4},
    },
}


def drafted(*texts: tuple[str, str]) -> draft.Draft:
    return draft.draft("shop", files.read(texts)[0])


def clusters(*texts: tuple[str, str]) -> list[Json]:
    document = drafted(*texts).document
    rows: list[Json] = document["spec"]["clusters"] if document else []
    return rows


def codes(*texts: tuple[str, str]) -> list[str]:
    lives, findings = files.read(texts)
    return [found.code for found in (*findings, *draft.draft("shop", lives).findings)]


@pytest.mark.parametrize(
    ("file", "text", "rows"),
    [
        (
            "terraform.tfstate",
            state(*GKE),
            [
                {
                    "name": "west",
                    "id": 1,
                    "region": "us-west4",
                    "provider": "gcp",
                    "account": "shop",
                    "vpc": "main",
                    "nodes": 6,
                    "podsPerNode": 64,
                    "pods": "10.8.0.0/16",
                    "services": "10.96.0.0/20",
                    "nodeRange": "10.64.0.0/20",
                }
            ],
        ),
        (
            "state.json",
            state(*EKS),
            [
                {
                    "name": "east",
                    "id": 1,
                    "region": "us-east-1",
                    "provider": "aws",
                    "account": "123456789012",
                    "vpc": "vpc-1",
                    "nodes": 9,
                    "services": "172.20.0.0/16",
                    "nodeRange": "10.20.0.0/23",
                }
            ],
        ),
        (
            "terraform.tfstate",
            state(*AKS),
            [
                {
                    "name": "europe",
                    "id": 1,
                    "region": "westeurope",
                    "provider": "azure",
                    "account": "1234",
                    "vpc": "v1",
                    "nodes": 5,
                    "podsPerNode": 250,
                    "pods": "10.244.0.0/16",
                    "services": "10.0.0.0/16",
                    "nodeRange": "10.30.0.0/22",
                    "network": {"ipam": "aks-overlay"},
                }
            ],
        ),
        (
            "kind.yaml",
            KIND,
            [
                {
                    "name": "local",
                    "id": 1,
                    "provider": "kind",
                    "nodes": 2,
                    "pods": ["10.244.0.0/16", "fd00:10:244::/56"],
                    "services": "10.96.0.0/16",
                }
            ],
        ),
        (
            "capi.yaml",
            CAPI,
            [
                {
                    "name": "ireland",
                    "id": 1,
                    "region": "eu-west-1",
                    "provider": "aws",
                    "nodes": 10,
                    "pods": "192.168.0.0/16",
                    "services": "10.128.0.0/12",
                }
            ],
        ),
        (
            "prod.tfvars",
            FLAT,
            [
                {
                    "name": "prod",
                    "id": 1,
                    "nodes": 4,
                    "pods": "10.40.0.0/16",
                    "services": "10.97.0.0/20",
                    "nodeRange": "10.41.0.0/23",
                }
            ],
        ),
        (
            "fleet.tfvars.json",
            json.dumps(SEVERAL),
            [
                {"name": "one", "id": 8, "region": "us-east1", "nodes": 3, "pods": "10.50.0.0/16"},
                {
                    "name": "two",
                    "id": 1,
                    "region": "us-east1",
                    "nodes": 4,
                    "pods": ["10.51.0.0/16", "fd00:51::/48"],
                },
            ],
        ),
    ],
    ids=["gke", "eks", "aks", "kind", "cluster-api", "tfvars", "tfvars-json"],
)
def test_each_file_becomes_the_clusters_that_it_tells_of(file: str, text: str, rows: list[Json]) -> None:
    assert clusters((file, text)) == rows


def test_what_terraform_shows_is_read_like_its_state() -> None:
    resources = [{"type": kind, "address": f"module.x.{kind}", "values": values} for kind, values in GKE]
    shown = {
        "format_version": "1.0",
        "values": {"root_module": {"child_modules": [{"resources": resources}]}},
    }

    assert clusters(("show.json", json.dumps(shown))) == clusters(("a.tfstate", state(*GKE)))


def test_the_document_is_a_fleet_with_the_same_ranges() -> None:
    found = drafted(("a.tfstate", state(*GKE, *EKS, *AKS)), ("k.yaml", KIND), ("c.yaml", CAPI))
    assert found.document is not None
    parsed = folder.parse([("fleet.yaml", fleet.text(found.document, open_fields={}))])

    assert parsed.findings == ()
    assert parsed.folder is not None
    for live, cluster in zip(found.clusters, parsed.folder.fleet.clusters, strict=True):
        assert [ranges.pinned(cluster, role) for role in ranges.Role] == [
            live.of(role) for role in ranges.Role
        ]


def test_nothing_is_invented_and_what_is_missing_is_told() -> None:
    texts = ("kind.yaml", "{kind: Cluster, apiVersion: kind.x-k8s.io/v1alpha4, name: bare}")

    assert clusters(texts) == [{"name": "bare", "id": 1, "provider": "kind", "nodes": 1}]
    [told] = [found for found in drafted(texts).findings if found.code == "not-found"]
    assert told.message == "not found: `pods` and `services` and `nodeRange`"


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("a.tfvars", "pods_cidr = var.pods\n", "`pods_cidr` is no literal"),
        ("a.tfvars", 'x = "${path}"\npods_cidr = "10.0.0.0/16"\n', "`x` is no literal"),
        ("a.tfvars", "x = <<EOT\npods_cidr\nEOT\n", "`x` is no literal"),
        ("a.tfvars", 'color = "red"\n', "by these names: color"),
        ("a.tfvars.json", "[1]", "it is no JSON object"),
        ("a.tfstate", '{"version": 3, "modules": []}', "another version than 4"),
        ("a.tfstate", "{", "no state of Terraform"),
        ("a.tfstate", state(("aws_vpc", {"id": "vpc-1"})), "no google_container_cluster"),
        ("a.yaml", "{apiVersion: v1, kind: Service}", "no cluster's network: Service"),
        ("a.yaml", "[1, 2]", "no cluster's network: no kind"),
        ("a.yaml", "a: [", "not read:"),
    ],
)
def test_what_is_not_read_is_named(file: str, text: str, told: str) -> None:
    _, findings = files.read([(file, text)])

    assert [told in found.message for found in findings] == [True]
    assert [(found.code, found.file) for found in findings] == [("not-read", file)]


def test_a_variable_that_is_no_literal_hides_no_other() -> None:
    text = 'x = file("y")\npods_cidr = "10.0.0.0/16"\nz = [for a in b : a]\nnode_count = 3\n'

    assert clusters(("prod.tfvars", text)) == [{"name": "prod", "id": 1, "nodes": 3, "pods": "10.0.0.0/16"}]


def test_a_range_that_is_none_is_told_and_left_out() -> None:
    text = "{kind: Cluster, apiVersion: kind.x-k8s.io/v1alpha4, networking: {podSubnet: '${PODS}'}}"

    assert "pods" not in clusters(("kind.yaml", text))[0]
    assert "range-not-read" in codes(("kind.yaml", text))


def test_every_address_is_no_range() -> None:
    text = 'pods_cidr = "0.0.0.0/0"\nservice_cidr = "10.96.0.0/20"\nregion = " "\n'

    assert clusters(("a.tfvars", text)) == [{"name": "a", "id": 1, "nodes": 1, "services": "10.96.0.0/20"}]


def test_ranges_far_apart_are_told_and_not_spanned() -> None:
    text = 'pods_cidr = "10.0.0.0/16"\nsubnet_cidrs = ["10.1.0.0/24", "172.16.0.0/24"]\n'

    assert "nodeRange" not in clusters(("a.tfvars", text))[0]
    assert "ranges-apart" in codes(("a.tfvars", text))


def test_ranges_that_leave_a_gap_are_spanned_and_told() -> None:
    text = 'pods_cidr = "10.0.0.0/16"\nsubnet_cidrs = ["10.1.0.0/24", "10.1.3.0/24"]\n'

    assert clusters(("a.tfvars", text))[0]["nodeRange"] == "10.1.0.0/22"
    assert "range-spans" in codes(("a.tfvars", text))


# --- several readings --------------------------------------------------------------------------------


def kind(name: str, **networking: str) -> str:
    return json.dumps(
        {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "name": name, "networking": networking}
    )


def test_two_files_about_one_cluster_become_one() -> None:
    one = ("kind.yaml", kind("a", podSubnet="10.1.0.0/16"))
    other = ("a.tfvars", 'cluster_name = "a"\nservice_cidr = "10.96.0.0/20"\nnode_count = 5\n')

    assert clusters(one, other) == [
        {
            "name": "a",
            "id": 1,
            "provider": "kind",
            "nodes": 1,
            "pods": "10.1.0.0/16",
            "services": "10.96.0.0/20",
        }
    ]


def test_two_files_that_disagree_are_told() -> None:
    found = codes(
        ("one.yaml", kind("a", podSubnet="10.1.0.0/16")), ("two.yaml", kind("a", podSubnet="10.2.0.0/16"))
    )

    assert "sources-disagree" in found


def test_clusters_of_one_name_in_two_places_stay_two() -> None:
    found = [
        (
            f"{region}.tfstate",
            state(
                ("aws_eks_cluster", {"name": "prod", "arn": f"arn:aws:eks:{region}:1:cluster/prod"}),
                ("aws_eks_node_group", {"cluster_name": "prod", "scaling_config": [{"desired_size": nodes}]}),
            ),
        )
        for region, nodes in (("us-east-1", 3), ("eu-west-1", 4))
    ]

    rows = [(row["name"], row["region"], row["nodes"]) for row in clusters(*found)]
    assert rows == [("prod", "us-east-1", 3), ("prod-eu-west-1", "eu-west-1", 4)]
    assert "duplicate-name" in codes(*found)


def test_an_id_that_two_clusters_have_is_kept_by_the_first() -> None:
    several = {
        "clusters": {
            name: {"pods": f"10.{number}.0.0/16", "nodes": 1, "cluster_id": 7}
            for number, name in enumerate("ab")
        }
    }
    text = ("x.tfvars.json", json.dumps(several))

    assert [(row["name"], row["id"]) for row in clusters(text)] == [("a", 7), ("b", 1)]
    assert "duplicate-id" in codes(text)


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ("gke_shop_us-west4-a_west", ("west", "shop", "us-west4")),
        (
            "arn:aws:eks:us-east-1:123456789012:cluster/Data_East",
            ("data-east", "123456789012", "us-east-1"),
        ),
        ("admin@prod", ("prod", None, None)),
        ("west", ("west", None, None)),
        ("___", ("cluster", None, None)),
    ],
)
def test_a_context_tells_name_account_and_region(
    context: str, told: tuple[str, str | None, str | None]
) -> None:
    assert names.of_context(context) == told


# --- anything may come in ------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=8), inner)
    ),
    max_leaves=8,
)
TFVARS = (
    'a = {\n b = [1, "x", {c = true}]\n "d" : -1.5e3, e = null }\n# c\nf = "${g}"\npod_cidr = "10.0.0.0/16"\n'
)


@pytest.mark.parametrize("length", range(len(TFVARS)))
def test_a_file_that_is_cut_anywhere_is_read_as_far_as_it_goes(length: int) -> None:
    found = hcl.read(TFVARS[:length])
    whole = hcl.read(TFVARS)
    assert found.values.keys() <= whole.values.keys()


def test_a_control_character_is_told_and_not_written() -> None:
    several = json.loads(json.dumps(SEVERAL))
    first = next(iter(several["clusters"].values()))
    first["region"] = "us\x1f"

    found = drafted(("a.tfvars.json", json.dumps(several)))

    assert "value-not-written" in {each.code for each in found.findings}
    assert found.document is not None
    assert "\x1f" not in fleet.text(found.document, open_fields={})


FILES = ["a.tfvars", "a.tfvars.json", "a.tfstate", "a.json", "a.yaml"]


@given(st.sampled_from(FILES), st.text(max_size=200))
@settings(deadline=None)
def test_no_text_makes_a_traceback(file: str, text: str) -> None:
    drafted((file, text))


@given(st.sampled_from(FILES), st.data())
@settings(deadline=None, max_examples=300)
def test_no_wrong_value_makes_a_traceback_or_a_fleet_that_cannot_be_read(
    file: str, data: st.DataObject
) -> None:
    """Any value anywhere in a valid file is exchanged for any other."""
    base: Any = json.loads(state(*GKE, *EKS, *AKS))
    if file.endswith(".yaml"):
        base = yaml.safe_load(KIND)
    elif "tfvars" in file:
        base = json.loads(json.dumps(SEVERAL))
    here, path = base, data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=7))
    for step in path:
        keys: list[Any] = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = keys[step % len(keys)]
        if step == path[-1] or not isinstance(here[key], (dict, list)) or not here[key]:
            here[key] = data.draw(VALUES)
            break
        here = here[key]
    text = json.dumps(base)

    found = drafted((file, text))
    if found.document is not None:
        parsed = folder.parse([("fleet.yaml", fleet.text(found.document, open_fields={}))])
        assert [each.message for each in parsed.findings] == []


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8", exclude_characters="$%\x7f"), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


def as_hcl(value: Any) -> str:
    if isinstance(value, dict):
        return "{\n" + "".join(f"{key} = {as_hcl(each)} # c\n" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{as_hcl(each)}, // c\n" for each in value) + "]"
    return json.dumps(value)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), LITERALS, max_size=4))
@settings(deadline=None)
def test_literals_of_hcl_are_what_json_says(values: Json) -> None:
    text = "\n".join(f"{key} = {as_hcl(value)}" for key, value in values.items())

    assert hcl.read(text).values == values
    assert hcl.read(text).skipped == ()


@given(st.text(max_size=30))
def test_a_written_text_is_read_as_that_text(text: str) -> None:
    read = yaml.safe_load(fleet.scalar(text)) if text.isprintable() else text

    assert str(read) == text


# --- the command -----------------------------------------------------------------------------------------


def run(*args: object) -> int:
    return main.main([str(each) for each in args])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "terraform.tfstate").write_text(state(*GKE, *AKS))
    (tmp_path / "kind.yaml").write_text(KIND)
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform" / "terraform.tfstate").write_text("{}")
    return tmp_path


def test_yaml_is_the_fleet_alone_and_findings_go_to_standard_error(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", "import", shop) == 0

    told = capsys.readouterr()
    assert [row["name"] for row in yaml.safe_load(told.out)["spec"]["clusters"]] == [
        "west",
        "europe",
        "local",
    ]
    assert "# nodeRange:  # not found: write it" in told.out
    assert "warning: local: not found: `nodeRange` [not-found]" in told.err
    assert "next: isthmus plan check" in told.err


def test_json_has_findings_the_fleet_and_where_each_field_was_read(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", "import", shop, "-o", "json") == 0

    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["findings", "fleet", "clusters"]
    assert told["fleet"]["spec"]["clusters"][0]["services"] == "10.96.0.0/20"
    west = told["clusters"][0]
    assert list(west) == ["name", "context", "file", "sources", "inferred"]
    assert west["sources"]["services"] == f"google_compute_subnetwork.r2 in {shop / 'terraform.tfstate'}"


def test_text_is_a_table_of_what_was_read_where(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "import", shop, "-o", "text") == 0

    [line] = [each for each in capsys.readouterr().out.splitlines() if "services     10.96.0.0/20" in each]
    assert line.startswith("west ")


def test_a_secret_of_a_state_is_never_shown(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("yaml", "json", "text"):
        run("plan", "import", shop, "-o", form)
    told = capsys.readouterr()

    assert "hunter2" not in told.out + told.err


def test_write_makes_a_folder_that_plan_reads(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "import", shop, "--write", shop / "out") == 0
    assert run("plan", "show", "-f", shop / "out", "--only", "west") in {0, 1}

    assert "10.8.0.0/16 " in capsys.readouterr().out
    assert yaml.safe_load((shop / "out" / "fleet.yaml").read_text())["metadata"] == {"name": "out"}


def test_write_never_writes_over_a_file(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "fleet.yaml").write_text("mine")

    assert run("plan", "import", shop / "kind.yaml", "--write", shop) == 2
    assert (shop / "fleet.yaml").read_text() == "mine"
    assert "would be overwritten" in capsys.readouterr().err


def test_a_server_that_is_away_is_told_and_hides_no_other(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {
        "contexts": [{"name": "gone", "context": {"cluster": "gone"}}],
        "clusters": [{"name": "gone", "cluster": {"server": "http://127.0.0.1:9"}}],
    }
    (shop / "config").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(shop / "config"))

    assert run("plan", "import", "--context", "gone", shop / "kind.yaml") == 3
    told = capsys.readouterr()
    assert "name: local" in told.out
    assert "error: gone: " in told.err
    assert "[cluster-unreachable]" in told.err
    assert run("plan", "import", "--context", "gone") == 3
    assert "there is no Fleet to write" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags", [["--context", "nowhere"], ["missing.tfstate"], ["--name", "No Label", "kind.yaml"]]
)
def test_wrong_flags_leave_with_two(flags: list[str], shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)

    assert run("plan", "import", *flags) == 2


def test_files_that_tell_of_no_cluster_leave_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("{apiVersion: v1, kind: Service}")

    assert run("plan", "import", tmp_path) == 1
    assert "no cluster was read" in capsys.readouterr().err

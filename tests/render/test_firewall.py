"""The matrix as files: small expected texts, and every file read back by a reader of its own form."""
# ruff: noqa: E501 - the lines of expected files are as long as they are

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import hypothesis
import pytest
from hypothesis import strategies as st
from inline_snapshot import snapshot

from isthmus.model import folder
from isthmus.network.ipam import addresses
from isthmus.network.needs import firewall
from isthmus.render.firewall import hcl, nftables, pages, sheet, terraform, words
from tests.plan import worlds

if TYPE_CHECKING:
    from pathlib import Path

WORLD = """\
  network: {hubble: false, encryption: ipsec}
  teams:
  - {name: net, owns: [firewall, addressing]}
  - {name: sec, owns: [firewall]}
"""
CLOUDS = (
    "west 1 provider: aws",
    "1east 2 provider: gcp",
    "far 3 provider: azure",
    "home 4 provider: kubeadm",
)
TRICKY = 'CQL "native" | ${x} %{y}; # end <b>'
APP = f"""\
---
apiVersion: isthmus.dev/v1alpha1
kind: App
metadata: {{name: 0-{"very-" * 8}long, namespace: 1-data}}
spec:
  chart: {{path: charts/cassandra}}
  clusters: {{west: {{}}, 1east: {{}}, far: {{}}}}
  ports:
  - {{port: 9042, purpose: "{TRICKY.replace('"', chr(92) + '"')}", from: clients}}
  - {{port: 7001, purpose: =between, from: fleet}}
  - {{port: 7002, purpose: sctp, protocol: sctp, from: clients}}
"""


def world(*clusters: str, spec: str = WORLD, app: str = "") -> tuple[tuple[firewall.Row, ...], folder.Folder]:
    text = worlds.text(*clusters).replace("  clusters:\n", f"{spec}  clusters:\n")
    parsed = folder.parse([("fleet.yaml", text + app)])
    assert parsed.folder is not None, parsed.findings
    return firewall.rows(parsed.folder, addresses.plan(parsed.folder).clusters), parsed.folder


def only(
    made: tuple[tuple[firewall.Row, ...], folder.Folder], *names: str
) -> tuple[tuple[firewall.Row, ...], folder.Folder]:
    return tuple(row for row in made[0] if row.entry.name in names), made[1]


def test_a_spreadsheet_has_every_row_with_its_ranges_and_source() -> None:
    made = only(world("west 1", "east 2"), "clustermesh")

    assert sheet.csv_files(*made) == snapshot(
        {
            "firewall.csv": """\
from,to,protocol,port,purpose,when,need,team,from_ranges,to_ranges,inside,source\r
west nodes,east ClusterMesh API server,tcp,2379,"ClusterMesh control plane (etcd, mTLS)",ClusterMesh; exposure LoadBalancer or ClusterIP,required,"net, sec",10.64.0.0/29,10.64.0.8/29,,Cilium 1.20 Documentation/network/clustermesh/setup.rst\r
east nodes,west ClusterMesh API server,tcp,2379,"ClusterMesh control plane (etcd, mTLS)",ClusterMesh; exposure LoadBalancer or ClusterIP,required,"net, sec",10.64.0.8/29,10.64.0.0/29,,Cilium 1.20 Documentation/network/clustermesh/setup.rst\r
"""
        }
    )


def test_no_cell_is_a_formula_and_none_breaks_its_row() -> None:
    rows, source = world(*CLOUDS, app=APP)

    read = list(csv.reader(io.StringIO(sheet.csv_files(rows, source)["firewall.csv"])))
    assert {len(line) for line in read} == {len(sheet.COLUMNS)}
    assert len(read) == len(rows) + 1
    assert [cell for line in read for cell in line if cell.startswith(("=", "+", "-", "@"))] == []


def test_a_page_of_the_matrix_is_a_table() -> None:
    made = only(world("west 1", "east 2"), "clustermesh")

    assert sheet.markdown_files(*made)["firewall.md"] == snapshot("""\
<!-- rendered by `isthmus plan render firewall-markdown`; change the Fleet, not this file -->

# Firewall matrix of shop

| from | to | protocol | port | purpose | when | team |
|---|---|---|---|---|---|---|
| west nodes (10.64.0.0/29) | east ClusterMesh API server (10.64.0.8/29) | tcp | 2379 | ClusterMesh control plane (etcd, mTLS) | ClusterMesh; exposure LoadBalancer or ClusterIP | net, sec |
| east nodes (10.64.0.8/29) | west ClusterMesh API server (10.64.0.0/29) | tcp | 2379 | ClusterMesh control plane (etcd, mTLS) | ClusterMesh; exposure LoadBalancer or ClusterIP | net, sec |
""")


def test_nothing_a_user_writes_ends_a_row_of_a_table() -> None:
    text = sheet.markdown_files(*world(*CLOUDS, app=APP))["firewall.md"]

    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {8}
    assert "<b>" not in text


def test_each_owner_of_the_firewall_has_a_page_and_so_has_each_owner_of_clusters() -> None:
    made = world("west 1 owner: Shop & Co", "east 2 owner: net")

    files = pages.page_files(*made)
    assert sorted(files) == ["net.md", "sec.md", "shop_co.md"]
    assert "west nodes" in files["shop_co.md"]
    assert "| east nodes (10.64.0.8/29) | east nodes" not in files["shop_co.md"]
    assert "| east nodes (10.64.0.8/29) | east nodes" in files["net.md"]


def test_owners_that_are_written_almost_alike_keep_a_page_each() -> None:
    files = pages.page_files(*world("west 1 owner: a b", "east 2 owner: a-b", spec=""))

    assert sorted(files) == ["a_b.md", "a_b_.md", "network.md"]


def test_a_team_page_says_what_why_and_who_says_so() -> None:
    rows, source = only(world("west 1", "east 2"), "ipsec", "hubble-relay", "cilium-metrics")

    assert pages.page_files(rows, source)["net.md"] == snapshot("""\
<!-- rendered by `isthmus plan render team-pages`; change the Fleet, not this file -->

# Firewall of shop for net

net owns the firewall: every flow of the fleet.

## Required: the fleet does not work without

| from | to | protocol | port | purpose | when | team |
|---|---|---|---|---|---|---|
| west nodes (10.64.0.0/29) | west nodes (10.64.0.0/29) | esp | any | Cilium encryption (IPsec ESP, IP protocol 50) | encryption ipsec; AWS security groups do not allow ESP by default | net, sec |
| west nodes (10.64.0.0/29) | east nodes (10.64.0.8/29) | esp | any | Cilium encryption (IPsec ESP, IP protocol 50) | encryption ipsec; AWS security groups do not allow ESP by default | net, sec |
| east nodes (10.64.0.8/29) | west nodes (10.64.0.0/29) | esp | any | Cilium encryption (IPsec ESP, IP protocol 50) | encryption ipsec; AWS security groups do not allow ESP by default | net, sec |
| east nodes (10.64.0.8/29) | east nodes (10.64.0.8/29) | esp | any | Cilium encryption (IPsec ESP, IP protocol 50) | encryption ipsec; AWS security groups do not allow ESP by default | net, sec |

## Optional: only if it is used

| from | to | protocol | port | purpose | when | team |
|---|---|---|---|---|---|---|
| west Prometheus (10.64.0.0/29, 10.0.0.0/22) | west nodes (10.64.0.0/29) | tcp | 9962-9964 | Prometheus reads metrics of agent, operator and Envoy | Cilium's metrics are switched on | net, sec |
| east Prometheus (10.64.0.8/29, 10.0.4.0/22) | east nodes (10.64.0.8/29) | tcp | 9962-9964 | Prometheus reads metrics of agent, operator and Envoy | Cilium's metrics are switched on | net, sec |

## Sources

- any/esp: Cilium 1.20 Documentation/operations/system_requirements.rst
- 9962-9964/tcp: Cilium 1.20 Documentation/operations/system_requirements.rst
""")


def test_nftables_lets_in_and_leaves_policies_alone() -> None:
    made = only(world("west 1", "east 2"), "clustermesh", "isthmus")

    assert nftables.table_files(*made)["fleet.nft"] == snapshot("""\
# rendered by `isthmus plan render nftables`; change the Fleet, not this file
# Fleet shop
# check: nft -c -f fleet.nft; load: nft -f fleet.nft
# Sets without elements are places that the plan does not know: fill them in by `nft add element`.
# Nothing is dropped here. To close the rest, end the chain `fleet` with a drop for your ranges;
# a drop in another table of the same hook still drops what this table accepts.
table inet isthmus
delete table inet isthmus

table inet isthmus {
	set nodes_west_v4 {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { 10.64.0.0/29 }
	}

	set clustermesh_api_server_east_v4 {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { 10.64.0.8/29 }
	}

	set nodes_east_v4 {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { 10.64.0.8/29 }
	}

	set clustermesh_api_server_west_v4 {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { 10.64.0.0/29 }
	}

	set operator_machine_v4 {
		type ipv4_addr
		flags interval
		auto-merge
	}

	set api_server_west_v4 {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { 10.64.0.0/29 }
	}

	set api_server_east_v4 {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { 10.64.0.8/29 }
	}

	chain fleet {
		ip saddr @nodes_west_v4 ip daddr @clustermesh_api_server_east_v4 tcp dport 2379 counter accept comment "west nodes to east ClusterMesh API server: ClusterMesh control plane (etcd, mTLS)"
		ip saddr @nodes_east_v4 ip daddr @clustermesh_api_server_west_v4 tcp dport 2379 counter accept comment "east nodes to west ClusterMesh API server: ClusterMesh control plane (etcd, mTLS)"
		ip saddr @operator_machine_v4 ip daddr @api_server_west_v4 tcp dport 6443 counter accept comment "operator machine to west API server: Isthmus, kubectl and helm reach the API server"
		ip saddr @operator_machine_v4 ip daddr @api_server_east_v4 tcp dport 6443 counter accept comment "operator machine to east API server: Isthmus, kubectl and helm reach the API server"
	}

	chain input {
		type filter hook input priority filter; policy accept;
		jump fleet
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		jump fleet
	}
}
""")


SETS = re.compile(r"\tset (\w[\w-]*) \{\n\t\ttype ipv[46]_addr\n(?:\t\t.*\n)*\t\}")
RULE = re.compile(
    r"\t\t(?:# optional: )?(?:ip6? saddr @\S+ |meta nfproto ipv[46] )(?:ip6? daddr @\S+ )?"
    r"(?:(?:tcp|udp|sctp) dport \d+(?:-\d+)? |meta l4proto esp |icmp(?:v6)? type \d+ icmp(?:v6)? code \d+ )?"
    r'counter accept comment "[^"\\\n]{1,128}"'
)

SPECS = [
    WORLD,
    "",
    "  network: {routing: native, underlay: ipv6, exposure: ClusterIP}\n",
    "  network: {cni: none}\n  mesh: {istio: {mode: ambient}}\n",
    "  network: {encapsulation: geneve, encryption: wireguard}\n  mesh: {istio: {}}\n",
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("clusters", [CLOUDS, [f"c{number} {number}" for number in range(1, 19)]])
def test_every_rule_of_nftables_can_be_read_and_uses_sets_that_exist(
    spec: str, clusters: tuple[str, ...], tmp_path: Path
) -> None:
    app = APP if clusters is CLOUDS else ""
    text = nftables.table_files(*world(*clusters, spec=spec, app=app))["fleet.nft"]

    sets = SETS.findall(text)
    chain = text.split("\tchain fleet {\n", maxsplit=1)[1].split("\n\t}", maxsplit=1)[0].splitlines()
    assert [line for line in chain if not RULE.fullmatch(line)] == []
    assert len(sets) == len(set(sets)) == text.count("\tset ")
    assert set(re.findall(r"@(\S+)", text)) <= set(sets)
    _ask("nft", tmp_path / "fleet.nft", text, ("-c", "-f"), needs_root=True)


@pytest.mark.parametrize("spec", SPECS)
def test_every_module_of_terraform_can_be_read(spec: str, tmp_path: Path) -> None:
    files = terraform.module_files(*world(*CLOUDS, spec=spec, app=APP))

    assert sorted(files) == ["1east/firewall.tf", "far/firewall.tf", "west/firewall.tf"]
    for name, text in files.items():
        blocks = _blocks(text)
        assert len(blocks) == len(set(blocks)), name
        used = set(re.findall(r"\b(?:var|local)\.(\w+)", text))
        lists = text.partition("\nlocals {\n")[2].partition("\n}\n")[0]
        declared = set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
        declared |= set(re.findall(r"^  (\w+) +=", lists, re.MULTILINE))
        assert used == declared, name
        _ask("terraform", tmp_path / name.replace("/", "-"), text, ("fmt", "-check", "-diff"))


def test_a_module_of_aws_names_ranges_once_and_esp_by_its_number() -> None:
    made = only(world("west 1 provider: aws", "east 2"), "ipsec", "isthmus")

    assert terraform.module_files(*made)["west/firewall.tf"] == snapshot("""\
# rendered by `isthmus plan render terraform-firewall`; change the Fleet, not this file
# what cluster west must let in

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "security_group_id" {
  type        = string
  description = "The security group of the nodes of west."
}

variable "api_security_group_id" {
  type        = string
  description = "The security group of the API server of west."
}

variable "operator_machine_ranges" {
  type        = list(string)
  description = "operator machine: ranges of IPv4 and IPv6"
  default     = []
}

locals {
  all_nodes = [
    "10.64.0.0/29",
    "10.64.0.8/29",
  ]
}

resource "aws_vpc_security_group_ingress_rule" "ipsec" {
  for_each          = toset(local.all_nodes)
  security_group_id = var.security_group_id
  description       = "Cilium encryption (IPsec ESP, IP protocol 50)"
  ip_protocol       = "50"
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "isthmus_from_operator_machine" {
  for_each          = toset(var.operator_machine_ranges)
  security_group_id = var.api_security_group_id
  description       = "Isthmus, kubectl and helm reach the API server"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = strcontains(each.value, ":") ? null : each.value
  cidr_ipv6         = strcontains(each.value, ":") ? each.value : null
}
""")


def test_a_module_of_gcp_has_one_rule_for_a_port() -> None:
    made = only(world("west 1 provider: gcp", "east 2"), "clustermesh", "isthmus")

    assert terraform.module_files(*made)["west/firewall.tf"] == snapshot("""\
# rendered by `isthmus plan render terraform-firewall`; change the Fleet, not this file
# what cluster west must let in
# not here: 443/tcp Isthmus, kubectl and helm reach the API server; open it by the authorized networks of the control plane

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

variable "network" {
  type        = string
  description = "The VPC network of west."
}

variable "target_tags" {
  type        = list(string)
  description = "The network tags of the nodes of west."
}

locals {
  other_nodes = ["10.64.0.8/29"]
}

resource "google_compute_firewall" "clustermesh" {
  name          = "west-clustermesh"
  network       = var.network
  description   = "ClusterMesh control plane (etcd, mTLS)"
  direction     = "INGRESS"
  source_ranges = local.other_nodes
  target_tags   = var.target_tags

  allow {
    protocol = "tcp"
    ports    = ["2379"]
  }
}
""")


def test_a_module_of_azure_gives_each_rule_its_own_priority() -> None:
    made = only(world("west 1 provider: azure", "east 2"), "clustermesh")

    assert terraform.module_files(*made)["west/firewall.tf"] == snapshot("""\
# rendered by `isthmus plan render terraform-firewall`; change the Fleet, not this file
# what cluster west must let in

terraform {
  required_providers {
    azurerm = { source = "hashicorp/azurerm" }
  }
}

variable "resource_group_name" {
  type        = string
  description = "The resource group of west."
}

variable "network_security_group_name" {
  type        = string
  description = "The security group of the nodes of west."
}

variable "first_priority" {
  type        = number
  description = "The priority of the first rule; later ones follow."
  default     = 1000
}

locals {
  other_nodes = ["10.64.0.8/29"]
}

resource "azurerm_network_security_rule" "clustermesh" {
  name                         = "clustermesh"
  description                  = "ClusterMesh control plane (etcd, mTLS)"
  resource_group_name          = var.resource_group_name
  network_security_group_name  = var.network_security_group_name
  priority                     = var.first_priority + 56
  direction                    = "Inbound"
  access                       = "Allow"
  protocol                     = "Tcp"
  source_port_range            = "*"
  source_address_prefixes      = local.other_nodes
  destination_port_range       = "2379"
  destination_address_prefixes = ["10.64.0.0/29"]
}
""")


def test_priorities_of_azure_and_names_of_gcp_are_unique_and_within_their_limits() -> None:
    files = terraform.module_files(*world(*CLOUDS, spec=SPECS[-1], app=APP))

    numbers = [int(each) for each in re.findall(r"first_priority \+ (\d+)", files["far/firewall.tf"])]
    assert len(numbers) == len(set(numbers))
    assert max(numbers) < 4096 - 1000
    names = re.findall(r'^  name +=? "(.*)"', files["1east/firewall.tf"], re.MULTILINE)
    assert len(names) == len(set(names))
    assert [each for each in names if not re.fullmatch(r"[a-z][-a-z0-9]{0,61}[a-z0-9]", each)] == []


def test_what_a_tunnel_carries_is_in_no_firewall() -> None:
    rows, source = world(
        "west 1 provider: aws", "east 2", spec="", app=APP.replace("1east: {}, far: {}", "east: {}")
    )

    assert any(row.port == "7001" for row in rows)
    assert "7001" not in terraform.module_files(rows, source)["west/firewall.tf"]
    assert "7001" not in nftables.table_files(rows, source)["fleet.nft"]


def test_adding_a_cluster_leaves_the_rules_of_others_in_place() -> None:
    names = [
        set(
            _blocks(
                terraform.module_files(*world("west 1 provider: aws", "east 2", *more))["west/firewall.tf"]
            )
        )
        for more in ([], ["far 3"])
    ]

    assert names[0] == names[1]


def test_files_are_the_same_each_time() -> None:
    made = world(*CLOUDS, app=APP)
    makers = (
        sheet.csv_files,
        sheet.markdown_files,
        nftables.table_files,
        terraform.module_files,
        pages.page_files,
    )

    assert [make(*made) for make in makers] == [make(*made) for make in makers]


@hypothesis.given(st.text(max_size=300))
def test_a_description_is_what_every_cloud_takes(text: str) -> None:
    plain = words.plain(text, 120)

    assert len(plain) <= 120
    assert re.fullmatch(r"[\w .,:;/()@+=&{}!$*\[\]-]*", plain, re.ASCII)


@hypothesis.given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=50))
def test_a_quoted_string_begins_no_template(text: str) -> None:
    quoted = hcl.quoted(text)

    assert "\n" not in quoted
    assert re.search(r"(?<!\$)\$\{", quoted.replace("$${", "")) is None


def _blocks(text: str) -> list[str]:
    """Return the first lines of the blocks, the braces of each found to match."""
    heads = []
    depth = 0
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
        if depth == 0 and bare.strip():
            assert re.fullmatch(r'\w+(?: "")* \{', bare), line
            heads.append(line)
        depth += sum(bare.count(each) for each in "{[(") - sum(bare.count(each) for each in "}])")
        assert depth >= 0, line
    assert depth == 0
    return heads


def _ask(tool: str, path: Path, text: str, flags: tuple[str, ...], *, needs_root: bool = False) -> None:
    """Have the real tool read a file, where it is installed and may run."""
    found = shutil.which(tool)
    if found is None or (needs_root and os.geteuid() != 0):
        return
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        [found, *flags, path], check=False, capture_output=True, text=True, env=environment, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")

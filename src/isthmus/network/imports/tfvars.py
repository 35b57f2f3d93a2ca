"""Clusters that Terraform variables describe: flat variables of one cluster, or a map `clusters` of several.

Variables are named by whoever wrote the module, so the usual names are known here and all others are named
as not read.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import datapath, finding
from isthmus.network.imports import hcl, names, notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.network import imported

CLUSTERS: Final = "clusters"
NAMES: Final = ("cluster_name", "name")
ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("cluster_id", "id", "cilium_cluster_id"),
    "region": ("region", "location"),
    "account": ("project", "project_id", "account", "account_id", "subscription_id"),
    "vpc": ("vpc", "vpc_id", "vpc_name", "network_name"),
    "nodes": ("nodes", "node_count", "desired_size"),
    "pods_per_node": ("pods_per_node", "max_pods_per_node", "default_max_pods_per_node", "max_pods"),
    "pods": (
        "pods",
        "pods_cidr",
        "pod_cidr",
        "pods_cidrs",
        "pod_cidrs",
        "pods_range",
        "pod_subnet",
        "pods_ipv4_cidr_block",
        "cluster_ipv4_cidr",
        "cluster_ipv4_cidr_block",
    ),
    "services": (
        "services",
        "services_cidr",
        "service_cidr",
        "services_cidrs",
        "service_cidrs",
        "services_range",
        "service_subnet",
        "service_ipv4_cidr",
        "services_ipv4_cidr",
        "services_ipv4_cidr_block",
        "cluster_service_ipv4_cidr",
    ),
    "node_range": (
        "node_range",
        "nodes_range",
        "nodes_cidr",
        "node_cidr",
        "node_cidrs",
        "subnet_cidr",
        "subnet_cidrs",
        "ip_cidr_range",
    ),
}
"""Our fields by usual names: those of the providers' own arguments, of the modules terraform-google-modules
and terraform-aws-modules, and of what `plan render` writes."""
FIELD: Final = {alias: field for field, aliases in ALIASES.items() for alias in aliases}
PROVIDERS: Final = {each.value: each for each in datapath.Provider}
RANGES: Final = ("pods", "services", "node_range")
COUNTS: Final = ("id", "nodes", "pods_per_node")


def read(file: str, text: str) -> tuple[list[imported.Live], list[finding.Finding]]:
    """Return the clusters of a `.tfvars` or `.tfvars.json` file, and what of it was not read."""
    if file.endswith(".json"):
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            return [], [unread(file, None, "it is no JSON object")]
        parsed = hcl.Read(data, {}, ())
    else:
        parsed = hcl.read(text)
    lives = list(_lives(file, parsed.values, parsed.lines))
    findings = [unread(file, line, f"`{_short(what)}` is no literal") for line, what in parsed.skipped]
    others = [key for key in parsed.values if not (lives and _is_known(key))]
    if lives:
        others += [f"{CLUSTERS}.*.{key}" for key in _below(parsed.values) if not _is_known(key)]
    if others:
        shown = ", ".join(_short(each) for each in others[:8]) + (", ..." if len(others) > 8 else "")
        findings.append(unread(file, None, f"no range or number of a cluster by these names: {shown}"))
    return lives, findings


def unread(file: str, line: int | None, why: str) -> finding.Finding:
    """Return the finding for a part of a file that was not read."""
    return finding.Finding(
        code="not-read",
        severity=finding.Severity.INFO,
        file=file,
        line=line,
        message=f"not read: {why}",
        remedy="write by hand what it says of the clusters",
    )


def _lives(file: str, values: dict[str, Any], lines: dict[str, int]) -> Iterator[imported.Live]:
    several = values.get(CLUSTERS)
    if isinstance(several, dict) and all(isinstance(each, dict) for each in several.values()):
        for key, each in several.items():
            yield _live(file, lines.get(CLUSTERS), {**values, **each}, _name(each) or key)
    elif isinstance(several, list) and all(isinstance(each, dict) and _name(each) for each in several):
        for each in several:
            yield _live(file, lines.get(CLUSTERS), {**values, **each}, _name(each) or "")
    elif any(FIELD.get(key) in RANGES for key in values):
        stem = PurePath(file).name.partition(".")[0]
        yield _live(file, None, values, _name(values) or stem)


def _below(values: dict[str, Any]) -> dict[str, None]:
    """Return the names that clusters of a map or list have values by, in their order."""
    several = values.get(CLUSTERS)
    each = several.values() if isinstance(several, dict) else several if isinstance(several, list) else ()
    return {
        key: None for one in each if isinstance(one, dict) for key, value in one.items() if value is not None
    }


def _name(values: dict[str, Any]) -> str | None:
    found = (values.get(key) for key in NAMES)
    return next((each for each in found if isinstance(each, str) and each), None)


def _live(file: str, line: int | None, values: dict[str, Any], told: str) -> imported.Live:
    into = notes.Notes(file=file, line=line)
    for key, value in values.items():
        field = FIELD.get(key, "")
        source = f"{key} in {file}"
        if field in RANGES:
            into.ranges(field, value if isinstance(value, list) else [value or ""], source)
        elif field in COUNTS:
            into.count(field, value, source)
        elif key == "provider":
            into.put("provider", PROVIDERS.get(str(value)), source)
        elif field and isinstance(value, str):
            into.put(field, names.region(value) if field == "region" else value, source)
    return into.live(told)


def _is_known(key: str) -> bool:
    return key in FIELD or key in NAMES or key in {CLUSTERS, "provider"}


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."

"""Which file is what: Terraform state and variables, kind and Cluster API manifests.

All else is named as not read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from isthmus.model import finding, source
from isthmus.network.imports import manifests, objects, terraform, tfvars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network import imported

SUFFIXES = (".yaml", ".yml", ".json", ".tfstate", ".tfvars")
"""Of files that are looked at in a folder."""


def read(texts: Sequence[tuple[str, str]]) -> tuple[list[imported.Live], list[finding.Finding]]:
    """Return the clusters of some files, each (name, text), and findings for what was not read."""
    lives: list[imported.Live] = []
    findings: list[finding.Finding] = []
    resources: list[terraform.Resource] = []
    documents: list[source.Document] = []
    for file, text in texts:
        if file.endswith((".tfvars", ".tfvars.json")):
            clusters, problems = tfvars.read(file, text)
            lives += clusters
            findings += problems
        elif (data := _state(file, text)) is not None:
            findings += _keep_resources(file, data, resources)
        elif file.endswith(".tfstate"):
            findings.append(tfvars.unread(file, None, "this is no state of Terraform in JSON"))
        else:
            findings += _keep_documents(file, text, documents)
    return [*terraform.read(resources), *manifests.read(documents), *lives], findings


def _state(file: str, text: str) -> dict[str, Any] | None:
    if not file.endswith((".json", ".tfstate")):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and terraform.is_state(data) else None


def _keep_resources(file: str, data: dict[str, Any], kept: list[terraform.Resource]) -> list[finding.Finding]:
    found = terraform.resources(data, file)
    if found is None:
        return [
            tfvars.unread(file, None, "a state of another version than 4; Terraform 0.12 and later write 4")
        ]
    kept += found
    if terraform.read(found):
        return []
    kinds = "google_container_cluster, aws_eks_cluster or azurerm_kubernetes_cluster"
    return [tfvars.unread(file, None, f"the state has no {kinds} of its own")]


def _keep_documents(file: str, text: str, kept: list[source.Document]) -> list[finding.Finding]:
    documents, problems = source.read(file, text)
    findings = [_softened(each) for each in problems]
    others: dict[str, int] = {}
    for each in documents:
        if manifests.is_read(each):
            kept.append(each)
        else:
            kind = objects.dig(each.data, "kind")
            others.setdefault(kind if isinstance(kind, str) else "no kind", each.line())
    if others:
        shown = ", ".join(sorted(others)[:5]) + (", ..." if len(others) > 5 else "")
        why = f"documents that tell of no cluster's network: {shown}"
        findings.append(tfvars.unread(file, min(others.values()), why))
    return findings


def _softened(each: finding.Finding) -> finding.Finding:
    """Return what is wrong with a foreign file: it stops no other, so it is a warning."""
    return finding.Finding(
        code="not-read",
        severity=finding.Severity.WARNING,
        file=each.file,
        line=each.line,
        message=f"not read: {each.message}",
        remedy=each.remedy,
    )

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from isthmus.cli import main, permissions, rights


def _documents(verb: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main.main(["permissions", *verb.split(), "--namespace", "data", "-o", "json"]) == 0
    documents: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return documents


def _place(document: dict[str, Any]) -> str | None:
    namespace: str | None = document["metadata"].get("namespace")
    return namespace


VERBS = sorted(set().union(*(right.needed_by for right in rights.RIGHTS)))


@pytest.mark.parametrize("verb", VERBS)
def test_every_role_is_bound(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    documents = _documents(verb, capsys)
    roles = {(_place(each), each["metadata"]["name"]) for each in documents if "rules" in each}
    bound = {(_place(each), each["roleRef"]["name"]) for each in documents if "roleRef" in each}

    assert roles <= bound


@pytest.mark.parametrize("verb", VERBS)
def test_text_is_the_same_documents_with_reasons(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = _documents(verb, capsys)
    assert main.main(["permissions", *verb.split(), "--namespace", "data"]) == 0

    assert list(yaml.safe_load_all(capsys.readouterr().out)) == wanted


@pytest.mark.parametrize("verb", ["deploy diff", "deploy status", "deploy history"])
def test_a_reading_verb_asks_for_no_write_in_its_own_roles(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {
        (resource, right)
        for document in _documents(verb, capsys)
        for rule in document.get("rules", [])
        for resource in rule["resources"]
        for right in rule["verbs"]
    }

    writes = {each for each in asked if each[1] not in {"get", "list", "watch"}}
    assert writes <= {("selfsubjectaccessreviews", "create"), ("selfsubjectrulesreviews", "create")}


def test_an_app_with_its_own_account_needs_no_right_to_make_admins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["permissions", "deploy", "--namespace", "data", "--account", "deployer"]) == 0

    printed = capsys.readouterr().out
    assert "cluster-admin" not in printed
    assert "clusterrolebindings" not in printed


@pytest.mark.parametrize("verb", ["doctor", "connect status", "plan import"])
def test_where_istio_is_absent_no_role_is_for_its_namespace(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["permissions", *verb.split()]) == 0
    assert "leave its Role out: --no-istio" in capsys.readouterr().out

    assert main.main(["permissions", *verb.split(), "--no-istio", "-o", "json"]) == 0
    assert {_place(each) for each in json.loads(capsys.readouterr().out)} <= {
        None,
        "isthmus-system",
        "kube-system",
    }


def test_who_takes_tokens_of_the_account_needs_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    documents = _documents("account", capsys)

    assert [each.get("rules") for each in documents if "rules" in each] == [
        [
            {
                "apiGroups": [""],
                "resources": ["serviceaccounts/token"],
                "verbs": ["create"],
                "resourceNames": ["isthmus"],
            }
        ]
    ]


@pytest.mark.parametrize("verb", permissions.NO_CLUSTER)
def test_a_verb_without_clusters_says_so(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["permissions", verb]) == 0
    assert capsys.readouterr().out == f"# `isthmus {verb}` needs no right in any cluster\n"

"""What the account of Isthmus is given: nothing wide, nothing of other verbs, nothing to grow by."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.cli import holding
from isthmus.model import app as apps
from isthmus.model import document, errors

Rule = tuple[str | None, str, str, str]
ALL = tuple(holding.VERBS)


def app(name: str = "db", account: str | None = None) -> apps.App:
    """Return an App in namespace `data`."""
    spec = apps.AppSpec.model_construct(chart=apps.Chart(path="db"), service_account=account, clusters={})
    return apps.App.model_construct(metadata=document.Metadata(name=name, namespace="data"), spec=spec)


def held(**more: Any) -> holding.Holding:
    """Return what an account is for, with Istio and one App."""
    given: dict[str, Any] = {"verbs": ALL, "apps": (app(),), "others": ("east",), "meshed": True}
    return holding.Holding(**{**given, **more})


def rules(given: holding.Holding) -> list[tuple[str | None, dict[str, Any]]]:
    """Return (namespace, rule) of all its roles."""
    return [
        (body["metadata"].get("namespace"), rule)
        for body in holding.documents(given)
        for rule in body.get("rules", ())
    ]


def places(given: holding.Holding, resource: str) -> set[str | None]:
    """Return where it may do anything to a resource whatever its name; None is everywhere."""
    return {
        space
        for space, rule in rules(given)
        if resource in rule["resources"] and not rule.get("resourceNames")
    }


def test_no_right_is_a_wildcard() -> None:
    parts = [
        part for _, rule in rules(held()) for key in ("verbs", "resources", "apiGroups") for part in rule[key]
    ]

    assert "*" not in parts


def test_what_could_make_it_stronger_is_by_name() -> None:
    strong = {"escalate", "bind", "impersonate"}
    open_ones = [
        rule
        for _, rule in rules(held())
        if (strong & set(rule["verbs"]) or "serviceaccounts/token" in rule["resources"])
        and not rule.get("resourceNames")
    ]

    assert open_ones == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (held(), {"isthmus-system", "kube-system", "istio-system", "data"}),
        (held(verbs=("connect",)), {"isthmus-system", "kube-system", "istio-system"}),
        (held(verbs=("connect",), meshed=False), {"isthmus-system", "kube-system"}),
        (held(verbs=("connect status",), meshed=False), {"kube-system"}),
        (held(verbs=("deploy",)), {"isthmus-system", "data"}),
        (held(verbs=("doctor",), meshed=False), set()),
        (held(verbs=("connect verify",)), set()),
        (held(is_target=False), {"isthmus-system"}),
    ],
)
def test_secrets_are_read_in_namespaces_of_the_verbs_and_nowhere_else(
    given: holding.Holding, expected: set[str | None]
) -> None:
    assert places(given, "secrets") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (held(), ["data"]),
        (held(verbs=("deploy status",)), []),
        (held(verbs=("connect", "doctor")), []),
        (held(is_target=False), []),
    ],
)
def test_charts_of_apps_are_written_in_their_own_namespaces(
    given: holding.Holding, expected: list[str]
) -> None:
    found = [
        body["metadata"]["namespace"]
        for body in holding.documents(given)
        if body.get("roleRef", {}).get("name") == "admin"
    ]

    assert found == expected


def test_without_istio_nothing_is_made_for_it() -> None:
    places = {
        body["metadata"].get("namespace") or body["metadata"]["name"]
        for body in holding.documents(held(verbs=holding.USUAL, meshed=False))
    }

    assert "istio-system" not in places


def test_an_istio_of_somebody_else_is_read_and_not_written() -> None:
    found = [
        rule
        for space, rule in rules(held(verbs=("connect",), meshed=False, has_istio_home=True))
        if space == "istio-system"
    ]

    written = {verb for rule in found if "pods/exec" not in rule["resources"] for verb in rule["verbs"]}
    assert found
    assert written == {"get", "list", "watch"}


def test_only_an_app_with_an_account_needs_roles_made_for_it() -> None:
    assert places(held(verbs=("deploy",)), "rolebindings") == set()
    assert places(held(verbs=("deploy",), apps=(app(account="deployer"),)), "rolebindings") == {
        "isthmus-system"
    }


def test_each_right_is_in_one_rule() -> None:
    seen: list[tuple[Any, ...]] = []
    for space, rule in rules(held()):
        names = tuple(rule.get("resourceNames", ()))
        seen += [(space, rule["apiGroups"][0], each, names) for each in rule["resources"]]

    # The same object may have more verbs by name than without.
    assert len(seen) == len(set(seen))


def test_a_verb_that_it_is_not_for_is_refused() -> None:
    with pytest.raises(errors.InputError, match="not for 'lab'"):
        holding.check(("connect", "lab"))

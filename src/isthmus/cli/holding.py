"""What the account of Isthmus holds in one cluster: a ServiceAccount with the rights of some verbs, as data.

Pure: the tables are in `rights` and `rights_connect`; writing them is `engine/account`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.cli import rights, rights_connect
from isthmus.model import errors
from isthmus.rollout.connect.proof import hosts, objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isthmus.model import app as apps

Json = dict[str, Any]
Scope = rights.Scope

NAME: Final = "isthmus"
TOKENS: Final = "isthmus-tokens"
LABELS: Final = {"app.kubernetes.io/managed-by": "isthmus", "app.kubernetes.io/component": "account"}
VERBS: Final = {
    "connect": frozenset({"connect", "connect status", "connect history"}),
    "connect status": frozenset({"connect status", "connect history"}),
    "connect verify": rights.PROVING,
    "connect rotate": rights_connect.ASKING,
    "deploy": frozenset({"deploy", "deploy diff", "deploy status", "deploy history", "deploy pause"}),
    "deploy status": frozenset({"deploy status", "deploy history"}),
    "doctor": rights.DIAGNOSING,
    "doctor probe": rights.HOSTING | rights.PROVING,
}
"""What can be chosen, and the verbs of the tables that it stands for."""
USUAL: Final = ("connect", "deploy", "doctor")
SPACED: Final = {Scope.MESHED: objects.LABELS[objects.Space.MESHED], Scope.HOSTS: hosts.LABELS}
"""Labels of namespaces that the account must have and may not make."""
HOMES: Final = {Scope.KUBE: "kube-system"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Holding:
    """What the account is for in one cluster.

    `apps` run there; `others` are the clusters whose istiod reads this one. With `meshed` the Fleet has Istio
    here; namespace istio-system may also be there without (`has_istio_home`). `group` may take its tokens. A
    cluster that only votes is no `target`.
    """

    verbs: tuple[str, ...] = USUAL
    apps: tuple[apps.App, ...] = ()
    others: tuple[str, ...] = ()
    meshed: bool = False
    has_istio_home: bool = False
    group: str = ""
    is_target: bool = True


def check(verbs: Sequence[str]) -> None:
    """Refuse a verb that the account is not for."""
    for each in verbs:
        if each not in VERBS:
            raise errors.InputError(
                f"the account is not for '{each}'",
                remedy=f"--for one of: {', '.join(VERBS)}",
            )


def documents(holding: Holding) -> tuple[Json, ...]:
    """Return the namespaces, the account, its roles and their bindings, in the order of writing."""
    rules = _rules(holding)
    spaces = [name for name in rules if name is not None]
    me = {"kind": "ServiceAccount", "name": NAME, "namespace": rights.SYSTEM}
    found = [_namespace(name) for name in dict.fromkeys([rights.SYSTEM, *spaces])]
    found.append(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": _meta(NAME, rights.SYSTEM),
            "automountServiceAccountToken": False,
        }
    )
    for space, given in rules.items():
        found += [_role(NAME, space, given), _binding(NAME, space, "Role" if space else "ClusterRole", me)]
    for space in _admin(holding):
        found.append(_binding(f"{NAME}-admin", space, "ClusterRole", me, role="admin"))
    return (*found, *(taking(holding.group) if holding.group else ()))


def taking(group: str) -> tuple[Json, ...]:
    """Return what lets a group of users take tokens of the account, and so work as it."""
    people = {"apiGroup": rights.RBAC, "kind": "Group", "name": group}
    return (
        _role(TOKENS, rights.SYSTEM, [rights_connect.OWN.to_rule()]),
        _binding(TOKENS, rights.SYSTEM, "Role", people),
    )


def words(rule: Json) -> str:
    """Return a rule in one line."""
    group = rule["apiGroups"][0]
    kinds = ", ".join(f"{each}.{group}" if group else each for each in rule["resources"])
    names = f" named {', '.join(rule['resourceNames'])}" if rule.get("resourceNames") else ""
    return f"{', '.join(rule['verbs'])} {kinds}{names}"


def _rules(holding: Holding) -> dict[str | None, list[Json]]:
    """Return the rules by namespace, None for the cluster; each resource is in one rule."""
    found: dict[str | None, dict[_Object, set[str]]] = {}
    for space, right in _placed(holding):
        given = found.setdefault(space, {})
        for resource in right.resources:
            given.setdefault((right.group, resource, right.names), set()).update(right.verbs)
    return {space: _grouped(given) for space, given in found.items()}


_Object = tuple[str, str, tuple[str, ...]]
"""API group, resource, names."""


def _grouped(given: dict[_Object, set[str]]) -> list[Json]:
    """Return rules for objects with their verbs; what is given for every name is not given by name too."""
    rules: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource, only), verbs in given.items():
        more = verbs - given.get((group, resource, ()), set()) if only else verbs
        if more:
            ordered = tuple(each for each in ORDER if each in more)
            rules.setdefault((group, only, ordered), []).append(resource)
    return [
        {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
        | ({"resourceNames": list(only)} if only else {})
        for (group, only, verbs), resources in rules.items()
    ]


ORDER: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "escalate", "bind")
"""How verbs are listed."""


def _placed(holding: Holding) -> Iterator[tuple[str | None, rights.Right]]:
    """Yield each right with the namespace it is given in."""
    for right in _chosen(holding):
        if right.scope is Scope.CLUSTER:
            yield None, right
        elif right.scope is Scope.APP:
            for space in _app_spaces(holding, right):
                yield space, right
        elif right.scope is not Scope.ISTIO or holding.meshed or _reads_istio(holding, right):
            yield HOMES.get(right.scope, right.scope.value), right


def _chosen(holding: Holding) -> Iterator[rights.Right]:
    """Yield the rights of the verbs; what makes accounts of other names stronger is none of them."""
    wanted = frozenset().union(*(VERBS[each] for each in holding.verbs))
    has_accounts = any(each.spec.service_account for each in holding.apps)
    for right in (*rights.RIGHTS, *rights_connect.RIGHTS):
        if not right.needed_by & wanted or right.own_account is False:
            continue
        if not holding.is_target and right.scope not in {Scope.CLUSTER, Scope.SYSTEM}:
            continue
        if right.own_account is True and not has_accounts:
            continue
        if right.scope is Scope.SYSTEM and right.group == rights.RBAC and not has_accounts:
            continue  # it lets an App's own account write the journal
        yield right
    if wanted & (rights.WRITING | rights.CONNECTING):
        yield rights_connect.OWN
    if wanted & rights.CONNECTING and holding.meshed and holding.others:
        yield rights_connect.reading(holding.others)


def _reads_istio(holding: Holding, right: rights.Right) -> bool:
    """Say whether a right is to look at an Istio that is none of the Fleet's."""
    return holding.has_istio_home and right not in rights_connect.RIGHTS


def _app_spaces(holding: Holding, right: rights.Right) -> tuple[str, ...]:
    wanted = frozenset().union(*(VERBS[each] for each in holding.verbs))
    spaces = [each.namespace for each in holding.apps] if right.needed_by & wanted & DEPLOYING else []
    if right.own_account is True:
        spaces = [each.namespace for each in holding.apps if each.spec.service_account]
    if right.needed_by & wanted & rights.CONNECTED:
        spaces.append(HOMES[Scope.KUBE])
    return tuple(dict.fromkeys(spaces))


DEPLOYING: Final = rights.WRITING | {"deploy diff", "deploy status", "deploy history"}


def _admin(holding: Holding) -> tuple[str, ...]:
    """Return the namespaces in which charts of Apps are dry-run and written, whatever they hold there."""
    if "deploy" not in holding.verbs or not holding.is_target:
        return ()
    return tuple(dict.fromkeys(each.namespace for each in holding.apps))


def _meta(name: str, space: str | None) -> Json:
    return {"name": name, **({"namespace": space} if space else {}), "labels": dict(LABELS)}


def _namespace(name: str) -> Json:
    more = next((dict(labels) for scope, labels in SPACED.items() if scope.value == name), {})
    meta: Json = {"name": name, **({"labels": more} if more else {})}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def _role(name: str, space: str | None, rules: Iterable[Json]) -> Json:
    kind = "Role" if space else "ClusterRole"
    return {
        "apiVersion": f"{rights.RBAC}/v1",
        "kind": kind,
        "metadata": _meta(name, space),
        "rules": list(rules),
    }


def _binding(name: str, space: str | None, kind: str, subject: Json, *, role: str = "") -> Json:
    return {
        "apiVersion": f"{rights.RBAC}/v1",
        "kind": "RoleBinding" if space else "ClusterRoleBinding",
        "metadata": _meta(name, space),
        "roleRef": {"apiGroup": rights.RBAC, "kind": kind, "name": role or name},
        "subjects": [subject],
    }

"""`isthmus permissions VERB`: the RBAC that a verb needs in each cluster, from the table in `rights`.

This module grants nothing: it prints documents to apply.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import holding, output, rights
from isthmus.model import errors
from isthmus.rollout.connect.proof import hosts, objects

if TYPE_CHECKING:
    from collections.abc import Iterable

MESHED = (
    "where the Fleet has Istio; without istio-cni sidecars begin with NET_ADMIN, which needs `privileged`"
)

HOSTED = "its pods are in the network of their nodes, which Pod Security allows at `privileged` alone"

BOUND_TO_ADMIN = rights.PLANNING
"""Verbs that dry-run or write what a chart holds: the built-in role `admin`, in the App's namespace alone."""

NO_CLUSTER = ("init", "plan", "lab", "demo", "completion", "version")
"""Verbs that need no right in a cluster of the user's; what is below them may, and is in the table then."""

LOCAL = frozenset({"connect csr", "connect sign", "deploy csr", "deploy sign"})
"""Verbs that work on files alone, below some that ask clusters."""


def permissions(
    verb: Annotated[list[str], typer.Argument(help="The verb, for example `deploy` or `deploy status`.")],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="The App's namespace.", metavar="NAME")
    ] = "default",
    group: Annotated[
        str, typer.Option("--group", help="Who gets the rights: a group of users.", metavar="NAME")
    ] = "isthmus-operators",
    account: Annotated[
        str, typer.Option("--account", help="The App's `serviceAccount`, if it names one.", metavar="NAME")
    ] = "",
    no_istio: Annotated[
        bool, typer.Option("--no-istio", help="Leave Roles out that are for Istio: its namespace is absent.")
    ] = False,
    form: Annotated[
        output.Output, typer.Option("--output", "-o", help="text is YAML with the reasons as comments.")
    ] = output.Output.TEXT,
) -> None:
    """Print the RBAC that a verb needs, for `kubectl apply -f -` in each cluster.

    Examples:
        isthmus permissions deploy --namespace data --account deployer
        isthmus permissions deploy status -n data --group sre | kubectl --context us-west4 apply -f -
        isthmus permissions connect status
    """
    name = " ".join(verb)
    known = sorted(rights.CONNECTING.union(*(right.needed_by for right in rights.RIGHTS)))
    if name in LOCAL or (verb[0] in NO_CLUSTER and name not in known):
        print(f"# `isthmus {name}` needs no right in any cluster")
        if name == "plan check":
            print("# with `--live` it needs what `isthmus permissions plan import` prints")
        return
    if verb[0] == "account":
        documents = [(one, ["to take tokens of the account"]) for one in holding.taking(group)]
        _print(documents, form)
        return
    if name not in known:
        raise errors.InputError(
            f"no verb '{name}'", remedy=f"one of: {', '.join([*known, *NO_CLUSTER])}", where="permissions"
        )
    documents = list(build(name, namespace=namespace, group=group, account=account, istio=not no_istio))
    spaces = {document["metadata"].get("namespace") for document, _ in documents}
    if rights.Scope.ISTIO.value in spaces and form is not output.Output.JSON:
        print("# where there is no namespace istio-system, leave its Role out: --no-istio")
    if name in rights.CONNECTING and form is not output.Output.JSON:
        print(
            "# `isthmus account up` makes an account with fewer rights, and those are all that is needed then"
        )
    if name == "doctor" and form is not output.Output.JSON:
        print("# with --probe also what `isthmus permissions connect verify` and `doctor probe` print")
    _print(documents, form)


def _print(documents: list[tuple[dict[str, Any], list[str]]], form: output.Output) -> None:
    if form is output.Output.JSON:
        output.emit([document for document, _ in documents], form)
    else:
        print("\n---\n".join(_text(document, reasons) for document, reasons in documents))


def build(
    verb: str, *, namespace: str, group: str, account: str = "", istio: bool = True
) -> Iterable[tuple[dict[str, Any], list[str]]]:
    """Yield each document with the reasons of its rules, for one verb."""
    title = "isthmus-deploy" if verb in rights.WRITING else "isthmus-" + verb.replace(" ", "-")
    who = {"apiGroup": rights.RBAC, "kind": "Group", "name": group}
    if verb in rights.CONNECTING:
        reason = "Cilium's chart has ClusterRoles: who writes or dry-runs them needs what they give"
        head = _head("RoleBinding", "isthmus-connect", None)
        yield _bind(head, "ClusterRole", "cluster-admin", who), [reason]
        return
    if verb in rights.CONNECTED:
        namespace = rights.Scope.KUBE.value
    wanted = [
        right
        for right in rights.RIGHTS
        if verb in right.needed_by
        and right.own_account in {None, bool(account)}
        and (istio or right.scope not in {rights.Scope.ISTIO, rights.Scope.MESHED})
    ]
    for scope in rights.Scope:
        where = {rights.Scope.CLUSTER: None, rights.Scope.APP: namespace}.get(scope, scope.value)
        chosen = [right for right in wanted if right.scope is scope]
        if chosen and scope in {rights.Scope.SYSTEM, rights.Scope.APP, rights.Scope.PROBE}:
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where}}, []
        if chosen and scope is rights.Scope.MESHED:
            labels = dict(objects.LABELS[objects.Space.MESHED])
            metadata = {"name": where, "labels": labels}
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, [MESHED]
        if chosen and scope is rights.Scope.HOSTS:
            metadata = {"name": where, "labels": dict(hosts.LABELS)}
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, [HOSTED]
        if chosen:
            role = {**_head("Role", title, where), "rules": [right.to_rule() for right in chosen]}
            yield role, [right.why for right in chosen]
            yield (
                _bind(_head("RoleBinding", title, where), "Role" if where else "ClusterRole", title, who),
                [],
            )
    if verb in BOUND_TO_ADMIN:
        head = _head("RoleBinding", f"{title}-admin", namespace)
        yield _bind(head, "ClusterRole", "admin", who), ["a chart is dry-run as it is, whatever it holds"]
    if account and verb in rights.WRITING:
        yield from _account(account, namespace)


def _account(name: str, namespace: str) -> Iterable[tuple[dict[str, Any], list[str]]]:
    metadata = {"name": name, "namespace": namespace}
    yield (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        ["writes the App, Helm included"],
    )
    head = _head("RoleBinding", f"isthmus-{name}", namespace)
    reason = "add roles for kinds of the chart beyond `admin`"
    yield _bind(head, "ClusterRole", "admin", {"kind": "ServiceAccount", **metadata}), [reason]


def _head(kind: str, name: str, namespace: str | None) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {
        "apiVersion": f"{rights.RBAC}/v1",
        "kind": kind if namespace else f"Cluster{kind}",
        "metadata": metadata,
    }


def _bind(head: dict[str, Any], kind: str, role: str, subject: dict[str, str]) -> dict[str, Any]:
    return {**head, "roleRef": {"apiGroup": rights.RBAC, "kind": kind, "name": role}, "subjects": [subject]}


def _text(document: dict[str, Any], reasons: list[str]) -> str:
    import yaml

    rules = document.get("rules")
    if rules is None:
        comment = "".join(f"# {reason}\n" for reason in reasons)
        return comment + yaml.safe_dump(document, sort_keys=False).rstrip()
    head = {key: value for key, value in document.items() if key != "rules"}
    lines = [yaml.safe_dump(head, sort_keys=False).rstrip(), "rules:"]
    for rule, reason in itertools.zip_longest(rules, reasons):
        lines.append(f"# {reason}")
        lines.append(yaml.safe_dump([rule], sort_keys=False, default_flow_style=None).rstrip())
    return "\n".join(lines)

"""Which certificates an App needs: Secrets of its namespace, made out to the names by which it is called.

Names of Services: kubernetes.io/docs/concepts/services-networking/dns-pod-service; of the clusterset:
KEP-1645. Nothing is issued here.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh.trust import leaves, secrets
from isthmus.model import app as apps
from isthmus.model import finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

APP: Final = "isthmus.dev/app"
"""The label of such a Secret, with the App's name."""
DOMAINS: Final = ("cluster.local", "clusterset.local")


def of(app: apps.App) -> tuple[leaves.Leaf, ...]:
    """Return what the App needs, the same in each of its clusters: its pods call one another across them."""
    return tuple(_leaf(app, each) for each in app.spec.certificates)


def findings(app: apps.App, cluster: str, live: Mapping[str, Any]) -> Iterator[finding.Finding]:
    """Yield Secrets of others at our places, and ours that the App no longer names; `live` is by name."""
    wanted = {each.secret for each in app.spec.certificates}
    for name, body in live.items():
        if name in wanted and not secrets.is_ours(body):
            yield _finding(
                app,
                name,
                cluster,
                finding.Severity.ERROR,
                (
                    "foreign-certificate",
                    "the App asks for a certificate in this Secret, which somebody else made",
                ),
                "name another Secret in `certificates`, or delete this one",
            )
        elif name not in wanted:
            yield _finding(
                app,
                name,
                cluster,
                finding.Severity.INFO,
                ("certificate-left", "the App no longer names this Secret of its certificates; it stays"),
                f"once no pod mounts it: kubectl --namespace {app.namespace} delete secret {name}",
            )


def _finding(
    app: apps.App,
    name: str,
    cluster: str,
    severity: finding.Severity,
    told: tuple[str, str],
    remedy: str,
) -> finding.Finding:
    code, message = told
    return finding.Finding(
        code=code,
        severity=severity,
        message=message,
        remedy=remedy,
        kind="Secret",
        namespace=app.namespace,
        name=name,
        cluster=cluster,
    )


def _leaf(app: apps.App, one: apps.Certificate) -> leaves.Leaf:
    stated = [(name, _is_address(name)) for name in one.names]
    named = [name for service in one.services for name in _of_service(service, app.namespace)]
    return leaves.Leaf(
        secret=one.secret,
        namespace=app.namespace,
        common_name=app.name,
        dns=tuple(dict.fromkeys([*named, *(name for name, is_address in stated if not is_address)])),
        addresses=tuple(dict.fromkeys(name for name, is_address in stated if is_address)),
        server=apps.Usage.SERVER in one.usages,
        client=apps.Usage.CLIENT in one.usages,
    )


def _of_service(name: str, namespace: str) -> Iterator[str]:
    """Yield the names of a Service, short and whole, and of the pods behind a headless one."""
    yield name
    yield f"{name}.{namespace}"
    yield f"{name}.{namespace}.svc"
    for domain in DOMAINS:
        yield f"{name}.{namespace}.svc.{domain}"
        yield f"*.{name}.{namespace}.svc.{domain}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

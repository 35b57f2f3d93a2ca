"""The identity of a peer, and what of a policy matches it.

A principal is written `<trust domain>/ns/<namespace>/sa/<account>`, as policies do; certificates and Envoy
have `spiffe://` before it. None is a peer without mutual TLS, which no value matches.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from isthmus.policy import world

LOCAL: Final = "cluster.local"
"""What in a policy means the own trust domain whatever its name (`trustdomain/bundle.go`)."""
PARTS: Final = 5
"""Parts between slashes of a whole principal."""


def principal(each: world.Endpoint, settings: world.Settings) -> str:
    """Return the principal of a workload; one without an account runs as `default`."""
    return f"{settings.trust_domain}/ns/{each.namespace}/sa/{each.account or 'default'}"


def domains(settings: world.Settings) -> tuple[str, ...]:
    """Return the trust domains that mean the same mesh."""
    return (settings.trust_domain, *settings.trust_domain_aliases)


@functools.lru_cache(maxsize=1 << 14)
def expand_principal(value: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a principal of a policy stands for (Bundle.ReplaceTrustDomainAliases)."""
    parts = value.split("/")
    if len(parts) != PARTS or parts[0] == "*":
        return (value,)
    domain = parts[0]
    if domain != LOCAL and not any(_alike(domain, each) for each in known):
        return (value,)
    rest = "/".join(parts[1:])
    # A pattern such as `*local` that covers the domain stays as it is (suffixMatch in replaceTrustDomains).
    found = (value if _ends(each, domain) else f"{each}/{rest}" for each in known)
    return tuple(dict.fromkeys(found))


def expand_domain(value: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a trust domain of a policy stands for (Bundle.ExpandTrustDomainAliases)."""
    return known if value in known else (value,)


def _alike(one: str, other: str) -> bool:
    # stringMatch of trustdomain/util.go: the pattern may be on either side.
    pairs = ((one, other), (other, one))
    return other in {one, "*"} or any(_begins(*pair) or _ends(*pair) for pair in pairs)


def _begins(text: str, pattern: str) -> bool:
    return pattern.endswith("*") and text.startswith(pattern[:-1])


def _ends(text: str, pattern: str) -> bool:
    return pattern.startswith("*") and text.endswith(pattern[1:])


def has_principal(value: str, peer: str | None) -> bool:
    """Say whether a value of `principals` matches a peer (StringMatcherWithPrefix)."""
    if peer is None:
        return False
    if value == "*":
        return True
    if value.startswith("*"):
        return peer.endswith(value[1:])
    return peer.startswith(value[:-1]) if value.endswith("*") else peer == value


def has_namespace(value: str, peer: str | None) -> bool:
    """Say whether a value of `namespaces` matches a peer at Envoy: `*` anywhere (srcNamespaceGenerator)."""
    return peer is not None and bool(_namespace(value).fullmatch(f"spiffe://{peer}"))


def has_account(value: str, peer: str | None, namespace: str) -> bool:
    """Say whether a value of `serviceAccounts` matches; `namespace` is the policy's (serviceAccountRegex)."""
    return peer is not None and bool(_account(value, namespace).fullmatch(f"spiffe://{peer}"))


def has_domain(value: str, peer: str | None) -> bool:
    """Say whether a value of `trustDomains` matches a peer (srcTrustDomainGenerator)."""
    if peer is None:
        return False
    domain = peer.partition("/")[0]
    if "*" not in value:
        return domain == value
    first, _, last = value.partition("*")
    return len(domain) >= len(first) + len(last) and domain.startswith(first) and domain.endswith(last)


@functools.lru_cache(maxsize=4096)
def _namespace(value: str) -> re.Pattern[str]:
    inner = ".*".join(re.escape(part) for part in value.split("*"))
    return re.compile(f".*/ns/{inner}/.*")


@functools.lru_cache(maxsize=4096)
def _account(value: str, namespace: str) -> re.Pattern[str]:
    place, slash, name = value.partition("/")
    place, name = (place, name) if slash else (namespace, value)
    return re.compile(f"spiffe://.+/ns/{re.escape(place)}/(.+/|)sa/{re.escape(name)}(/.+)?")

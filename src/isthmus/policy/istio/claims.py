"""Tokens and their claims, as RequestAuthentication takes them and `request.auth.*` sees them.

Envoy's JWT filter accepts or refuses before authorization (`pilot/pkg/security/authn/policy_applier.go`):
no token passes, an invalid one is 401, a valid one for other audiences 403.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.policy.istio import facts, model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from isthmus.policy import layer7, rule

SPACED: Final = frozenset({"permission", "scope"})
"""Claims that are lists between spaces always (buildSpaceDelimitedClaims)."""
UNAUTHENTICATED: Final = 401
FORBIDDEN: Final = 403


class Token(NamedTuple):
    """What the JWT filter makes of a request: a status that refuses it, or the claims it puts beside it."""

    status: int | None = None
    because: tuple[rule.Origin, ...] = ()
    why: str = ""
    claims: Mapping[str, object] | None = None


def accept(request: layer7.Request | None, policies: Sequence[model.Authentication]) -> Token:
    """Return what RequestAuthentications say of a request; without them a token means nothing."""
    issuers = [(each, issuer) for each in policies for issuer in each.issuers]
    if not issuers or request is None or request.token is None:
        return Token()
    origins = tuple(dict.fromkeys(each.origin for each, _ in issuers))
    if request.token != "valid":  # noqa: S105  # a word, no secret
        return Token(UNAUTHENTICATED, origins, "its token is invalid")
    given = dict(request.claims)
    own = [(each, issuer) for each, issuer in issuers if issuer.name in {"", given.get("iss")}]
    if not own:
        return Token(UNAUTHENTICATED, origins, f"no jwtRules entry has the issuer '{given.get('iss')}'")
    for each, issuer in own:
        if not issuer.audiences or not _audiences(given).isdisjoint(issuer.audiences):
            return Token(None, (each.origin,), "its token is valid", _spaced(given, issuer))
    return Token(FORBIDDEN, tuple(each.origin for each, _ in own), "its token is for other audiences")


def _audiences(given: Mapping[str, object]) -> frozenset[str]:
    found = given.get("aud")
    return frozenset(str(each) for each in (found if isinstance(found, list | tuple) else [found]))


def _spaced(given: Mapping[str, object], issuer: model.Issuer) -> dict[str, object]:
    names = SPACED | set(issuer.spaced)
    return {
        key: value.split() if key in names and isinstance(value, str) else value
        for key, value in given.items()
    }


def has_subject(value: str, given: Mapping[str, object] | None) -> bool:
    """Say whether a value of `requestPrincipals` matches issuer and subject (requestPrincipalGenerator)."""
    if given is None:
        return False
    issuer, slash, subject = value.rpartition("/")
    if not slash:
        issuer, subject = value, ""
    if value == "*":
        wanted = ("*", "*")
    elif value.startswith("*"):
        wanted = (issuer, "=" + subject) if slash else ("*", value)
    elif value.endswith("*"):
        wanted = ("=" + issuer, subject) if slash else (value, "*")
    else:
        wanted = ("=" + issuer, "=" + subject)
    return all(_part(each, given.get(key)) for each, key in zip(wanted, ("iss", "sub"), strict=True))


def _part(wanted: str, found: object) -> bool:
    if not isinstance(found, str):
        return False
    return found == wanted[1:] if wanted.startswith("=") else facts.like(wanted, found)


def has_claim(path: Sequence[str], values: Iterable[str], given: Mapping[str, object] | None) -> bool:
    """Say whether a claim, or an entry of its list, matches any value; numbers match nothing."""
    found: object = given
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    entries = found if isinstance(found, list | tuple) else [found]
    wanted = list(values)
    return any(isinstance(each, str) and facts.like(value, each) for each in entries for value in wanted)


def path(key: str) -> tuple[str, ...]:
    """Return the names between the brackets of `request.auth.claims[a][b]` (extractNameInNestedBrackets)."""
    text = key.removeprefix(model.CLAIMS)
    if re.fullmatch(r"(\[[^\[\]]*\])+", text):
        return tuple(re.findall(r"\[([^\[\]]*)\]", text))
    return (text.removeprefix("[").removesuffix("]"),)

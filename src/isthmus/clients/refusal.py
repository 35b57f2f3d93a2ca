"""Turns what an API server or the way to it says into errors a user can act on.

The server's own words are the `why`. The request's body is never looked at, so only a server can quote a
secret, and those are redacted.
"""

from __future__ import annotations

import dataclasses
import re
import ssl
from typing import TYPE_CHECKING, Any

import httpx2

from isthmus.clients.redactor import CUT
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.clients.redactor import Redactor

Json = dict[str, Any]

FAILURES: tuple[type[BaseException], ...] = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.CookieConflict,
    httpx2.StreamError,
    ssl.SSLError,
    OSError,  # TimeoutError is one
    EOFError,
    ValueError,  # an answer that is not what its headers say: bad JSON, bad UTF-8
)
"""Everything that sending a request may raise and that is no mistake of ours."""

_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied')
_BROKEN_WEBHOOK = re.compile(r'failed calling webhook "([^"]+)"')
_POLICY = re.compile(r"ValidatingAdmissionPolicy '([^']+)'")
_QUOTA_OF_ETCD = "database space exceeded"
_LONGEST = 1200  # characters of a server's message


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A Kubernetes Status with the request it answers."""

    where: str
    what: str
    code: int
    status: Json

    @property
    def message(self) -> str:
        """The server's words."""
        found = self.status.get("message")
        text = found if isinstance(found, str) and found else f"HTTP {self.code}"
        return _cut(text)

    @property
    def causes(self) -> list[Json]:
        """The fields and reasons the server lists."""
        details = self.status.get("details")
        found = details.get("causes") if isinstance(details, dict) else None
        return [cause for cause in found or () if isinstance(cause, dict)]

    def has_cause(self, reason: str) -> bool:
        """Say whether a cause has that reason."""
        return any(cause.get("reason") == reason for cause in self.causes)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + CUT


def from_status(refusal: Refusal, redactor: Redactor) -> errors.IsthmusError:
    """Return the error for an answer that is no success."""
    kind, why, remedy = _classify(refusal)
    return kind(refusal.what, where=refusal.where, why=redactor.clean(why), remedy=remedy)


def is_lasting(refusal: Refusal) -> bool:
    """Say whether a 5xx would come again at once, so that a repetition only costs time."""
    return bool(_by_message(refusal))


_Classified = tuple[type[errors.IsthmusError], str, str]


def _classify(refusal: Refusal) -> _Classified:
    found = _by_message(refusal)
    if found:
        return found
    by_code: dict[int, Callable[[Refusal], _Classified]] = {
        401: _unauthenticated,
        403: _forbidden,
        404: _missing,
        409: _conflict,
        413: _too_large,
        422: _invalid,
        429: _overloaded,
    }
    if refusal.code in by_code:
        return by_code[refusal.code](refusal)
    if refusal.code >= 500:
        return (
            errors.UnreachableError,
            refusal.message,
            "Check the API server and its etcd; then run the command again.",
        )
    if 300 <= refusal.code < 400:
        return (
            errors.UnreachableError,
            f"HTTP {refusal.code}: a redirection, which API servers do not send",
            "Check the server's address: a proxy or a login page seems to answer.",
        )
    return errors.DeniedError, refusal.message, "Correct what the server names."


def _by_message(refusal: Refusal) -> _Classified | None:
    message = refusal.message
    if _QUOTA_OF_ETCD in message:
        return (
            errors.DeniedError,
            f"etcd is out of quota: {message}",
            "Compact and defragment etcd and disarm its alarm (etcdctl alarm disarm), or raise its quota.",
        )
    if found := _WEBHOOK.search(message):
        return errors.DeniedError, message, f"Satisfy the admission webhook {found[1]!r}, or ask its owner."
    if found := _BROKEN_WEBHOOK.search(message):
        return (
            errors.DeniedError,
            message,
            f"The webhook {found[1]!r} does not answer: repair it or remove its configuration.",
        )
    if found := _POLICY.search(message):
        return (
            errors.DeniedError,
            message,
            f"Satisfy the ValidatingAdmissionPolicy {found[1]!r}, or ask its owner.",
        )
    if "etcdserver: request is too large" in message:
        return _too_large(refusal)
    return None


def _unauthenticated(refusal: Refusal) -> _Classified:
    return (
        errors.UnauthenticatedError,
        f"token expired or revoked, or certificate unknown: {refusal.message}",
        "Log in again, or renew the credential of this context.",
    )


def _forbidden(refusal: Refusal) -> _Classified:
    message = refusal.message
    if refusal.has_cause("NamespaceTerminating") or "because it is being terminated" in message:
        return (
            errors.DeniedError,
            f"the namespace is terminating: {message}",
            "Wait until the namespace is gone, or clear the finalizers that keep it.",
        )
    if "exceeded quota" in message:
        return errors.DeniedError, message, "Raise the ResourceQuota, or ask for less."
    if "violates PodSecurity" in message:
        return (
            errors.DeniedError,
            message,
            "Correct the pod's securityContext, or the namespace's Pod Security level.",
        )
    return errors.DeniedError, message, "See what rights the verb needs: `isthmus permissions deploy`."


def _missing(refusal: Refusal) -> _Classified:
    details = refusal.status.get("details")
    kind = details.get("kind") if isinstance(details, dict) else None
    if kind == "namespaces":
        return (
            errors.DeniedError,
            f"namespace missing: {refusal.message}",
            "Create the namespace, or correct its name.",
        )
    return (
        errors.DeniedError,
        refusal.message,
        "Check that this cluster serves the kind and has the object named.",
    )


def _conflict(refusal: Refusal) -> _Classified:
    if refusal.status.get("reason") == "AlreadyExists":
        return (
            errors.ConflictError,
            refusal.message,
            "Somebody else created it: look at it, then run the command again.",
        )
    return errors.ConflictError, refusal.message, "Somebody else changed it: run the command again."


def _too_large(refusal: Refusal) -> _Classified:
    return (
        errors.DeniedError,
        f"the object is too large: {refusal.message}",
        "Make it smaller: etcd takes about 1.5 MB.",
    )


def _invalid(refusal: Refusal) -> _Classified:
    fields = "; ".join(f"{cause.get('field', '?')}: {cause.get('message', '')}" for cause in refusal.causes)
    return errors.DeniedError, _cut(fields) or refusal.message, "Correct these fields of the object."


def _overloaded(refusal: Refusal) -> _Classified:
    return (
        errors.UnreachableError,
        f"too many requests: {refusal.message}",
        "Wait until the API server is less busy.",
    )


def from_failure(
    failure: BaseException, *, where: str, what: str, server: str, seconds: float
) -> errors.IsthmusError:
    """Return the error for a request that got no answer."""
    if isinstance(failure, (httpx2.InvalidURL, httpx2.UnsupportedProtocol)):
        return errors.InputError(
            what,
            where=where,
            why=f"{server!r} is no address of an API server",
            remedy="Correct `server` in the kubeconfig.",
        )
    if isinstance(failure, (TimeoutError, httpx2.TimeoutException)):
        return errors.UnreachableError(
            what,
            where=where,
            why=f"{server} gave no answer in {seconds:g} s",
            remedy="Check that the API server runs and that a VPN or firewall lets you through.",
        )
    certificate = _cause(failure, ssl.SSLError)
    if certificate is not None:
        return errors.UnreachableError(
            what,
            where=where,
            why=f"TLS with {server} failed: {_tls_words(certificate)}",
            remedy="Check the certificate authority in the kubeconfig; a proxy may stand between.",
        )
    if isinstance(failure, httpx2.ProxyError):
        why, remedy = f"the proxy on the way to {server} refused", "Check proxy-url or HTTPS_PROXY."
    elif isinstance(failure, ValueError):
        why, remedy = (
            f"{server} did not answer as an API server does",
            "Check the address: something else seems to listen.",
        )
    else:
        why, remedy = (
            f"{server}: {_words(failure)}",
            "Check that the API server runs and that you can reach it.",
        )
    return errors.UnreachableError(what, where=where, why=why, remedy=remedy)


def from_broken(what: str, *, where: str, server: str) -> errors.IsthmusError:
    """Return the error for a conversation that ended before everything was said."""
    return errors.UnreachableError(
        what,
        where=where,
        why=f"{server} broke the connection off",
        remedy="Check the API server, and its way to the node (port 10250).",
    )


def is_certificate_trouble(failure: BaseException) -> bool:
    """Say whether TLS was refused for a reason that a repetition does not cure."""
    return _cause(failure, ssl.SSLCertVerificationError) is not None


def _cause(failure: BaseException, kind: type[BaseException]) -> BaseException | None:
    seen: BaseException | None = failure
    while seen is not None:
        if isinstance(seen, kind):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _tls_words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message or error.reason)
    return str(getattr(error, "reason", "") or type(error).__name__)


def _words(failure: BaseException) -> str:
    system = _cause(failure, OSError)
    if isinstance(system, OSError) and system.strerror:
        return system.strerror
    return str(failure) or type(failure).__name__

"""Reads helm's error output: which of our errors it is, in helm's own last words, without secrets.

Helm has one exit code for everything, so its text is all there is to go by.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from isthmus.clients.redactor import Redactor
from isthmus.model import errors

if TYPE_CHECKING:
    from isthmus.clients import process

_LINES = 12
_LONGEST = 2000  # characters

_UNAUTHENTICATED = re.compile(r"\bUnauthorized\b|provide credentials")
_UNREACHABLE = re.compile(
    r"cluster unreachable|connection refused|no such host|no route to host|i/o timeout|TLS handshake timeout"
    r"|context deadline exceeded \(Client\.Timeout|x509: |connection reset by peer|unexpected EOF"
    r"|etcdserver: (?:leader|request timed)"
)
_DENIED: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"database space exceeded"),
        "etcd is out of quota: compact, defragment and disarm its alarm, or raise the quota.",
    ),
    (re.compile(r"because it is being terminated"), "The namespace is terminating: wait until it is gone."),
    (re.compile(r'admission webhook "[^"]+" denied'), "Satisfy the admission webhook, or ask its owner."),
    (
        re.compile(r"failed calling webhook"),
        "The webhook does not answer: repair it or remove its configuration.",
    ),
    (re.compile(r"ValidatingAdmissionPolicy '"), "Satisfy that policy, or ask its owner."),
    (re.compile(r"exceeded quota"), "Raise the ResourceQuota, or ask for less."),
    (re.compile(r"is forbidden: "), "See what rights the verb needs: `isthmus permissions deploy`."),
)
_BUSY = re.compile(r"another operation \(install/upgrade/rollback\) is in progress")
_GONE = re.compile(r"release: not found")
_UNDELETED = re.compile(r'Failed to delete release(?:: |" error=)(?P<why>.+)')
"""The reason that helm 3 or 4 gives in its debug output alone; helm 4 quotes it."""


class NotFoundError(errors.ToolError):
    """The release is not there."""


def last(stderr: bytes, redactor: Redactor | None = None) -> str:
    """Return what helm said at last, from its `Error:` on."""
    text = (redactor or Redactor()).clean(stderr.decode(errors="replace")).strip()
    undeleted = _UNDELETED.search(text)
    if undeleted is not None:
        return undeleted["why"].strip('"').replace('\\"', '"')[:_LONGEST]
    _, mark, found = ("\n" + text).rpartition("\nError: ")
    lines = [line.strip() for line in (found if mark else text).splitlines() if line.strip()]
    return "\n".join(lines[:_LINES] if mark else lines[-_LINES:])[:_LONGEST]


def chart_error(stderr: bytes, *, where: str, redactor: Redactor | None = None) -> errors.InputError:
    """Return the error for a chart that cannot be packaged or rendered."""
    why = last(stderr, redactor)
    if "missing in charts/" in why:
        remedy = f"Vendor the chart's dependencies: `helm dependency build {where}`."
    elif "values don't meet the specifications" in why:
        remedy = "Correct the values: the chart's schema says what it takes."
    else:
        remedy = "Correct the chart or its values; `helm template --debug` shows more."
    return errors.InputError("helm cannot use the chart", where=where, why=why, remedy=remedy)


def release_error(
    verb: str, done: process.Completed, *, cluster: str, redactor: Redactor
) -> errors.IsthmusError:
    """Return the error for a run that was to change a cluster."""
    why = last(done.stderr, redactor) or (
        f"signal {-done.code}" if done.code < 0 else f"exit code {done.code}"
    )
    kind, remedy = _classify(why, verb)
    return kind(f"helm {verb} failed", where=cluster, why=why, remedy=remedy)


def _classify(why: str, verb: str) -> tuple[type[errors.IsthmusError], str]:
    if verb == "uninstall" and _GONE.search(why):
        return NotFoundError, "Nothing is left to do."
    if _UNAUTHENTICATED.search(why):
        return errors.UnauthenticatedError, "Log in again, or renew the credential of this context."
    for pattern, remedy in _DENIED:
        if pattern.search(why):
            return errors.DeniedError, remedy
    if _BUSY.search(why):
        return (
            errors.ConflictError,
            "Another helm is at work, or one died: see `helm history`, then `isthmus deploy resume`.",
        )
    if _UNREACHABLE.search(why):
        return errors.UnreachableError, "Check that the API server runs and that you can reach it."
    return errors.ToolError, "Correct what helm names; `helm history` shows where the release stands."

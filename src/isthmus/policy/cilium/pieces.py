"""What is wrong with the ports, types and L7 rules of one rule of a policy; see `lint.py`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.policy.cilium import names, said, sanitize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import finding
    from isthmus.policy import world
    from isthmus.policy.cilium import translate

Json = dict[str, Any]
WARNING, INFO = said.Severity.WARNING, said.Severity.INFO
MANY: Final = 1000
"""CIDRs of one rule from which they are called many: each is an identity, and an entry for each port."""
ESCAPES: Final = re.compile(r"(?<![\\\[])\.(?![*+?{])")
"""A dot that stands for any sign where one of a name is meant."""


def check(
    spec: translate.Spec, each: Json, path: str, settings: world.Settings, *, is_deny: bool
) -> Iterator[finding.Finding]:
    """Yield the findings on the parts of one rule."""
    for place, one in enumerate(each.get("toPorts") or ()):
        here, piece = f"{path}.toPorts[{place}]", one or {}
        if not piece.get("ports"):
            yield _opens_nothing(spec, here, "ports")
        for listed in piece.get("ports") or ():
            if str((listed or {}).get("protocol") or "").upper() in sanitize.NUMBERS:
                yield said.about(
                    spec.origin, "CIL-28", INFO,
                    f"{here}: {listed['protocol']} is known only where extended IP protocols are on",
                    remedy="set extendedIPProtocols in Cilium's values (enable-extended-ip-protocols)",
                )  # fmt: skip
        if not is_deny:
            yield from _level7(spec, piece, here, settings)
    for place, one in enumerate(each.get("icmps") or ()):
        if not (one or {}).get("fields"):
            yield _opens_nothing(spec, f"{path}.icmps[{place}]", "types")
    for one in each.get("toFQDNs") or ():
        yield from _pattern(spec, one or {}, f"{path}.toFQDNs", settings)
    yield from _many(spec, each, path)


def _opens_nothing(spec: translate.Spec, path: str, what: str) -> finding.Finding:
    return said.about(
        spec.origin, "CIL-29", WARNING, f"{path}: it lists no {what}, and so speaks of no connection",
        remedy=f"list {what}, or take the part away: without any, a rule speaks of all",
    )  # fmt: skip


def _level7(
    spec: translate.Spec, piece: Json, path: str, settings: world.Settings
) -> Iterator[finding.Finding]:
    rules = piece.get("rules") or {}
    for kind in ("http", "dns"):
        if rules.get(kind) == []:
            yield said.about(
                spec.origin, "CIL-26", WARNING,
                f"{path}.rules.{kind}: an empty list demands nothing: every request passes",
                remedy="list what may pass, or take the ports away",
            )  # fmt: skip
    if rules.get("kafka") or rules.get("l7proto"):
        yield said.about(
            spec.origin, "CIL-1", WARNING,
            f"{path}.rules: Cilium 1.20 drops these rules and leaves the ports open; they are not asked here",
            remedy="take them away before the upgrade, and demand it elsewhere",
        )  # fmt: skip
    for place, each in enumerate(rules.get("http") or ()):
        host = (each or {}).get("host") or ""
        if ESCAPES.search(host):
            yield said.about(
                spec.origin, "CIL-12", WARNING,
                f"{path}.rules.http[{place}].host: a dot of '{host}' stands for any sign",
                remedy=f"write {ESCAPES.sub(lambda _: '[.]', host)}",
            )  # fmt: skip
    for one in rules.get("dns") or ():
        yield from _pattern(spec, one or {}, f"{path}.rules.dns", settings)
    direction = "egress" if ".egress" in path else "ingress"
    told = (spec.data.get("enableDefaultDeny") or {}).get(direction)
    if told is False and (rules.get("http") or rules.get("dns") or piece.get("serverNames")):
        yield said.about(
            spec.origin, "CIL-15", WARNING,
            f"{path}: with enableDefaultDeny.{direction}: false the L7 rules filter only whom another policy "
            "isolates; before 1.18 DNS rules filtered all the same",
            remedy="leave default deny on where requests are to be filtered",
        )  # fmt: skip


def _pattern(
    spec: translate.Spec, each: Json, path: str, settings: world.Settings
) -> Iterator[finding.Finding]:
    pattern = each.get("matchPattern") or ""
    if "**" in pattern and settings.cilium < names.LEVELS:
        yield said.about(
            spec.origin, "CIL-11", WARNING,
            f"{path}: '{pattern}' spans several labels only since Cilium 1.19; here ** is as *",
            remedy="write a pattern for each number of labels",
        )  # fmt: skip


def _many(spec: translate.Spec, each: Json, path: str) -> Iterator[finding.Finding]:
    for side in ("from", "to"):
        sets = each.get(f"{side}CIDRSet") or ()
        count = (
            len(each.get(f"{side}CIDR") or ()) + len(sets) + sum(len(one.get("except") or ()) for one in sets)
        )
        if count > MANY:
            yield said.about(
                spec.origin, "CIL-24", WARNING,
                f"{path}: {count} CIDRs: each is an identity on every node and an entry for each port",
                remedy="join them into wider ones, or keep them in a CiliumCIDRGroup that policies share",
            )  # fmt: skip

"""Addresses that CIDRs, groups of CIDRs and DNS names of a policy stand for, as sets of `address.space`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.address import prefix, space
from isthmus.policy import labels
from isthmus.policy.cilium import names, selectors, shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from isthmus.policy import world

Json = dict[str, Any]
IPV4: Final = prefix.parse("0.0.0.0/0")
IPV6: Final = prefix.parse("::/0")
EVERY: Final = space.of([IPV4, IPV6])
GROUP_KIND: Final = "CiliumCIDRGroup"
OWN: Final = ("io.cilium.", "cilium.io/")
"""Labels that a group keeps for itself begin so (`RemoveCiliumLabels`, k8s/utils/utils.go)."""


class Group(NamedTuple):
    """A CiliumCIDRGroup: its labels and its addresses."""

    name: str
    labels: Mapping[str, str]
    addresses: space.Space


def groups(objects: Iterable[world.Object]) -> dict[str, Group]:
    """Return the groups of CIDRs among objects; a CIDR that is none is left out, as the agent does."""
    found: dict[str, Group] = {}
    for each in objects:
        if each.kind == GROUP_KIND and all(
            odd.is_unknown for odd in shape.check(each.data, shape.GROUP, shape.LAST)
        ):
            metadata = each.data.get("metadata") or {}
            written = metadata.get("labels") or {}
            kept = {str(key): str(value) for key, value in written.items() if not str(key).startswith(OWN)}
            listed = (each.data.get("spec") or {}).get("externalCIDRs") or ()
            found[each.name] = Group(each.name, kept, space.of(_good(listed)))
    return found


def of_cidrs(texts: Iterable[str]) -> space.Space:
    """Return the addresses of `toCIDR` or `fromCIDR`."""
    return space.of(prefix.parse(text) for text in texts)


def of_sets(sets: Iterable[Json], known: Mapping[str, Group]) -> space.Space:
    """Return the addresses of `toCIDRSet` or `fromCIDRSet`; a group that is not there has none."""
    found = space.Space()
    for each in sets:
        found |= _base(each, known) - space.of(prefix.parse(text) for text in each.get("except") or ())
    return found


def of_names(
    written: Iterable[Json], answers: Mapping[str, tuple[int, ...]], version: names.Version
) -> space.Space:
    """Return the addresses that DNS gave for the names that `toFQDNs` matches."""
    patterns = [each.get("matchName") or each.get("matchPattern") or "" for each in written]
    found = names.answered([each for each in patterns if each], answers, version)
    return space.of(prefix.Prefix(place, 1) for name in found for place in answers[name])


def _base(each: Json, known: Mapping[str, Group]) -> space.Space:
    if each.get("cidr"):
        return space.of([prefix.parse(each["cidr"])])
    if each.get("cidrGroupRef"):
        group = known.get(each["cidrGroupRef"])
        return group.addresses if group else space.Space()
    if each.get("cidrGroupSelector") is not None:
        return _chosen(selectors.read(each["cidrGroupSelector"]), known)
    return space.Space()


def _chosen(selector: labels.Selector, known: Mapping[str, Group]) -> space.Space:
    """Return what a selector over groups means: an address has the labels of all its groups.

    So a requirement that a label be absent, or of another value, is met by all the world beside those groups
    (`matchesEncodedRequirement`, pkg/policy/types/requirements.go), no requirement at all by all the world.
    """
    found = EVERY
    for each in selector.requirements:
        key = each.key.removeprefix("cidrgroup:")
        is_negative = each.operator in {labels.Operator.NOT_IN, labels.Operator.ABSENT}
        positive = labels.Operator.IN if each.values else labels.Operator.EXISTS
        wanted = labels.Requirement(key, positive, each.values)
        having = space.Space()
        for group in known.values():
            if wanted.matches(group.labels):
                having |= group.addresses
        found = found - having if is_negative else found & having
    return found


def is_cidr(text: object) -> bool:
    """Say whether a text is a CIDR: an address, a slash and a length."""
    try:
        prefix.parse(str(text))
    except ValueError:
        return False
    return "/" in str(text)


def _good(texts: Iterable[object]) -> Iterator[prefix.Prefix]:
    return (prefix.parse(str(text)) for text in texts if is_cidr(text))

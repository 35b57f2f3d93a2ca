"""Address ranges of policies to sets of addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.address import prefix, space
from isthmus.policy import rule, world

if TYPE_CHECKING:
    from isthmus.policy.kubernetes import notes


def cidr(told: notes.Notes, place: str, data: Any) -> prefix.Prefix:
    """Return the prefix of a text such as `10.0.0.0/8`; BrokenError when it is none."""
    if isinstance(data, str) and "/" in data:
        try:
            return prefix.parse(data)
        except ValueError:
            pass
    raise told.broken(place, f"'{str(data)[:60]}' is no range of addresses", "write one such as 10.0.0.0/8")


def block(told: notes.Notes, place: str, data: Any) -> space.Space:
    """Return the addresses of an `ipBlock`: its range without what it excepts."""
    found = told.mapping(place, data)
    told.only(place, found, ("cidr", "except"))
    whole = cidr(told, f"{place}.cidr", found.get("cidr"))
    holes = []
    for number, each in enumerate(told.items(f"{place}.except", found.get("except"))):
        hole = cidr(told, f"{place}.except[{number}]", each)
        if not prefix.contains(whole, hole) or hole == whole:
            where = f"{place}.except[{number}]"
            raise told.broken(where, f"{hole} is not strictly within {whole}", "except a part of the range")
        holes.append(hole)
    return space.of([whole]) - space.of(holes)


def peers(told: notes.Notes, addresses: space.Space) -> rule.Peers:
    """Return peers by address; whether pods and nodes are among them is the implementation's choice."""
    settings = told.settings
    if settings.enforcer is world.Enforcer.CILIUM:
        return rule.Peers(
            addresses=addresses,
            reaches_pods="pods" in settings.cidr_match,
            reaches_nodes="nodes" in settings.cidr_match,
        )
    return rule.Peers(addresses=addresses, reaches_pods=True, reaches_nodes=True)

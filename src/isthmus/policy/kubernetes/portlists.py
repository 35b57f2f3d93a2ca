"""Lists of ports of every kind of policy to what a rule wants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import ports

if TYPE_CHECKING:
    from isthmus.policy.kubernetes import notes

PROTOCOLS: Final = {each.value.upper(): each for each in ports.TRANSPORT}
NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
LONGEST: Final = 15


def network(told: notes.Notes, place: str, data: Any) -> ports.Wanted:
    """Return the ports of a rule of NetworkPolicy; none written means everything, ICMP included."""
    listed = told.items(place, data)
    if not listed:
        return ports.EVERY
    found = ports.Wanted()
    for position, each in enumerate(listed):
        here = f"{place}[{position}]"
        written = told.mapping(here, each)
        told.only(here, written, ("protocol", "port", "endPort"))
        found = both(found, _network(told, here, written))
    return found


def _network(told: notes.Notes, place: str, data: Any) -> ports.Wanted:
    protocol = transport(told, place, data.get("protocol"))
    port, end = data.get("port"), data.get("endPort")
    if end is not None and (not isinstance(port, int) or isinstance(port, bool)):
        raise told.broken(place, "endPort needs a number in `port`", "give the first port of the range")
    if port is None:
        return ports.Wanted(ports.whole(protocol))
    if isinstance(port, str):
        return ports.Wanted(names=frozenset({ports.Named(protocol, name(told, f"{place}.port", port))}))
    first = number(told, f"{place}.port", port)
    return ports.Wanted(span(told, place, protocol, (first, first if end is None else end)))


def admin(told: notes.Notes, place: str, data: Any) -> ports.Wanted:
    """Return the ports of a rule of the Admin kinds (v1alpha1); none written means everything."""
    if data is None:
        return ports.EVERY
    found = ports.Wanted()
    for position, each in enumerate(told.items(place, data)):
        here = f"{place}[{position}]"
        kind, value = one(told, here, each, ("portNumber", "portRange", "namedPort"))
        if kind == "namedPort":
            found = both(found, named(told, f"{here}.namedPort", value))
            continue
        value = told.mapping(f"{here}.{kind}", value)
        protocol = transport(told, f"{here}.{kind}", value.get("protocol"))
        if kind == "portNumber":
            edges = (value.get("port"), value.get("port"))
        else:
            edges = (value.get("start"), value.get("end"))
        found = both(found, ports.Wanted(span(told, f"{here}.{kind}", protocol, edges)))
    return found


def cluster(told: notes.Notes, place: str, data: Any) -> ports.Wanted:
    """Return the `protocols` of a rule of ClusterNetworkPolicy; none written means everything."""
    if data is None:
        return ports.EVERY
    found = ports.Wanted()
    for position, each in enumerate(told.items(place, data)):
        here = f"{place}[{position}]"
        kind, value = one(told, here, each, ("tcp", "udp", "sctp", "destinationNamedPort"))
        if kind == "destinationNamedPort":
            found = both(found, named(told, f"{here}.{kind}", value))
            continue
        protocol = ports.Protocol(kind)
        value = told.mapping(f"{here}.{kind}", value)
        told.only(f"{here}.{kind}", value, ("destinationPort",))
        if value.get("destinationPort") is None:
            found = both(found, ports.Wanted(ports.whole(protocol)))
            continue
        below = f"{here}.{kind}.destinationPort"
        form, port = one(told, below, value["destinationPort"], ("number", "range"))
        edges = (port, port)
        if form == "range":
            port = told.mapping(f"{below}.range", port)
            edges = (port.get("start"), port.get("end"))
        found = both(found, ports.Wanted(span(told, below, protocol, edges)))
    return found


def one(told: notes.Notes, place: str, data: Any, known: tuple[str, ...]) -> tuple[str, Any]:
    """Return the one field that is set; BrokenError when none, several or an unknown one is."""
    found = told.mapping(place, data)
    is_odd = told.only(place, found, known)
    chosen = [key for key in known if found.get(key) is not None]
    if is_odd or len(chosen) != 1:
        raise told.broken(place, f"{len(chosen)} fields are set", f"set one of: {', '.join(known)}")
    return chosen[0], found[chosen[0]]


def named(told: notes.Notes, place: str, data: Any) -> ports.Wanted:
    """Return a port by its name in the pod, whatever its protocol."""
    text = name(told, place, data)
    return ports.Wanted(names=frozenset(ports.Named(each, text) for each in ports.TRANSPORT))


def both(one: ports.Wanted, other: ports.Wanted) -> ports.Wanted:
    """Return what either wants."""
    return ports.Wanted(ports.union(one.numbers, other.numbers), one.names | other.names)


def transport(told: notes.Notes, place: str, data: Any) -> ports.Protocol:
    """Return a protocol, TCP where none is given; BrokenError for an unknown one."""
    if data is None:
        return ports.Protocol.TCP
    found = PROTOCOLS.get(data) if isinstance(data, str) else None
    if found is None:
        raise told.broken(place, f"'{data}' is no protocol", "use TCP, UDP or SCTP")
    return found


def number(told: notes.Notes, place: str, data: Any) -> int:
    """Return a port number; BrokenError for anything else."""
    if isinstance(data, bool) or not isinstance(data, int) or not 0 < data < ports.STRETCH:
        raise told.broken(place, f"{data!r} is no port", "give a number from 1 to 65535")
    return data


def span(told: notes.Notes, place: str, protocol: ports.Protocol, edges: tuple[Any, Any]) -> ports.Ports:
    """Return the ports from first to last; BrokenError when they are none or reversed."""
    first, last = (number(told, place, edge) for edge in edges)
    if last < first:
        raise told.broken(place, f"the range {first}-{last} ends before it begins", "swap the two")
    return ports.interval(protocol, first, last)


def name(told: notes.Notes, place: str, data: Any) -> str:
    """Return the name of a port; BrokenError when no port can have it."""
    if not isinstance(data, str) or len(data) > LONGEST or not NAME.fullmatch(data):
        raise told.broken(
            place,
            f"'{str(data)[:40]}' is no name of a port",
            "use the name of a container port, or its number",
        )
    return data

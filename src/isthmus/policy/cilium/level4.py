"""`toPorts` and `icmps` of a rule: each becomes ports, and what is demanded above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.address import space
from isthmus.policy import layer7, ports
from isthmus.policy.cilium import icmp, sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Json = dict[str, Any]
TRANSPORT: Final = {each.name: each for each in ports.TRANSPORT}


class Part(NamedTuple):
    """Ports of one part of a rule, its path within the rule, and what it demands above them."""

    place: str
    wanted: ports.Wanted
    narrowing: layer7.Narrowing | None = None


EVERY: Final = Part("", ports.EVERY)


def parts(each: Json) -> list[Part]:
    """Return what a rule says of ports; one part of every connection where it says nothing.

    A part that lists no port or type opens nothing, so a rule of such parts alone has none.
    """
    given = each.get("toPorts") or ()
    if not given and not each.get("icmps"):
        return [EVERY]
    authentication = (each.get("authentication") or {}).get("mode")
    found: list[Part] = []
    for place, rule in enumerate(given):
        narrowing = _narrowing(rule or {}, authentication)
        listed = _apart((rule or {}).get("ports") or ())
        found += [Part(f".toPorts[{place}]", wanted, narrowing) for wanted in listed]
    narrowing = layer7.Narrowing(authentication=authentication) if authentication else None
    for place, rule in enumerate(each.get("icmps") or ()):
        types = _types((rule or {}).get("fields") or ())
        if types.intervals:
            found.append(Part(f".icmps[{place}]", ports.Wanted(types), narrowing))
    return found


def whole(each: Json) -> layer7.Narrowing | None:
    """Return what a rule without ports demands: authentication, or nothing."""
    mode = (each.get("authentication") or {}).get("mode")
    return layer7.Narrowing(authentication=mode) if mode else None


def _apart(listed: Sequence[Json]) -> Iterator[ports.Wanted]:
    """Yield the ports so that no two entries of one set touch: each interval is one entry of the policy map.

    The DNS proxy knows an entry by its exact port, and L7 rules merge where entries are the same.
    """
    numbers: list[list[space.Interval]] = [[]]
    names: set[ports.Named] = set()
    for each in listed:
        named, intervals = _entry(each or {})
        names |= named
        for interval in intervals:
            group = next((one for one in numbers if not _touches(interval, one)), None)
            if group is None:
                numbers.append([interval])
            else:
                group.append(interval)
    for place, group in enumerate(numbers):
        wanted = ports.Wanted(space.merge(group), frozenset(names if place == 0 else ()))
        if wanted.numbers.intervals or wanted.names:
            yield wanted


def _touches(interval: space.Interval, group: Iterable[space.Interval]) -> bool:
    return any(
        interval[0] <= end and first <= interval[1] and interval != (first, end) for first, end in group
    )


def _entry(each: Json) -> tuple[set[ports.Named], list[space.Interval]]:
    protocol = str(each.get("protocol") or "ANY").upper()
    if protocol in sanitize.NUMBERS:
        number = sanitize.NUMBERS[protocol]
        return set(), list(ports.interval(ports.Protocol.OTHER, number, number).intervals)
    spoken = ports.TRANSPORT if protocol == "ANY" else (TRANSPORT[protocol],)
    text = str(each.get("port") or "")
    if sanitize.is_name(text):
        return {ports.Named(one, text.lower()) for one in spoken}, []
    first = sanitize.port_number(text) if text else 0
    last = max(first or 0, int(each.get("endPort") or 0))
    # Port 0 is every port, whatever the end says (`keysForRange`, pkg/policy/l4.go).
    bounds = (0, ports.STRETCH - 1) if not first else (first, min(last, ports.STRETCH - 1))
    return set(), [interval for one in spoken for interval in ports.interval(one, *bounds).intervals]


def _types(fields: Iterable[Json]) -> ports.Ports:
    found = ports.NONE
    for each in fields:
        protocol = icmp.FAMILIES[each.get("family") or ""]
        number = icmp.number(each.get("type"), protocol)
        if number is not None:
            # Type 0 is a port 0 to the policy map, which is every type (`keysForRange`, pkg/policy/l4.go).
            last = number or ports.STRETCH - 1
            found |= ports.interval(protocol, number, last)
    return found


def _narrowing(rule: Json, authentication: str | None) -> layer7.Narrowing | None:
    rules = rule.get("rules") or {}
    found = layer7.Narrowing(
        http=tuple(_http(each or {}) for each in rules.get("http") or ()),
        dns=tuple(name for each in rules.get("dns") or () for name in _names(each or {})),
        names=tuple(rule.get("serverNames") or ()),
        authentication=authentication,
        other=_other(rule, rules),
        terminates=rule.get("terminatingTLS") is not None,
    )
    return None if found == layer7.Narrowing() else found


def _names(each: Json) -> Iterator[str]:
    for key in ("matchName", "matchPattern"):
        if each.get(key):
            yield each[key]


def _other(rule: Json, rules: Json) -> str | None:
    if rule.get("listener"):
        return f"the listener {rule['listener'].get('name')}"
    if rules.get("kafka"):
        return "the Kafka parser"
    return f"the parser {rules['l7proto']}" if rules.get("l7proto") else None


def _http(each: Json) -> layer7.Http:
    values = [
        # With another action than failing, a mismatch changes the request and lets it pass; a secret's value
        # is not known here, so that the header's presence is all that can be asked.
        (match["name"], match.get("value") or None)
        for match in each.get("headerMatches") or ()
        if not match.get("mismatch")
    ]
    return layer7.Http(
        method=each.get("method") or None,
        path=each.get("path") or None,
        host=each.get("host") or None,
        headers=tuple(each.get("headers") or ()),
        values=tuple(values),
    )

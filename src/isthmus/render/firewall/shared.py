"""What the modules of all clouds have: lists of ranges, and variables for what no plan knows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from isthmus.render.firewall import hcl, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.network.needs import rules


class Opening(NamedTuple):
    """One resource to write: a rule for one list of ranges, an expression of Terraform."""

    name: str
    rule: rules.Rule
    ranges: hcl.Raw
    is_v6: bool
    variable: str = ""


@dataclasses.dataclass
class Lists:
    """Lists of ranges, each written once and named after whose they are."""

    cluster: str
    names: dict[tuple[str, ...], str] = dataclasses.field(default_factory=dict)

    def name(self, rule: rules.Rule, ranges: tuple[str, ...], suffix: str) -> hcl.Raw:
        """Return the expression for some ranges of a rule's senders."""
        found = self.names.get(ranges)
        if found is None:
            stem = f"{self._stem(rule)}{suffix}"
            found, number = stem, 1
            while found in self.names.values():
                number += 1
                found = f"{stem}_{number}"
            self.names[ranges] = found
        return hcl.Raw(f"local.{found}")

    def _stem(self, rule: rules.Rule) -> str:
        places = dict.fromkeys(words.slug(end.place.value) for end in rule.sources if end.ranges)
        owners = {end.cluster for end in rule.sources if end.ranges}
        whose = "own" if owners == {self.cluster} else "all" if self.cluster in owners else "other"
        return "_".join((("outside" if owners == {None} else whose), *places))

    def block(self) -> Iterator[hcl.Block]:
        """Yield the block with all lists, none when there are none."""
        if self.names:
            yield hcl.Block("locals", (), [(name, ranges) for ranges, name in self.names.items()])


def openings(chosen: Sequence[rules.Rule], lists: Lists) -> Iterator[Opening]:
    """Yield the resources of some rules: one for each family, one for each place without a known range."""
    for rule in chosen:
        name = identifier(rule.entry.name)
        for is_v6 in (False, True):
            ranges = rule.ranges(is_v6=is_v6)
            if ranges:
                suffix = "_ipv6" if is_v6 else ""
                yield Opening(f"{name}{suffix}", rule, lists.name(rule, ranges, suffix), is_v6)
        for place in map(words.slug, rule.unknown):
            variable = f"{place}_ranges"
            suffix = f"_from_{place}"
            yield Opening(
                f"{name}{suffix}", rule, hcl.Raw(f"var.{variable}"), rule.entry.protocol == "icmpv6", variable
            )


def variables(made: Sequence[Opening], purpose: str) -> list[hcl.Block]:
    """Return the variables for what no plan knows; empty, they open nothing."""
    names = dict.fromkeys(each.variable for each in made if each.variable)
    return [
        variable(
            name,
            f"{name.removesuffix('_ranges').replace('_', ' ')}: ranges {purpose}",
            hcl.Raw("[]"),
            kind="list(string)",
        )
        for name in names
    ]


def variable(
    name: str, description: str, default: hcl.Value | None = None, *, kind: str = "string"
) -> hcl.Block:
    """Return a variable, one that must be given where it has no default."""
    attributes: list[hcl.Attribute] = [("type", hcl.Raw(kind)), ("description", description)]
    if default is not None:
        attributes.append(("default", default))
    return hcl.Block("variable", (name,), attributes)


def required(provider: str, source: str) -> hcl.Block:
    """Return the block that names the provider."""
    inner = hcl.Block("required_providers", (), [(provider, hcl.Raw(f'{{ source = "{source}" }}'))])
    return hcl.Block("terraform", (), (), [inner])


def identifier(text: str) -> str:
    """Return a name as Terraform takes it, a letter first."""
    word = words.slug(text)
    return word if word[:1].isalpha() else f"r_{word}"


def bounds(port: str) -> tuple[int, int]:
    """Return the first and the last number of a port, or type and code of ICMP."""
    first, _, last = port.replace("/", "-").partition("-")
    return int(first), int(last or first)

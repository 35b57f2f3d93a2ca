"""One policy while it is read: where it comes from and what is found wrong with it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from isthmus.model import finding
from isthmus.policy import rule, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")


class BrokenError(Exception):
    """A part that cannot be read: it was told, and the caller decides what fails closed."""


@dataclasses.dataclass(slots=True)
class Notes:
    """The origin of rules, the settings of the cluster, and findings so far."""

    origin: rule.Origin
    settings: world.Settings
    findings: list[finding.Finding]
    kept: dict[tuple[str, str], Any] = dataclasses.field(default_factory=dict)
    """What parts of policies mean, by their kind and text; many policies are written alike."""

    def once(self, kind: str, data: Any, read: Callable[[], T]) -> T:
        """Return what a part means, read once for all policies unless something is wrong with it."""
        key = (kind, repr(data))
        found: T | None = self.kept.get(key)
        if found is None:
            before = len(self.findings)
            found = read()
            if len(self.findings) == before:
                self.kept[key] = found
        return found

    def broken(self, place: str, message: str, remedy: str) -> BrokenError:
        """Tell of an error and return what to raise."""
        self.tell("policy-value", f"{place}: {message}", remedy)
        return BrokenError(place)

    def tell(
        self,
        code: str,
        message: str,
        remedy: str,
        severity: finding.Severity = finding.Severity.ERROR,
    ) -> None:
        """Add a finding about this policy."""
        self.findings.append(self.origin.told(code, severity, message, remedy=remedy))

    def only(self, place: str, data: Mapping[str, Any], known: Iterable[str]) -> bool:
        """Tell of fields that the kind does not have: an API server drops them; say whether there are any."""
        if data.keys() <= set(known):
            return False
        unknown = [str(key) for key in data if key not in known]
        for key in unknown:
            message = f"{place}.{key}: there is no such field, and the API server drops it"
            self.tell("policy-field", message, f"use one of: {', '.join(sorted(known))}")
        return bool(unknown)

    def mapping(self, place: str, data: Any) -> Mapping[str, Any]:
        """Return a mapping, empty for none; BrokenError for anything else."""
        if data is None:
            return {}
        if not isinstance(data, dict):
            raise self.broken(place, "this is no mapping", "write `key: value` lines below it")
        return data

    def items(self, place: str, data: Any) -> list[Any]:
        """Return a list, empty for none; BrokenError for anything else."""
        if data is None:
            return []
        if not isinstance(data, list):
            raise self.broken(place, "this is no list", "begin each part with `- `")
        return data


def of(
    each: world.Object,
    settings: world.Settings,
    findings: list[finding.Finding],
    kept: dict[tuple[str, str], Any],
) -> Notes:
    """Return the notes of one object."""
    namespace = (each.namespace or "default") if each.kind == "NetworkPolicy" else None
    origin = rule.Origin(each.kind, namespace, each.name, settings.cluster, each.file, each.line)
    return Notes(origin, settings, findings, kept)

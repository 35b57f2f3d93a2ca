"""Reads parts of objects that may have any shape: what is of another shape counts as absent, and is told."""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import TYPE_CHECKING, Any

from isthmus.address import prefix
from isthmus.model import finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.policy import world

DEFAULT_NAMESPACE = "default"
"""Where a namespaced object is that names no namespace, unless a kubeconfig says otherwise."""


@dataclasses.dataclass(slots=True)
class Reader:
    """One object with what is found wrong with it."""

    object: world.Object
    cluster: str
    findings: list[finding.Finding]

    def mapping(self, parent: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
        """Return the mapping at a path; empty where there is none."""
        found: Any = parent
        for key in path:
            found = found.get(key)
            if found is None:
                return {}
            if not isinstance(found, dict):
                self.tell(f"`{key}` is no mapping but {_what(found)}", "write `key: value` lines below it")
                return {}
        return found  # type: ignore[no-any-return]  # a dict by the check above

    def items(self, parent: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        """Return the mappings of a list; empty where there is none."""
        found = parent.get(key)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self.tell(f"`{key}` is no list of mappings but {_what(found)}", "begin each part with `- `")
            return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        return found

    def labels(self, parent: Mapping[str, Any], key: str = "labels") -> dict[str, str]:
        """Return the texts of a mapping of texts."""
        found = self.mapping(parent, key)
        for name, value in found.items():
            if not isinstance(value, str):
                self.tell(f"{key}: the value of '{name}' is {_what(value)}", "put it in quotes")
                return {name: value for name, value in found.items() if isinstance(value, str)}
        return dict(found)

    def text(self, parent: Mapping[str, Any], key: str) -> str | None:
        """Return a text; None where there is none."""
        found = parent.get(key)
        if found is None or isinstance(found, str):
            return found or None
        self.tell(f"`{key}` is no text but {_what(found)}", "put it in quotes")
        return None

    def addresses(self, values: list[Any]) -> tuple[int, ...]:
        """Return addresses as integers on the line of `address.prefix`, each once."""
        found: dict[int, None] = {}
        for value in values:
            try:
                found[place(str(value))] = None
            except ValueError:
                self.tell(f"'{str(value)[:60]}' is no IP address", "write one such as 10.0.0.1")
        return tuple(found)

    def tell(
        self,
        message: str,
        remedy: str,
        code: str = "manifest-shape",
        severity: finding.Severity = finding.Severity.ERROR,
    ) -> None:
        """Add a finding about this object."""
        self.findings.append(
            finding.Finding(
                code=code,
                severity=severity,
                message=message,
                remedy=remedy,
                kind=self.object.kind or None,
                namespace=self.object.namespace,
                name=self.object.name or None,
                cluster=self.cluster,
                file=self.object.file,
                line=self.object.line,
            )
        )


def place(text: str) -> int:
    """Return an address as an integer on the line of `address.prefix`; ValueError when it is none."""
    found = ipaddress.ip_address(text)
    return int(found) + (prefix.V6 if found.version == 6 else 0)


def _what(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", type(None): "empty"}
    return names.get(type(value), "a number")

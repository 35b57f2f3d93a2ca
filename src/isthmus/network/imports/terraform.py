"""Resources of Terraform's state and of `terraform show -json`; what they mean is in one module a cloud.

A state holds secrets, so no value is ever shown but those of fields that a Fleet has.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.network.imports import amazon, azure, google, objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.network import imported

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Resource:
    """A resource or data source as it was last seen."""

    type: str
    address: str
    values: Json = dataclasses.field(repr=False)
    file: str = ""

    def text(self, field: str) -> str:
        """Return a text field; empty where it is none."""
        value = self.values.get(field)
        return value if isinstance(value, str) else ""

    def block(self, field: str) -> Json:
        """Return a nested block, which a state keeps as a list of one."""
        value = self.values.get(field)
        first = value[0] if isinstance(value, list) and value else value
        return objects.mapping(first)

    @property
    def source(self) -> str:
        """Where a value was read, as findings name it."""
        return f"{self.address} in {self.file}"


def is_state(data: object) -> bool:
    """Say whether this is a state, a shown state or a shown plan, of any version."""
    keys = ({"version", "resources"}, {"version", "modules"}, {"format_version"})
    return isinstance(data, dict) and any(each <= data.keys() for each in keys)


def resources(data: Json, file: str) -> list[Resource] | None:
    """Return all resources; None for a version that is not read."""
    if "format_version" in data:
        root = objects.dig(data, "values", "root_module") or objects.dig(
            data, "planned_values", "root_module"
        )
        return None if root is None else list(_shown(root, file))
    return list(_kept(data, file)) if data.get("version") == 4 else None  # since Terraform 0.12


def read(found: list[Resource]) -> list[imported.Live]:
    """Return the clusters among some resources."""
    return [*google.read(found), *amazon.read(found), *azure.read(found)]


def _kept(data: Json, file: str) -> Iterator[Resource]:
    for each in objects.items(data.get("resources")):
        kind, name = str(objects.dig(each, "type")), str(objects.dig(each, "name"))
        above = objects.dig(each, "module")
        address = ".".join(part for part in (above, kind, name) if isinstance(part, str))
        for instance in objects.items(objects.dig(each, "instances")):
            yield Resource(kind, address, objects.mapping(objects.dig(instance, "attributes")), file)


def _shown(module: object, file: str, depth: int = 0) -> Iterator[Resource]:
    for each in objects.items(objects.dig(module, "resources")):
        address = str(objects.dig(each, "address"))
        yield Resource(
            str(objects.dig(each, "type")), address, objects.mapping(objects.dig(each, "values")), file
        )
    if depth < 60:  # modules of modules
        for child in objects.items(objects.dig(module, "child_modules")):
            yield from _shown(child, file, depth + 1)

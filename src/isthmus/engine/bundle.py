"""What an operation pins in each cluster: chart archive and that cluster's values (skeleton)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.engine import voters as voting
    from isthmus.engine.voters import Json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    archive: bytes = dataclasses.field(repr=False)
    values: Json = dataclasses.field(repr=False)
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest(self.archive, self.values)


def digest(archive: bytes, values: Json) -> str:
    """Return the sha256 in hex over the archive and the canonical values."""
    raise NotImplementedError


async def store(cluster: voting.Api, bundle: Bundle, key: str) -> str:
    """Return the digest once all of it is in the cluster."""
    raise NotImplementedError


async def load(cluster: voting.Api, digest: str) -> Bundle:
    """Return the bundle, verified."""
    raise NotImplementedError


async def delete(cluster: voting.Api, digest: str) -> bool:
    raise NotImplementedError

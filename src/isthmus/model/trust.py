"""Who signs, as the Fleet states it: an authority whose key is at hand, or one that never gives it away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pydantic
from pydantic import json_schema

from isthmus.model import types

if TYPE_CHECKING:
    from collections.abc import Sequence

_WAYS = ("path", "intermediates", "leaves", "issuer")


class Issuer(types.Value):
    """An issuer of cert-manager, of the same name in every cluster; all of them sign below one `root`."""

    name: types.Text
    kind: Literal["ClusterIssuer", "Issuer"] = "ClusterIssuer"
    group: types.Text = "cert-manager.io"
    root: types.Text
    """A file with the certificate of the root, without its key: what is issued is held to it."""


class Source(types.Value):
    """Who signs for one hierarchy, in one of four ways.

    A text is `path`: a folder with `ca.crt` and `ca.key`, or one file with both. `intermediates` (Istio) and
    `leaves` (Apps) are folders of requests and of what somebody signed elsewhere; `issuer` is cert-manager's.
    """

    path: types.Text | None = None
    intermediates: types.Text | None = None
    leaves: types.Text | None = None
    issuer: Issuer | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> Source:
        if sum(getattr(self, each) is not None for each in _WAYS) != 1:
            raise ValueError(
                "it has one signer; write a path alone, or one of `intermediates`, `leaves`, `issuer`"
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> json_schema.JsonSchemaValue:
        """Describe it as it is written: a path alone, or one of the ways."""
        body = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"type": "string", "minLength": 1}, body]}

    @property
    def folder(self) -> str | None:
        """The folder of requests and of what was signed, in the ways that have one."""
        return self.intermediates or self.leaves


def refuse(name: str, stated: Source | None, wrong: Sequence[str]) -> None:
    """Raise ValueError where a hierarchy names a way that is not its own."""
    for each in wrong:
        if stated is not None and getattr(stated, each) is not None:
            raise ValueError(
                f"`{each}` is no way of `trust.{name}`; requests are signed elsewhere for Istio "
                "(`intermediates`) and for Apps (`leaves`)"
            )

"""Where a Helm chart comes from: an App's own, and the one that brings the network.

Charts in OCI registries are refused until something implements them (`later.py`); nothing is fetched here.
"""

from __future__ import annotations

import pydantic
import pydantic_core

from isthmus.model import later, types


class Chart(types.Value):
    """A chart on disk (`path`, relative to the folder) or in a repository (`repo`, `name`, `version`)."""

    path: types.Text | None = None
    repo: types.Text | None = None
    name: types.Text | None = None
    version: types.Text | None = None

    @pydantic.model_validator(mode="after")
    def _one_place(self) -> Chart:
        if "oci://" in (self.path or "") + (self.repo or ""):
            raise pydantic_core.PydanticCustomError(
                "later", "{what}", {"what": later.message("oci://", later.OCI)}
            )
        remote = (self.repo, self.name, self.version)
        if self.path is None and None in remote:
            raise ValueError("a chart has one place; write `path`, or `repo`, `name` and `version` together")
        if self.path is not None and remote != (None, None, None):
            raise ValueError("a chart has one place; write either `path` or `repo`, `name` and `version`")
        return self

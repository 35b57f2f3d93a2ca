"""How clusters are brought along: waves, gates between them, what a failure leads to, who may be absent.

The same for an App and for the network below it. Gates that nothing implements are refused (`later.py`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Literal

import pydantic
import pydantic_core
from pydantic import json_schema

from isthmus.model import later, types

_WORDS: Final = ("ready", "approve", "mesh")
"""Gates that are written as a word alone."""


class Membership(StrEnum):
    """How much the whole depends on a cluster.

    The App is whole when all required clusters are; an optional one may fail; a catch-up one may be
    absent and is levelled later.
    """

    REQUIRED = "required"
    OPTIONAL = "optional"
    CATCH_UP = "catch-up"


class OnFailure(StrEnum):
    """What a failed gate or cluster leads to."""

    ROLLBACK_ALL = "rollback-all"
    ROLLBACK_FAILED = "rollback-failed"
    HOLD = "hold"


class Gate(types.Value):
    """A condition that holds before the next wave, and after the last.

    Written `ready`, `{bake: 2m}`, `approve` or, for the network alone, `mesh`: every agent reads the other
    clusters that are through. `bake` is in seconds and zero for the others.
    """

    name: Literal["ready", "bake", "approve", "mesh"]
    bake: types.Duration = 0.0

    @pydantic.model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        if value in _WORDS:
            return {"name": value}
        if isinstance(value, dict) and set(value) == {"bake"}:
            return {"name": "bake", "bake": value["bake"]}
        if info.context != types.WRITTEN:
            return value
        name = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else value
        purpose = later.FIELDS["Gate"].get(name) if isinstance(name, str) else None
        if purpose is not None:
            what = {"what": later.message(f"gate {name}", purpose)}
            raise pydantic_core.PydanticCustomError("later", "{what}", what)
        raise ValueError("no such gate; write `ready`, `{bake: 2m}`, `approve` or, for the network, `mesh`")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> json_schema.JsonSchemaValue:
        """Describe a gate as it is written."""
        bake = {
            "type": "object",
            "properties": {"bake": {"type": "string", "pattern": f"^{types.DURATION.pattern}$"}},
            "required": ["bake"],
            "additionalProperties": False,
        }
        return {"description": cls.__doc__, "oneOf": [{"enum": list(_WORDS)}, bake]}

    def __str__(self) -> str:
        return f"bake {types.duration_text(self.bake)}" if self.name == "bake" else self.name


READY = Gate(name="ready")
MESH = Gate(name="mesh")


class Rollout(types.Value):
    """Clusters that go together, what holds between waves, and what a failure leads to."""

    waves: tuple[tuple[types.ClusterName, ...], ...] = ()
    gates: tuple[Gate, ...] = (READY,)
    on_failure: OnFailure = OnFailure.ROLLBACK_ALL
    timeout: types.Duration = 600.0

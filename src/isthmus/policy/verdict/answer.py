"""The answer to a question: the verdict, and of every layer that was asked what it says and why."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.policy import rule


class Word(StrEnum):
    """A verdict; `ask` where an external provider decides, which no manifest knows."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """What one layer says of one hop on one side.

    `because` are the objects that decided, or that isolate where nothing allows; `why` is the sentence for
    people and `change` what would turn the verdict.
    """

    layer: str
    verdict: Word
    because: tuple[rule.Origin, ...]
    why: str
    side: str | None = None
    hop: str | None = None
    change: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the public JSON form."""
        return {
            "layer": self.layer,
            "verdict": self.verdict.value,
            "because": [
                {"kind": each.kind, "namespace": each.namespace, "name": each.name, "cluster": each.cluster}
                for each in self.because
            ],
            "side": self.side,
            "hop": self.hop,
            "why": self.why,
            "change": self.change,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The verdict of all layers together: one deny denies; notes say what was assumed."""

    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Word:
        """Deny where any layer denies, else allow; a provider that is asked is taken to say yes."""
        words = {each.verdict for each in self.layers}
        return Word.DENY if Word.DENY in words else Word.ALLOW

    def to_json(self) -> dict[str, Any]:
        """Return the public JSON form."""
        layers = [each.to_json() for each in self.layers]
        return {"verdict": self.verdict.value, "layers": layers, "notes": list(self.notes)}

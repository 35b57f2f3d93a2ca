"""Teams and the parts of a plan that they own, with the keys that they sign with."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import pydantic

from isthmus.model import types


class Part(StrEnum):
    """A part of the plan that somebody agrees to; `teams` is owned by all teams, whoever lists it."""

    ADDRESSING = "addressing"
    DATAPATH = "datapath"
    FIREWALL = "firewall"
    MESH = "mesh"
    QUOTAS = "quotas"
    CLUSTERS = "clusters"
    TEAMS = "teams"


class Team(types.Value):
    """Who must agree to which parts, and the public keys (as in authorized_keys) that say so."""

    name: types.Label
    owns: Annotated[tuple[Part, ...], pydantic.Field(min_length=1)]
    keys: tuple[types.PublicKey, ...] = ()

"""Cluster and user of a kubeconfig with the fields that lightkube drops in silence.

Only `kubeconfig` and `connection` import this module, and late: it brings all of lightkube.
"""

from __future__ import annotations

import msgspec
from lightkube.config import models


class Exec(models.UserExec, omit_defaults=True):
    """A credential plugin."""

    interactive_mode: str | None = msgspec.field(name="interactiveMode", default=None)
    with_cluster: bool = msgspec.field(name="provideClusterInfo", default=False)


class User(models.User, omit_defaults=True):
    """A user; the credentials stay out of repr."""

    exec: Exec | None = None

    def __repr__(self) -> str:
        return "User(...)"


class Cluster(models.Cluster, omit_defaults=True):
    """A cluster, reached through a proxy or under another TLS name if the file says so."""

    server_name: str | None = msgspec.field(name="tls-server-name", default=None)
    proxy: str | None = msgspec.field(name="proxy-url", default=None)

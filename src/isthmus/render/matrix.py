"""Targets of the firewall matrix: what `render/firewall` makes, for the clusters that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import errors
from isthmus.render.firewall import terraform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isthmus.model import folder
    from isthmus.network.needs import firewall
    from isthmus.render.files import request


def of(
    make: Callable[[Sequence[firewall.Row], folder.Folder], dict[str, str]],
) -> Callable[[request.Request], request.Files]:
    """Return the files of a target from what makes them of rows."""

    def files(wish: request.Request) -> request.Files:
        return make(wish.rows, wish.folder)

    return files


def modules(wish: request.Request) -> request.Files:
    """Return the Terraform modules of the clusters to render."""
    made = terraform.module_files(wish.rows, wish.folder)
    kept = {name: text for name, text in made.items() if name.partition("/")[0] in wish.only}
    if not kept:
        clouds = ", ".join(provider.value for provider in terraform.CLOUDS)
        raise errors.InputError(
            "no cluster to render is in a cloud with security rules",
            why="`provider` is missing, or its firewall is your own: `plan render nftables`",
            remedy=f"write `provider` in the cluster, one of: {clouds}",
        )
    return kept

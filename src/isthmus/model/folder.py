"""The folder: every document a user wrote, as one value, or all that is wrong with it.

Parsing is pure: files come in as (name, text) and nothing is opened here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.model import access, app, errors, finding, fleet, source

if TYPE_CHECKING:
    from collections.abc import Sequence

Path = tuple[str | int, ...]
Document = fleet.Fleet | app.App | access.Access


@dataclasses.dataclass(frozen=True)
class Folder:
    """One Fleet, its Apps and its Accesses, with where each was written."""

    fleet: fleet.Fleet
    apps: tuple[app.App, ...] = ()
    accesses: tuple[access.Access, ...] = ()
    origins: tuple[source.Document, ...] = dataclasses.field(default=(), repr=False, compare=False)

    def app(self, name: str | None = None) -> app.App:
        """Return the App of that name, or the only one when no name is given."""
        if name is None and len(self.apps) == 1:
            return self.apps[0]
        names = [each.name for each in self.apps]
        if not names:
            raise errors.InputError("the folder has no App", remedy="add a document of kind App")
        if name is None:
            remedy = f"name one of: {', '.join(sorted(names))}"
            raise errors.InputError("the folder has several Apps", remedy=remedy)
        for each in self.apps:
            if each.name == name:
                return each
        remedy = f"use one of: {fleet.near(name, names)}"
        raise errors.InputError(f"no App '{name}' in the folder", remedy=remedy)

    def where(self, document: Document, path: Path = ()) -> tuple[str | None, int | None]:
        """Return file and line of a path, `("spec", "clusters", 0, "pods")`, or of its nearest parent."""
        for value, origin in zip((self.fleet, *self.apps, *self.accesses), self.origins, strict=False):
            if value is document:
                return origin.file, origin.line(path)
        return None, None


@dataclasses.dataclass(frozen=True)
class Parsed:
    """A folder, or None when an error finding says why not."""

    folder: Folder | None
    findings: tuple[finding.Finding, ...] = ()


def parse(files: Sequence[tuple[str, str]], told: Sequence[finding.Finding] = ()) -> Parsed:
    """Read every document of the files; all problems at once, none raised.

    `told` is what is known already of files that could not be read.
    """
    from isthmus.model import check  # noqa: PLC0415  # the checks need the types above

    return check.parse(files, told)

"""Places of findings in a Fleet: builds them with the file and line of what the user wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import finding

if TYPE_CHECKING:
    from isthmus.model import fleet, folder

Path = tuple[str | int, ...]


class Places:
    """Makes findings about paths of one Fleet."""

    def __init__(self, source: folder.Folder) -> None:
        self._source = source
        self._index = {each.name: index for index, each in enumerate(source.fleet.clusters)}

    def finding(
        self,
        path: Path,
        *,
        code: str,
        message: str,
        remedy: str,
        severity: finding.Severity = finding.Severity.ERROR,
        cluster: str | None = None,
    ) -> finding.Finding:
        """Return a finding about a path below the Fleet."""
        file, line = self._source.where(self._source.fleet, path)
        return finding.Finding(
            code=code,
            severity=severity,
            kind="Fleet",
            name=self._source.fleet.name,
            cluster=cluster,
            file=file,
            line=line,
            message=message,
            remedy=remedy,
        )

    def of(self, cluster: fleet.Cluster, field: str) -> Path:
        """Return the path of a field of a cluster."""
        return ("spec", "clusters", self._index[cluster.name], field)

    def line(self, path: Path) -> str:
        """Return `file:line` of a path, for a second place in a message."""
        file, line = self._source.where(self._source.fleet, path)
        return f"{file}:{line}" if file else "the Fleet"

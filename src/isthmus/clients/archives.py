"""Chart archives whose bytes depend on their content alone, so that one chart has one digest.

`helm package` stamps the time of packaging into the archive. Nothing here knows what a chart means.
"""

from __future__ import annotations

import gzip
import io
import tarfile

from isthmus.model import errors


def settled(archive: bytes) -> bytes:
    """Return the archive with sorted members and neither times nor owners."""
    out = io.BytesIO()
    try:
        with (
            tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as before,
            gzip.GzipFile(fileobj=out, mode="wb", mtime=0, filename="") as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as after,
        ):
            for member in sorted((item for item in before if item.isfile()), key=lambda item: item.name):
                plain = tarfile.TarInfo(member.name)
                plain.size, plain.mode = member.size, 0o644
                after.addfile(plain, before.extractfile(member))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise errors.InputError(
            "not a chart archive", why=str(error), remedy="Package the chart again."
        ) from error
    return out.getvalue()

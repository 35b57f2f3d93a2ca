"""A client for one lab API server, just enough to bring it up: create, read, and ask whether it is ready.

It blocks, it knows no kinds and it retries nothing; everything beyond the start of a lab goes through
`clients`.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any

from isthmus.lab import ports
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT = 10.0  # seconds for one answer


class Api:
    """One API server as the owner of one client certificate."""

    def __init__(
        self,
        cluster: str,
        *,
        port: int,
        pki: Path,
        user: str,
        host: str = ports.HOST,
        seconds: float = _TIMEOUT,
    ) -> None:
        self._cluster = cluster
        self._host = host
        self._port = port
        self._seconds = seconds
        self._tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._tls.load_cert_chain(pki / f"{user}.crt", pki / f"{user}.key")

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Return status and body of one request; status 0 when nobody answers."""
        line = http.client.HTTPSConnection(self._host, self._port, timeout=self._seconds, context=self._tls)
        try:
            line.request(
                method,
                path,
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
            answer = line.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error).encode()
        finally:
            line.close()

    def is_ready(self) -> bool:
        """Say whether the API server calls itself ready."""
        status, _ = self.ask("GET", "/readyz")
        return status == http.HTTPStatus.OK

    def get(self, path: str) -> Any:
        """Return the object or list at `path`, or None when it does not exist or nobody answers."""
        status, body = self.ask("GET", path)
        return json.loads(body) if status == http.HTTPStatus.OK else None

    def create(self, collection: str, obj: dict[str, Any]) -> None:
        """Create an object; one that exists already stays as it is."""
        status, body = self.ask("POST", collection, obj)
        path = f"{collection}/{obj['metadata'].get('name')}"
        if status in {http.HTTPStatus.OK, http.HTTPStatus.CREATED, http.HTTPStatus.CONFLICT}:
            return
        # A Service with an address of its own is not called a conflict: its address is taken, by itself.
        if self.get(path) is None:
            raise errors.ToolError(
                f"the API server refused {path}",
                where=self._cluster,
                why=_message(body),
                remedy="this is a defect of the lab: report it with the log of kube-apiserver",
            )

    def delete(self, path: str) -> None:
        """Ask for an object to be deleted, and do not wait."""
        self.ask("DELETE", path)


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]

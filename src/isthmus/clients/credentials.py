"""Who we are to an API server: token, token file, basic, or a credential plugin.

Lightkube refuses plugins of apiVersion v1, never looks at their expiry and lets their failures escape as
tracebacks, so this part is ours. Client certificates are in `tls`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from isthmus.clients import files, process
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from lightkube.config import models
    from lightkube.config.kubeconfig import SingleConfig

_VERSIONS = ("v1", "v1beta1", "v1alpha1")
_PLUGIN_SECONDS = 60.0  # a plugin may go through a cloud's login
_EARLY = dt.timedelta(seconds=30)  # renew before the server notices


def auth(config: SingleConfig) -> httpx2.Auth | None:
    """Return what signs the requests of this user, or None for a certificate or nobody."""
    user = config.user
    if user is None:
        return None
    if user.token_file:
        return _TokenFile(Path(config.abs_file(user.token_file)))
    if user.token:
        return _Token(user.token)
    if user.exec:
        return _Plugin(config, user.exec)
    if user.username and user.password:
        return httpx2.BasicAuth(user.username, user.password)
    return None


class _Token(httpx2.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        _sign(request, self._token)
        yield request


class _TokenFile(httpx2.Auth):
    """Reads the file for each request, because the kubelet replaces it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        _sign(request, files.read_text(self._path).strip())
        yield request


@dataclasses.dataclass(frozen=True)
class _Credential:
    token: str = dataclasses.field(repr=False)
    expires: dt.datetime | None

    def is_fresh(self) -> bool:
        return self.expires is None or dt.datetime.now(dt.UTC) + _EARLY < self.expires


class _Plugin(httpx2.Auth):
    """Runs the plugin once for all requests, again shortly before expiry, and once more on a 401."""

    def __init__(self, config: SingleConfig, plugin: models.UserExec) -> None:
        version = plugin.apiVersion.rpartition("/")[2]
        if version not in _VERSIONS:
            raise errors.InputError(
                f"context {config.context_name!r} has a credential plugin of version {plugin.apiVersion!r}",
                why=f"known are {', '.join(_VERSIONS)} of client.authentication.k8s.io",
                remedy="Correct apiVersion of the exec entry in the kubeconfig.",
            )
        self._config = config
        self._plugin = plugin
        self._credential: _Credential | None = None
        self._one_at_a_time = asyncio.Lock()

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        used = await self._fresh(None)
        _sign(request, used.token)
        response = yield request
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            _sign(request, (await self._fresh(used)).token)
            yield request

    async def _fresh(self, refused: _Credential | None) -> _Credential:
        async with self._one_at_a_time:
            known = self._credential
            if known is None or known is refused or not known.is_fresh():
                known = self._credential = await self._run()
            return known

    async def _run(self) -> _Credential:
        plugin = self._plugin
        env = {**os.environ, **{var.name: var.value for var in plugin.env or ()}}
        env["KUBERNETES_EXEC_INFO"] = json.dumps(self._request())
        try:
            done = await process.run(
                [plugin.command, *(plugin.args or ())], env=env, deadline=_PLUGIN_SECONDS
            )
        except errors.ToolError as error:
            raise self._failed(str(error), plugin.installHint or error.remedy) from error
        except errors.DeadlineError as error:
            raise self._failed(str(error), "Run it by hand and see what it waits for.") from error
        if done.code != 0:
            lines = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
            raise self._failed(
                f"exit code {done.code}: {' '.join(lines)}", "Log in again with your provider's tool."
            )
        return self._parsed(done.stdout)

    def _request(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"interactive": False}
        if getattr(self._plugin, "with_cluster", False):
            cluster = self._config.cluster
            spec["cluster"] = {
                "server": cluster.server,
                "certificate-authority-data": cluster.certificate_auth_data,
            }
        return {"apiVersion": self._plugin.apiVersion, "kind": "ExecCredential", "spec": spec}

    def _parsed(self, output: bytes) -> _Credential:
        try:
            status = json.loads(output)["status"]
            expires = status.get("expirationTimestamp")
            until = dt.datetime.fromisoformat(expires) if expires else None
            return _Credential(str(status["token"]), until)
        except (ValueError, KeyError, TypeError, AttributeError):  # not chained: the text holds the token
            raise self._failed(
                "its output has no status.token",
                "Use a plugin that gives tokens; certificates are not supported.",
            ) from None

    def _failed(self, why: str, remedy: str) -> errors.UnauthenticatedError:
        return errors.UnauthenticatedError(
            f"the credential plugin {Path(self._plugin.command).name} failed",
            where=self._config.context_name,
            why=why,
            remedy=remedy,
        )


def _sign(request: httpx2.Request, token: str) -> None:
    request.headers["Authorization"] = f"Bearer {token}"

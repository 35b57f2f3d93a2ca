"""One API server as one user: objects in, objects out, as plain JSON.

A rollout meets kinds nobody listed, so objects stay dictionaries; kubeconfig, users and transport are
lightkube's and httpx2's. Repetition is in `connection`, words of failure in `refusal`, watches in `watch`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from isthmus.clients import discovery, kinds, retry, rights
from isthmus.clients.redactor import Redactor
from isthmus.model import errors

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType
    from typing import Self

    import httpx2
    from lightkube.config.kubeconfig import SingleConfig

    from isthmus.clients import commands, connection

Json = dict[str, Any]
Retry = retry.Retry

PAGE = 500  # objects in one answer, as kubectl asks
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_MISSING = frozenset({404})
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class Cluster:
    """One API server as one user; belongs to one event loop."""

    def __init__(
        self,
        name: str,
        config: SingleConfig,
        *,
        timeout: float = 10.0,
        retry: Retry = retry.DEFAULT,
        transport: httpx2.AsyncBaseTransport | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        """Take the cluster's name in the Fleet, seconds for one try, and the secrets no error may show."""
        from isthmus.clients import connection  # noqa: PLC0415 - httpx2 and lightkube take 250 ms to import

        self.name = name
        self.config = config
        self._options: dict[str, Any] = {
            "timeout": timeout,
            "retry": retry,
            "transport": transport,
            "redactor": redactor or Redactor(),
        }
        self._link = connection.Connection(name, config, **self._options)
        self._served: dict[str, dict[str, kinds.Kind]] = {}
        self._username: str | None = None

    def __repr__(self) -> str:
        return f"Cluster({self.name!r}, {self.server!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def server(self) -> str:
        """The address of the API server."""
        return self._link.server

    @property
    def authority(self) -> bytes:
        """The certificates that this server is held to, PEM; empty where they are this machine's own."""
        from isthmus.clients import tls  # noqa: PLC0415 - as above

        return tls.authority(self.config)

    def as_token(self, token: str) -> Cluster:
        """Return the same server with only this bearer token."""
        from isthmus.clients import entries  # noqa: PLC0415 - as above

        return Cluster(self.name, self.config._replace(user=entries.User(token=token)), **self._options)

    def hiding(self, redactor: Redactor) -> Cluster:
        """Return the same server and user; no error shows what the redactor knows."""
        both = self._options["redactor"].joined(redactor)
        return Cluster(self.name, self.config, **{**self._options, "redactor": both})

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()

    # --- reading -------------------------------------------------------------------------------

    async def get(self, kind: kinds.Kind, name: str, namespace: str | None = None) -> Json | None:
        """Return an object, or None where there is none (or no such kind)."""
        reply = await self._send(
            "GET", kind.path(namespace, name), f"cannot read {_label(kind, name, namespace)}", allow=_MISSING
        )
        return None if reply.code in _MISSING else reply.body

    async def list(
        self, kind: kinds.Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> builtins.list[Json]:
        """Return the objects that match, of all namespaces when none is given."""
        return (await self._listing(kind, namespace, _selecting(labels, fields)))[0]

    async def list_metadata(
        self, kind: kinds.Kind, namespace: str | None = None, *, labels: str = ""
    ) -> builtins.list[Json]:
        """Return the metadata alone of the objects that match, as PartialObjectMetadata."""
        return (await self._listing(kind, namespace, _selecting(labels, ""), accept=_METADATA))[0]

    async def watch(
        self,
        kind: kinds.Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        seconds: float,
    ) -> AsyncIterator[tuple[str, Json]]:
        """Yield (ADDED | MODIFIED | DELETED, object) for `seconds`, first ADDED for each that exists.

        Broken connections are made again. UnreachableError comes at the end, if the server is away then.
        """
        from isthmus.clients import watch  # noqa: PLC0415 - as above

        params = _selecting(labels, fields)
        followed = watch.Watch(
            link=self._link,
            path=kind.path(namespace),
            what=f"cannot watch {kind.plural}",
            params=params,
            listing=lambda: self._listing(kind, namespace, params),
            complete=lambda item: _complete(item, kind),
        )
        events = followed.events(seconds)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()  # type: ignore[attr-defined]  # an async generator, typed as an iterator

    async def _listing(
        self,
        kind: kinds.Kind,
        namespace: str | None,
        params: dict[str, str],
        *,
        accept: str = "application/json",
    ) -> tuple[builtins.list[Json], str]:
        what = f"cannot list {kind.plural}" + (f" in {namespace}" if namespace else "")
        items: builtins.list[Json] = []
        token, path = "", kind.path(namespace)
        while True:
            page = {**params, "limit": str(PAGE), **({"continue": token} if token else {})}
            reply = await self._send(
                "GET",
                path,
                what,
                params=page,
                accept=accept,
                allow=frozenset({410}) if token else frozenset(),
            )
            if reply.code == 410:  # the server forgot the version of the first page: begin again
                items, token = [], ""
                continue
            items += [_complete(item, kind) for item in reply.body.get("items") or ()]
            meta = reply.body.get("metadata") or {}
            token = meta.get("continue") or ""
            if not token:
                return items, str(meta.get("resourceVersion") or "")

    # --- writing -------------------------------------------------------------------------------

    async def create(self, kind: kinds.Kind, obj: Json, *, namespace: str | None = None) -> Json:
        """Create an object; ConflictError when it exists."""
        name, home = _names(obj, namespace)
        return await self._write(
            "POST",
            kind.path(home),
            f"cannot create {_label(kind, name, home)}",
            kind,
            obj,
            params={"fieldManager": "isthmus"},
        )

    async def replace(self, kind: kinds.Kind, obj: Json) -> Json:
        """Replace the version that metadata.resourceVersion names; ConflictError when there is a newer one.

        With that version a repetition cannot write twice, so it is repeated after lost answers too. The
        conflict may then be our own first try: who holds a lock this way reads it and looks for its own name.
        """
        name, home = _names(obj)
        versioned = bool((obj.get("metadata") or {}).get("resourceVersion"))
        return await self._write(
            "PUT",
            kind.path(home, name),
            f"cannot replace {_label(kind, name, home)}",
            kind,
            obj,
            params={"fieldManager": "isthmus"},
            idempotent=versioned,
        )

    async def apply(
        self,
        kind: kinds.Kind,
        obj: Json,
        *,
        manager: str = "isthmus",
        force: bool = True,
        dry_run: bool = False,
    ) -> Json:
        """Apply an object on the server's side; ConflictError for others' fields, unless by `force`."""
        name, home = _names(obj)
        meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **obj, "metadata": meta}
        params = {"fieldManager": manager, "force": str(force).lower()} | (
            {"dryRun": "All"} if dry_run else {}
        )
        what = f"cannot {'dry-run' if dry_run else 'apply'} {_label(kind, name, home)}"
        return await self._write(
            "PATCH", kind.path(home, name), what, kind, body, params=params, media=_APPLY, idempotent=True
        )

    async def delete(
        self,
        kind: kinds.Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        propagation: str | None = None,
        grace: int | None = None,
    ) -> bool:
        """Delete an object; False where there is none, ConflictError when it is another one than `uid`.

        `propagation` is Background, Foreground or Orphan; `grace` is in seconds.
        """
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options |= {"preconditions": {"uid": uid}} if uid else {}
        options |= {"propagationPolicy": propagation} if propagation else {}
        options |= {"gracePeriodSeconds": grace} if grace is not None else {}
        reply = await self._send(
            "DELETE",
            kind.path(namespace, name),
            f"cannot delete {_label(kind, name, namespace)}",
            body=options,
            idempotent=uid is not None,
            allow=_MISSING,
        )
        return reply.code not in _MISSING or reply.doubtful  # a lost first answer: that try deleted it

    # --- who, what and which --------------------------------------------------------------------

    async def issue_token(
        self, account: str, namespace: str, *, secret: tuple[str, str] | None = None, seconds: int = 3600
    ) -> str:
        """Return a token of a service account, bound to a Secret by (name, uid): it dies with that Secret."""
        spec: Json = {"expirationSeconds": seconds}
        if secret is not None:
            spec["boundObjectRef"] = {
                "apiVersion": "v1",
                "kind": "Secret",
                "name": secret[0],
                "uid": secret[1],
            }
        reply = await self._send(
            "POST",
            kinds.SERVICE_ACCOUNT.path(namespace, account, "token"),
            f"cannot issue a token of ServiceAccount {namespace}/{account}",
            body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
        )
        return str(reply.body["status"]["token"])

    async def run(
        self, namespace: str, pod: str, words: Sequence[str], *, container: str, seconds: float
    ) -> commands.Done:
        """Run a command in a pod and return how it ended; DeadlineError after `seconds`."""
        from isthmus.clients import commands  # noqa: PLC0415 - only this needs websockets

        command = commands.Command(namespace=namespace, pod=pod, words=tuple(words), container=container)
        return await commands.run(
            self._link, kinds.POD.path(namespace, pod, "exec"), command, seconds=seconds
        )

    async def username(self) -> str:
        """Return who the server takes this user for; "" where it does not tell (before Kubernetes 1.28)."""
        if self._username is None:
            reply = await self._send(
                "POST",
                kinds.SUBJECT_REVIEW.path(),
                "cannot ask who this user is",
                body={"apiVersion": kinds.SUBJECT_REVIEW.api_version, "kind": kinds.SUBJECT_REVIEW.kind},
                idempotent=True,  # nothing is stored
                allow=_MISSING,
            )
            told = ((reply.body or {}).get("status") or {}).get("userInfo") or {}
            self._username = str(told.get("username") or "")
        return self._username

    async def allows(
        self,
        verb: str,
        kind: kinds.Kind,
        namespace: str | None = None,
        *,
        subresource: str = "",
        name: str = "",
    ) -> bool:
        """Say whether this user may do that, to every object of the kind where no name is given."""
        attributes = {"verb": verb, "group": kind.group, "version": kind.version, "resource": kind.plural}
        attributes |= {"namespace": namespace} if namespace else {}
        attributes |= {"subresource": subresource} if subresource else {}
        attributes |= {"name": name} if name else {}
        reply = await self._send(
            "POST",
            kinds.ACCESS_REVIEW.path(),
            "cannot ask for the rights of this user",
            body={
                "apiVersion": kinds.ACCESS_REVIEW.api_version,
                "kind": kinds.ACCESS_REVIEW.kind,
                "spec": {"resourceAttributes": attributes},
            },
            idempotent=True,  # nothing is stored
        )
        return bool((reply.body.get("status") or {}).get("allowed"))

    async def rights(self, namespace: str) -> rights.Rights:
        """Return what the server says that this user may do in a namespace; it may leave out, never add."""
        reply = await self._send(
            "POST",
            kinds.RULES_REVIEW.path(),
            "cannot ask for the rights of this user",
            body={
                "apiVersion": kinds.RULES_REVIEW.api_version,
                "kind": kinds.RULES_REVIEW.kind,
                "spec": {"namespace": namespace},
            },
            idempotent=True,  # nothing is stored
        )
        return rights.Rights(tuple((reply.body.get("status") or {}).get("resourceRules") or ()))

    async def server_version(self) -> str:
        """Return the version of the API server, such as `v1.36.3`."""
        reply = await self._send("GET", "/version", "cannot read the version of the API server")
        return str(reply.body.get("gitVersion") or "")

    async def resolve(self, api_version: str, kind: str) -> kinds.Kind | None:
        """Return how this server serves a kind, or None; a miss asks the server once more."""
        known = self._served.get(api_version, {}).get(kind)
        if known is None:
            self._served[api_version] = await self._discover(api_version)
            known = self._served[api_version].get(kind)
        return known

    async def api_versions(self) -> tuple[str, ...]:
        """Return `apps/v1`, `apps/v1/StatefulSet` …: what helm's --api-versions wants."""
        what = "cannot read the kinds of the API server"
        core, groups = await asyncio.gather(
            self._send("GET", "/api", what, accept=discovery.AGGREGATED),
            self._send("GET", "/apis", what, accept=discovery.AGGREGATED),
        )
        if discovery.is_aggregated(core.body) and discovery.is_aggregated(groups.body):
            return tuple(discovery.aggregated(core.body) + discovery.aggregated(groups.body))
        labels = discovery.versions(core.body, groups.body)
        served = await asyncio.gather(*(self._discover(label) for label in labels))
        names = [
            [label, *(f"{label}/{kind}" for kind in found)]
            for label, found in zip(labels, served, strict=True)
        ]
        return tuple(name for group in names for name in group)

    async def _discover(self, api_version: str) -> dict[str, kinds.Kind]:
        what = f"cannot read the kinds of {api_version}"
        reply = await self._send("GET", discovery.path(api_version), what, allow=_MISSING)
        return discovery.read(reply.body, api_version)

    # --- one request ----------------------------------------------------------------------------

    async def _write(
        self, method: str, path: str, what: str, kind: kinds.Kind, obj: Json, **more: Any
    ) -> Json:
        body = (
            obj
            if "kind" in obj and "apiVersion" in obj
            else {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
        )
        return (await self._send(method, path, what, body=body, **more)).body

    async def _send(
        self, method: str, path: str, what: str, *, idempotent: bool | None = None, **more: Any
    ) -> connection.Reply:
        from isthmus.clients import connection  # noqa: PLC0415 - as above

        always = method == "GET" if idempotent is None else idempotent
        repeat = connection.Repeat.ALWAYS if always else connection.Repeat.UNSENT
        return await self._link.send(
            connection.Request(what=what, method=method, path=path, repeat=repeat, **more)
        )


def _names(obj: Json, namespace: str | None = None) -> tuple[str, str | None]:
    meta = obj.get("metadata") or {}
    name = meta.get("name") or meta.get("generateName")
    if not name:
        raise errors.InputError(
            "an object has no metadata.name", why=str(obj.get("kind", "")), remedy="Give it a name."
        )
    return str(name), namespace or meta.get("namespace")


def _selecting(labels: str, fields: str) -> dict[str, str]:
    return {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _complete(item: Json, kind: kinds.Kind) -> Json:
    """Return the item with its kind: inside lists, servers leave it out."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, **item}


def _label(kind: kinds.Kind, name: str, namespace: str | None) -> str:
    return f"{kind.kind} {namespace}/{name}" if namespace else f"{kind.kind} {name}"

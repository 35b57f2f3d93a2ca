"""Brings up one cluster: files, the programs of its control plane, first objects, nodes, until it takes pods.

Every step may be repeated: what exists stays, what runs is left running. What nodes are made of is the
profile's. Ending a cluster is here too; deciding when, and over how many clusters, is in `labs`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import shutil
import time
from typing import TYPE_CHECKING, Protocol

from isthmus.lab import components, objects, place, process, server, trust
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from isthmus.lab import ports, spec

_POLL = 0.1  # seconds
_TAIL = 6  # lines of a log in an error

# How long programs get to stop by themselves, in seconds. An API server would wait for its watches for 60
# s, and the audit log and every answered write are on disk by then; etcd closes its database.
_PATIENCE = 1.0
_ETCD_PATIENCE = 5.0

_ORDER = (
    components.FOLLOWERS,
    frozenset({components.APISERVER}),
    frozenset({components.ETCD}),
)


class Nodes(Protocol):
    """The nodes of one cluster: each that is a process of its own has a record of its name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The records' names; none where a program of the control plane plays the nodes."""

    def write(self) -> None:
        """Write what the nodes read, before anything starts."""

    def start(self, name: str) -> bool:
        """Start a node unless it runs; return whether that was needed."""

    def rights(self) -> list[tuple[str, objects.Json]]:
        """Return what may be done by whom, by the path of the collection, before others start."""

    def objects(self) -> list[tuple[str, objects.Json]]:
        """Return the other objects that a cluster with such nodes begins with."""

    def admit(self) -> None:
        """Let the nodes come: the API server is ready and has those objects."""

    def are_up(self, api: server.Api) -> bool:
        """Say whether every node has reported."""


class Control:
    """One cluster on this machine."""

    def __init__(
        self,
        cluster: spec.ClusterSpec,
        site: components.Site,
        programs: Mapping[str, Path],
        nodes: Nodes,
    ) -> None:
        self.cluster = cluster
        self.site = site
        self._programs = programs
        self._nodes = nodes
        self._given_up: Callable[[], bool] = lambda: False

    @property
    def names(self) -> tuple[str, ...]:
        """Everything with a record, in the order of its start."""
        return (*self.site.programs, *self._nodes.names)

    def up(
        self,
        *,
        seconds: float,
        reserved: ports.Reservation,
        tell: Callable[[str], None],
        given_up: Callable[[], bool],
    ) -> None:
        """Bring the cluster up within `seconds`, or until `given_up`; `tell` hears each step."""
        self._given_up = given_up
        deadline = time.monotonic() + seconds
        tell("certificates and files")
        self._write()
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
            machines = pool.submit(self._start_nodes)
            self._start_control_plane(seconds, reserved, tell)
            machines.result()
        self._nodes.admit()
        api = self.api("bootstrap")
        self._wait("nodes take pods", lambda: self._takes_pods(api), deadline)
        tell("ready")

    def _start_control_plane(
        self, seconds: float, reserved: ports.Reservation, tell: Callable[[str], None]
    ) -> None:
        tell("etcd and kube-apiserver start")
        self.start(components.ETCD)
        # Who lost the API server asks it again only after up to a minute: those are started anew.
        came_back = self.start(components.APISERVER)
        self.wait_for_server(seconds)
        reserved.release(self.site.ports.values())
        api = self.api("bootstrap")
        self._create(api, [*objects.rights(), *self._nodes.rights()])
        tell("controllers, scheduler and nodes start")
        for name in self.site.programs:
            if came_back and name in components.FOLLOWERS:
                stop_one(self.site.folder, name)
            self.start(name)
        self._create(api, self._nodes.objects())

    def admit(self) -> None:
        """Let nodes come that were started by themselves."""
        self._nodes.admit()

    def _start_nodes(self) -> None:
        for name in self._nodes.names:
            self._nodes.start(name)

    def wait_for_server(self, seconds: float) -> None:
        """Wait until the API server calls itself ready."""
        self._wait("kube-apiserver is ready", self.api("bootstrap").is_ready, time.monotonic() + seconds)

    def api(self, user: str = "admin", *, seconds: float = 10.0) -> server.Api:
        """Return a client of the API server."""
        return server.Api(
            self.cluster.name,
            host=self.site.host,
            port=self.site.ports[components.APISERVER],
            pki=self.site.pki,
            user=user,
            seconds=seconds,
        )

    def start(self, name: str) -> bool:
        """Start a program or a node unless it runs; return whether that was needed."""
        if name in self._nodes.names:
            return self._nodes.start(name)
        record = record_of(self.site.folder, name)
        known = process.Process.read(record)
        if known is not None and known.is_running():
            return False
        process.spawn(
            [*self.site.enter, str(self._programs[name]), *components.arguments(name, self.site)],
            record=record,
            log=log_of(self.site.folder, name),
            env=components.environment(name),
        )
        return True

    def _write(self) -> None:
        """Write what the programs read; certificates are made once, whole or not at all."""
        site = self.site
        for name, record in recorded(site.folder).items():
            if not record.is_running():  # from before a stop, or before the machine was switched off
                record_of(site.folder, name).unlink()
        if not site.pki.is_dir():
            draft = site.folder / "pki.new"
            shutil.rmtree(draft, ignore_errors=True)
            trust.write_all(
                draft,
                cluster=self.cluster.name,
                service_ip=site.service_ip,
                server_ip=site.host,
                nodes=site.nodes,
            )
            draft.rename(site.pki)
        for user in ("controller-manager", "scheduler", "kwok"):
            place.write_json(
                site.folder / f"{user}.json", components.kubeconfig(site, user, self.cluster.context)
            )
        place.write_json(site.folder / "audit-policy.json", components.audit_policy())
        self._nodes.write()

    @staticmethod
    def _create(api: server.Api, wanted: Iterable[tuple[str, objects.Json]]) -> None:
        for collection, obj in wanted:
            api.create(collection, obj)

    def _takes_pods(self, api: server.Api) -> bool:
        """Say whether pods can be made: every node is there, and the default service account exists."""
        if api.get("/api/v1/namespaces/default/serviceaccounts/default") is None:
            return False
        return self._nodes.are_up(api)

    def _wait(self, what: str, condition: Callable[[], bool], deadline: float) -> None:
        while not condition():
            self._check()
            if self._given_up():
                raise errors.ToolError("given up, as another cluster did not start", where=self.cluster.name)
            if time.monotonic() > deadline:
                raise errors.DeadlineError(
                    f"waited too long until {what}",
                    where=self.cluster.name,
                    remedy=f"read the logs in {self.site.folder / 'logs'}; is the machine very busy?",
                )
            time.sleep(_POLL)

    def _check(self) -> None:
        """Refuse to wait for a program that has ended."""
        for name in self.names:
            record = process.Process.read(record_of(self.site.folder, name))
            if record is not None and not record.is_running():
                log = log_of(self.site.folder, name)
                raise errors.ToolError(
                    f"{name} ended by itself",
                    where=self.cluster.name,
                    why=_tail(log),
                    remedy=f"read {log}",
                )


def record_of(folder: Path, name: str) -> Path:
    """Return the file that names a program's process."""
    return folder / "run" / f"{name}.json"


def log_of(folder: Path, name: str) -> Path:
    """Return the file of a program's output."""
    return folder / "logs" / f"{name}.log"


def recorded(folder: Path) -> dict[str, process.Process]:
    """Return every process that a cluster's folder names, by program."""
    found = {path.stem: process.Process.read(path) for path in sorted((folder / "run").glob("*.json"))}
    return {name: record for name, record in found.items() if record is not None}


def stop(folders: Iterable[Path], *, keep: bool) -> None:
    """End every process of these clusters; with `keep` in an order and a way that harms no data."""
    records = [item for folder in folders for item in recorded(folder).items()]
    if not keep:
        process.end((record for _, record in records), patience=0)
        return
    known = frozenset().union(*_ORDER)
    process.end((record for name, record in records if name not in known), patience=0)  # nodes: power off
    for group in _ORDER:
        patience = _ETCD_PATIENCE if components.ETCD in group else _PATIENCE
        process.end((record for name, record in records if name in group), patience=patience)


def stop_one(folder: Path, name: str, *, kill: bool = False) -> None:
    """End one program of a cluster, with `kill` without a word, and forget its process."""
    record = recorded(folder).get(name)
    if record is None:
        return
    patience = _ETCD_PATIENCE if name == components.ETCD else _PATIENCE
    process.end([record], patience=0 if kill else patience)
    record_of(folder, name).unlink(missing_ok=True)


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])[-800:]
    return ""

"""Runs the real helm, version 3 or 4, apart from the user's own helm set-up.

Each run has its own cache, configuration and temporary folder and no plug-ins; values come by standard input
and the credential by a file that never touches a disk on Linux. Helm does not wait for pods here: gates do.
What Helm recorded is read by `releases`, without helm.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.clients import archives, files, helmwords, process, tls
from isthmus.clients.redactor import Redactor
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

Json = dict[str, Any]

_LOCAL = 60.0  # seconds for what helm does without a cluster
_PULL = 120.0  # seconds for a chart over a slow line
_HOOKS = 3.0  # seconds that helm has left to record a failed hook before its deadline
_GROUPS = 100  # names in one --api-versions: Linux takes 128 KiB in one argument
_REMEDY = "Install Helm 3 or 4, set ISTHMUS_HELM to it, or build it: `isthmus lab build helm`."
_SECRET_KEYS = ("token", "password", "client-key-data")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Access:
    """A cluster by name, and the kubeconfig document with which helm reaches it."""

    cluster: str
    kubeconfig: Json = dataclasses.field(repr=False)

    def secrets(self) -> Redactor:
        """Return what hides the credentials."""
        users = [entry.get("user") or {} for entry in self.kubeconfig.get("users") or ()]
        return Redactor.of(str(user[key]) for user in users for key in _SECRET_KEYS if user.get(key))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rendered:
    """What a chart becomes: objects of the release, and hooks apart as helm keeps them."""

    manifest: str = dataclasses.field(repr=False)
    hooks: tuple[str, ...] = dataclasses.field(default=(), repr=False)


async def find(
    path: Path | None = None, *, env: Mapping[str, str] | None = None, cache: Path | None = None
) -> Helm:
    """Return helm from `path`, else ISTHMUS_HELM, else PATH, else the folder `cache`."""
    env = os.environ if env is None else env
    named = path or (Path(env["ISTHMUS_HELM"]) if env.get("ISTHMUS_HELM") else None)
    if named is not None:
        return await probe(named, env=env)
    found = process.which("helm", env)
    if found is None and cache is not None and (cache / "helm").is_file():
        found = cache / "helm"
    if found is None:
        raise errors.ToolError("helm is missing", why="no helm on PATH", remedy=_REMEDY)
    return await probe(found, env=env)


async def probe(path: Path, *, env: Mapping[str, str] | None = None) -> Helm:
    """Return the helm at a path with its version."""
    helm = Helm(path=path, version="", env=os.environ if env is None else env)
    done = await helm.run(["version", "--template", "{{.Version}}"], deadline=_LOCAL)
    match = re.search(r"v?(\d+(?:\.\d+)+\S*)", done.stdout.decode(errors="replace"))
    if done.code != 0 or match is None:
        why = helmwords.last(done.stderr) or "it does not tell its version"
        raise errors.ToolError(f"{path} is no helm", why=why, remedy=_REMEDY)
    helm = dataclasses.replace(helm, version=match[1])
    if helm.major not in {3, 4}:
        raise errors.ToolError(f"helm {helm.version} is not supported", where=str(path), remedy=_REMEDY)
    return helm


@dataclasses.dataclass(frozen=True, kw_only=True)
class Helm:
    """A helm binary.

    Helm 4 writes by server-side apply, always and with force: a field that somebody else took over
    (`kubectl edit`, another tool) is taken back, as Helm 3 does by its patch. Without force an upgrade stops
    half-way at the first such field, and so would the rollback that has to cure it. The plan's dry run shows
    those fields before.
    """

    path: Path
    version: str
    env: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(os.environ), repr=False)

    @property
    def major(self) -> int:
        """3 or 4."""
        return int(self.version.partition(".")[0])

    # --- charts ---------------------------------------------------------------------------------

    async def package(self, chart: Path) -> bytes:
        """Return the archive of a chart folder or archive, the same bytes for the same content.

        Its dependencies must be in its folder `charts` already: nothing is downloaded here.
        """
        if files.is_file(chart):
            return files.read_bytes(chart)
        if not files.is_file(chart / "Chart.yaml"):
            why = "no Chart.yaml in it" if files.is_folder(chart) else "no such file or folder"
            raise errors.InputError(
                "not a chart", where=str(chart), why=why, remedy="Correct the chart's path."
            )
        source = str(files.absolute(chart))
        with files.private_folder() as folder:
            done = await self.run(["package", source, "--destination", str(folder)], deadline=_LOCAL)
            if done.code != 0:
                raise helmwords.chart_error(done.stderr, where=str(chart))
            return archives.settled(files.read_bytes(_only_archive(folder)))

    async def pull(self, repo: str, name: str, version: str, *, plain_http: bool = False) -> bytes:
        """Return the archive of a chart from a repository (https://, or oci:// with or without the name)."""
        is_oci = repo.startswith("oci://")
        target = "/".join(part.strip("/") for part in (repo, name) if part) if is_oci else name
        argv = ["pull", target, *(["--repo", repo] if repo and not is_oci else [])]
        argv += ["--version", version] if version else []
        argv += ["--plain-http"] if plain_http else []
        with files.private_folder() as folder:
            done = await self.run([*argv, "--destination", str(folder)], deadline=_PULL, registries=True)
            if done.code != 0:
                raise errors.ToolError(
                    f"helm could not pull the chart {name or repo}",
                    where=repo,
                    why=helmwords.last(done.stderr),
                    remedy="Check repository, name and version; for a private one: `helm registry login`.",
                )
            return files.read_bytes(_only_archive(folder))

    async def render(
        self,
        archive: bytes | Path,
        *,
        release: str,
        namespace: str,
        values: Json,
        kube_version: str,
        api_versions: Sequence[str],
        is_upgrade: bool = False,
        redactor: Redactor | None = None,
    ) -> Rendered:
        """Return the objects of a chart without asking a cluster, custom resource definitions left out.

        Functions that ask a cluster (`lookup`) find nothing, and `.Release.Revision` is 1: helm has no flag.
        """
        with files.private_folder() as folder:
            argv = [
                "template",
                release,
                str(_placed(archive, folder)),
                "--namespace",
                namespace,
                "--values",
                "-",
            ]
            argv += ["--kube-version", kube_version] if kube_version else []
            argv += ["--is-upgrade"] if is_upgrade else []
            for start in range(0, len(api_versions), _GROUPS):
                argv += ["--api-versions", ",".join(api_versions[start : start + _GROUPS])]
            done = await self.run(argv, deadline=_LOCAL, stdin=_text(values))
        if done.code != 0:
            raise helmwords.chart_error(done.stderr, where=release, redactor=redactor)
        return _split(done.stdout.decode())

    # --- releases -------------------------------------------------------------------------------

    async def upgrade(
        self,
        access: Access,
        *,
        release: str,
        namespace: str,
        archive: bytes | Path,
        values: Json,
        labels: Mapping[str, str] | None = None,
        description: str = "",
        deadline: float,
        on_start: Callable[[process.Started], Awaitable[None] | None] | None = None,
        history_max: int = 20,
        redactor: Redactor | None = None,
    ) -> None:
        """Install or upgrade a release, waiting for its hooks only; `deadline` is in seconds."""
        with files.private_folder() as folder:
            argv = ["upgrade", release, str(_placed(archive, folder)), "--install", "--namespace", namespace]
            argv += ["--values", "-", "--reset-values", "--history-max", str(history_max)]
            argv += (
                ["--labels", ",".join(f"{key}={value}" for key, value in labels.items())] if labels else []
            )
            argv += ["--description", description] if description else []
            argv += [*_patience(deadline), *self._writing()]
            await self._change("upgrade", access, argv, _text(values), deadline, on_start, redactor)

    async def rollback(
        self,
        access: Access,
        *,
        release: str,
        namespace: str,
        revision: int,
        deadline: float,
        on_start: Callable[[process.Started], Awaitable[None] | None] | None = None,
        history_max: int = 20,
        redactor: Redactor | None = None,
    ) -> None:
        """Make an earlier revision the newest one, waiting for its hooks only; `deadline` is in seconds."""
        argv = [
            "rollback",
            release,
            str(revision),
            "--namespace",
            namespace,
            "--history-max",
            str(history_max),
        ]
        argv += [*_patience(deadline), *self._writing()]
        await self._change("rollback", access, argv, None, deadline, on_start, redactor)

    async def uninstall(
        self,
        access: Access,
        *,
        release: str,
        namespace: str,
        keep_history: bool,
        deadline: float,
        on_start: Callable[[process.Started], Awaitable[None] | None] | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        """Take a release out; one that is gone already is no failure. `deadline` is in seconds."""
        # Only with --debug does helm say why an object could not be deleted.
        argv = ["uninstall", release, "--namespace", namespace, "--debug", *_patience(deadline)]
        argv += ["--keep-history"] if keep_history else []
        argv += ["--wait=hookOnly"] if self.major >= 4 else []
        with contextlib.suppress(helmwords.NotFoundError):
            await self._change("uninstall", access, argv, None, deadline, on_start, redactor)

    def _writing(self) -> list[str]:
        return ["--wait=hookOnly", "--server-side=true", "--force-conflicts"] if self.major >= 4 else []

    async def _change(
        self,
        verb: str,
        access: Access,
        argv: Sequence[str],
        stdin: bytes | None,
        deadline: float,
        on_start: Callable[[process.Started], Awaitable[None] | None] | None,
        redactor: Redactor | None,
    ) -> None:
        hidden = access.secrets().joined(redactor or Redactor())
        try:
            done = await self.run(argv, deadline=deadline, stdin=stdin, access=access, on_start=on_start)
        except errors.DeadlineError as error:
            raise errors.DeadlineError(
                f"helm {verb} did not end in {deadline:g} s",
                where=access.cluster,
                why=error.why,
                remedy="See which hook or request it waits for; then `isthmus deploy resume`.",
            ) from error
        if done.code != 0:
            raise helmwords.release_error(verb, done, cluster=access.cluster, redactor=hidden)

    # --- one run --------------------------------------------------------------------------------

    async def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,
        stdin: bytes | None = None,
        access: Access | None = None,
        on_start: Callable[[process.Started], Awaitable[None] | None] | None = None,
        registries: bool = False,
    ) -> process.Completed:
        """Run helm by itself: own folders, no plug-ins, this kubeconfig or none; `registries` keeps logins.

        The working folder is helm's own, so paths in `argv` are absolute.
        """
        with files.private_folder() as home, contextlib.ExitStack() as stack:
            env = self._environment(home, registries=registries)
            fds: tuple[int, ...] = ()
            if access is not None:
                document = json.dumps(access.kubeconfig).encode()
                env["KUBECONFIG"], fds = stack.enter_context(tls.inheritable_file(document))
            done = await process.run(
                [str(self.path), *argv],
                env=env,
                deadline=deadline,
                stdin=stdin,
                on_start=on_start,
                pass_fds=fds,
                cwd=home,
            )
        if done.code != 0 and b"no space left on device" in done.stderr:
            raise files.full(home.parent)
        return done

    def _environment(self, home: Path, *, registries: bool) -> dict[str, str]:
        env = {key: value for key, value in self.env.items() if not key.startswith(("HELM_", "KUBE"))}
        env |= {
            "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"),
            "HELM_DATA_HOME": str(home / "data"),
            "HELM_PLUGINS": str(home / "plugins"),
            "HELM_DRIVER": "secret",
            "KUBECONFIG": os.devnull,
            "TMPDIR": str(home),  # what a killed helm leaves goes with the folder
        }
        # helm lives for a moment: collecting its garbage costs an eighth of its work and saves a few MiB.
        env.setdefault("GOGC", "400")
        if registries:
            env["HELM_REGISTRY_CONFIG"] = self.env.get("HELM_REGISTRY_CONFIG") or str(
                _config_home(self.env) / "registry/config.json"
            )
        return env


def _config_home(env: Mapping[str, str]) -> Path:
    own = env.get("HELM_CONFIG_HOME")
    return (
        Path(own)
        if own
        else Path(env.get("XDG_CONFIG_HOME") or Path(env.get("HOME", "/")) / ".config") / "helm"
    )


def _patience(deadline: float) -> list[str]:
    """Return helm's own time for each hook, shorter than ours, so that it can still record the failure."""
    return ["--timeout", f"{max(1, int(deadline - _HOOKS))}s"]


def _text(values: Json) -> bytes:
    return json.dumps(values).encode()  # JSON is YAML


def _placed(archive: bytes | Path, folder: Path) -> Path:
    if isinstance(archive, Path):
        return archive.absolute()
    path = folder / "chart.tgz"
    files.write_atomic(path, archive, 0o600)
    return path


def _only_archive(folder: Path) -> Path:
    found = sorted(folder.glob("*.tgz"))
    if len(found) != 1:
        raise errors.ToolError(
            "helm left no chart archive", why=f"{len(found)} files", remedy="Try another helm version."
        )
    return found[0]


def _split(output: str) -> Rendered:
    parts = list(_documents(output))
    return Rendered(
        manifest="".join(f"---\n{part}" for part in parts if not _is_hook(part)),
        hooks=tuple(part for part in parts if _is_hook(part)),
    )


def _documents(output: str) -> Iterator[str]:
    for part in re.split(r"(?m)^---\s*$\n?", output):
        if part.strip():
            yield part if part.endswith("\n") else part + "\n"


def _is_hook(document: str) -> bool:
    if "helm.sh/hook" not in document:
        return False
    import yaml  # noqa: PLC0415 - few charts have hooks

    try:
        parsed = yaml.safe_load(document)
    except yaml.YAMLError:
        return False
    meta = parsed.get("metadata") if isinstance(parsed, dict) else None
    return isinstance(meta, dict) and "helm.sh/hook" in (meta.get("annotations") or {})

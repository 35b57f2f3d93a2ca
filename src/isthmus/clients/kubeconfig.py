"""Kubeconfig files as kubectl merges them: the first file that names an entry wins.

Lightkube reads one file only and drops what it does not know, so the merge is ours and lightkube's values
are what comes out. Nothing here opens a connection.
"""

from __future__ import annotations

import base64
import dataclasses
import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.clients import files
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lightkube.config.kubeconfig import SingleConfig

Json = dict[str, Any]

_PATHS = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
    "contexts": (),
}
_REFUSED = {
    "as": "impersonation",
    "as-groups": "impersonation",
    "as-uid": "impersonation",
    "auth-provider": "auth-provider",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contexts:
    """The contexts of some kubeconfig files; credentials stay out of repr."""

    contexts: Mapping[str, Json]
    clusters: Mapping[str, Json] = dataclasses.field(repr=False)
    users: Mapping[str, Json] = dataclasses.field(repr=False)
    current: str | None = None
    paths: tuple[Path, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return the names of all contexts in the order of the files."""
        return tuple(self.contexts)

    def get(self, name: str) -> SingleConfig:
        """Return what is needed to reach the cluster of a context."""
        if name not in self.contexts:
            raise self._unknown(name)
        context = self.contexts[name]
        cluster = self._entry("cluster", self.clusters, context.get("cluster"), context=name)
        user = self._entry("user", self.users, context["user"], context=name) if context.get("user") else {}
        return _single(name, context, cluster, user)

    def _entry(self, what: str, entries: Mapping[str, Json], key: Any, *, context: str) -> Json:
        if isinstance(key, str) and key in entries:
            return entries[key]
        raise errors.InputError(
            f"context {context!r} names the {what} {key!r}, which no kubeconfig has",
            where=_listed(self.paths),
            remedy=f"Add that {what} to the kubeconfig, or correct the context.",
        )

    def _unknown(self, name: str) -> errors.InputError:
        near = difflib.get_close_matches(name, self.contexts, n=3, cutoff=0.5)
        known = ", ".join(near) if near else ", ".join(list(self.contexts)[:10])
        if near:
            why = f"near matches: {known}"
        else:
            why = f"there are: {known}" if known else "the kubeconfig has no context at all"
        return errors.InputError(
            f"no context {name!r}",
            where=_listed(self.paths),
            why=why,
            remedy="Correct the name, set KUBECONFIG, or start the lab that has it: `isthmus lab up`.",
        )


def load(
    paths: Sequence[Path] | None = None,
    env: Mapping[str, str] | None = None,
    *,
    extra: Iterable[Path] = (),
) -> Contexts:
    """Return the merged contexts of `paths`, else of KUBECONFIG, else of ~/.kube/config; then of `extra`."""
    wanted = list(paths) if paths is not None else _default_paths(os.environ if env is None else env)
    wanted += [path for path in extra if path not in wanted]
    merged: dict[str, dict[str, Json]] = {"contexts": {}, "clusters": {}, "users": {}}
    current: str | None = None
    for path in wanted:
        if not path.is_file():  # as kubectl: a list may name files that do not exist
            continue
        document = _document(path)
        current = current or document.get("current-context") or None
        for section, entries in merged.items():
            for name, entry in _entries(document, section, path):
                entries.setdefault(name, entry)
    return Contexts(**merged, current=current, paths=tuple(wanted))


def for_token(config: SingleConfig, token: str) -> Json:
    """Return a kubeconfig with this cluster and only that bearer token."""
    return _one(_cluster(config), {"token": token}, config.namespace)


def for_plugin(entries: Mapping[str, tuple[SingleConfig, Sequence[str]]], *, command: str) -> Json:
    """Return a kubeconfig of some contexts whose user is what a credential plugin tells; no secret is in it.

    `entries` are cluster and the plugin's words, by context.
    """
    found: dict[str, list[Json]] = {"clusters": [], "users": [], "contexts": []}
    for name, (config, words) in entries.items():
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": command,
            "args": list(words),
            "interactiveMode": "Never",
        }
        found["clusters"].append({"name": name, "cluster": _cluster(config)})
        found["users"].append({"name": name, "user": {"exec": plugin}})
        context = {"cluster": name, "user": name, "namespace": config.namespace}
        found["contexts"].append({"name": name, "context": context})
    return {"apiVersion": "v1", "kind": "Config", "current-context": next(iter(entries), ""), **found}


def document(config: SingleConfig) -> Json:
    """Return a kubeconfig with this cluster and its own user, all paths absolute."""
    import msgspec  # noqa: PLC0415 - comes with lightkube, see get

    return _one(_cluster(config), msgspec.to_builtins(config.user) if config.user else {}, config.namespace)


def _one(cluster: Json, user: Json, namespace: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "isthmus",
        "clusters": [{"name": "isthmus", "cluster": cluster}],
        "users": [{"name": "isthmus", "user": user}],
        "contexts": [
            {"name": "isthmus", "context": {"cluster": "isthmus", "user": "isthmus", "namespace": namespace}}
        ],
    }


def _cluster(config: SingleConfig) -> Json:
    import msgspec  # noqa: PLC0415 - comes with lightkube, see get

    cluster: Json = msgspec.to_builtins(config.cluster)
    path = cluster.pop("certificate-authority", None)
    if path and "certificate-authority-data" not in cluster:
        cluster["certificate-authority-data"] = base64.b64encode(
            files.read_text(Path(path)).encode()
        ).decode()
    return cluster


def _single(name: str, context: Json, cluster: Json, user: Json) -> SingleConfig:
    import msgspec  # noqa: PLC0415 - lightkube takes a quarter of a second to import; names() does without
    from lightkube.config.kubeconfig import SingleConfig  # noqa: PLC0415 - same
    from lightkube.config.models import Context  # noqa: PLC0415 - same

    from isthmus.clients import entries  # noqa: PLC0415 - same

    for key in user:
        if key in _REFUSED:
            raise errors.InputError(
                f"context {name!r} uses {_REFUSED[key]}, which Isthmus does not support",
                why=f"the user entry has {key!r}, and leaving it out would act with other rights",
                remedy="Use a context with a token, a client certificate or an exec plugin.",
            )
    try:
        return SingleConfig(
            context_name=name,
            context=msgspec.convert(context, Context),
            cluster=msgspec.convert(cluster, entries.Cluster),
            user=msgspec.convert(user, entries.User) if user else None,
        )
    except msgspec.ValidationError as error:  # its text names field and type, never the value
        raise errors.InputError(
            f"context {name!r} has a field of the wrong type",
            why=str(error),
            remedy="Correct the kubeconfig.",
        ) from error


def _default_paths(env: Mapping[str, str]) -> list[Path]:
    listed = [Path(part).expanduser() for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path(env.get("HOME", "~")).expanduser() / ".kube" / "config"]


def _document(path: Path) -> Json:
    import yaml  # noqa: PLC0415 - names() of an empty list does without

    try:
        document = yaml.safe_load(files.read_text(path)) or {}
    except yaml.YAMLError as error:  # its text quotes the file, which may hold a key: only the place is told
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise errors.InputError(
            "the kubeconfig is not YAML",
            where=place,
            why=str(getattr(error, "problem", "")),
            remedy="Correct that line.",
        ) from None
    if not isinstance(document, dict):
        raise errors.InputError(
            "the kubeconfig is not a mapping", where=str(path), remedy="Correct the file."
        )
    return document


def _entries(document: Json, section: str, path: Path) -> Iterable[tuple[str, Json]]:
    key = section[:-1]
    for item in document.get(section) or ():
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise errors.InputError(
                f"an entry of {section!r} has no name", where=str(path), remedy="Correct the kubeconfig."
            )
        entry = item.get(key) or {}
        if not isinstance(entry, dict):
            raise errors.InputError(
                f"{key} {item['name']!r} is not a mapping", where=str(path), remedy="Correct the kubeconfig."
            )
        yield item["name"], _absolute(entry, _PATHS[section], path.absolute().parent)


def _absolute(entry: Json, keys: Iterable[str], folder: Path) -> Json:
    """Return the entry with its paths made absolute: they are relative to the file that holds them."""
    result = dict(entry)
    for key in keys:
        if isinstance(result.get(key), str) and result[key]:
            result[key] = str(folder / result[key])
    plugin = result.get("exec")
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command", "")):
        result["exec"] = {**plugin, "command": str(folder / plugin["command"])}
    return result


def _listed(paths: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in paths) or "kubeconfig"

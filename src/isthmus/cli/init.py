"""`isthmus init`: writes the folder, from kubeconfig contexts or as an example.

It asks nothing, opens no connection and overwrites nothing. What it cannot know it writes as a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.model import errors

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

Files = dict[str, str]
"""Name in the folder to text."""


def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder to write.")] = Path(),
    example: Annotated[
        str | None, typer.Option("--example", metavar="NAME", help="Write an example: cassandra.")
    ] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context", metavar="NAME", help="A kubeconfig context; repeat it. All when not given."
        ),
    ] = None,
    _verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the details of an error.")] = False,
) -> None:
    """Write a folder of documents, from kubeconfig contexts or as an example.

    Files that exist are never overwritten. No cluster is asked.

    Examples:
        isthmus init --example cassandra shop
        isthmus init --context west --context east fleet
    """
    if example is not None and context:
        raise errors.InputError(
            "--example and --context exclude each other",
            remedy="write the example, then put your contexts into its fleet.yaml",
        )
    files = _example(example) if example is not None else _from_contexts(directory, context or [])
    _write(directory, files)
    for line in _next(directory, is_example=example is not None):
        typer.echo(line)


def _write(directory: Path, files: Files) -> None:
    from isthmus.clients import files as disk

    present = [name for name in files if (directory / name).exists() or (directory / name).is_symlink()]
    if present:
        raise errors.InputError(
            f"{', '.join(present)} would be overwritten",
            where=str(directory),
            remedy="name another folder, or move those files away",
        )
    for name, text in files.items():
        disk.write_atomic(directory / name, text)
        typer.echo(f"wrote {directory / name}")


def _examples() -> Traversable:
    from importlib import resources

    return resources.files("isthmus") / "examples"


def _example(name: str) -> Files:
    known = sorted(each.name for each in _examples().iterdir() if each.is_dir())
    if name not in known:
        raise errors.InputError(f"no example '{name}'", remedy=f"write one of: {', '.join(known)}")
    return {path: each.read_text(encoding="utf-8") for path, each in _walk(_examples() / name, "")}


def _walk(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    for each in sorted(folder.iterdir(), key=lambda one: (one.is_dir(), one.name)):
        if each.is_dir():
            yield from _walk(each, f"{above}{each.name}/")
        else:
            yield above + each.name, each


HEAD = """\
# The Fleet: the clusters that are run as one. Written from kubeconfig contexts; no cluster was asked, so
# check `nodes`. An `id` is Cilium's and is for life.
apiVersion: isthmus.dev/v1alpha1
kind: Fleet
metadata: {name: %s}
spec:
  # Clusters that are still to be built get their ranges from here; `isthmus plan show` prints them.
  # addressing:
  #   pods: {supernets: [10.0.0.0/10], nodeMask: 24}
  #   services: {supernets: [10.96.0.0/12]}
  #   nodes: {supernets: [10.64.0.0/12]}
  #   avoid: [172.17.0.0/16]
"""
WITNESS = """\
  # An even number of voters bears no more losses than one less: name any API server with one namespace.
  # witness: {context: NAME}
"""
CLUSTERS = """\
  clusters:
  # Ranges of clusters that run already: add pods, services and nodeRange, so that the plan checks them.
"""


def _from_contexts(directory: Path, wanted: Sequence[str]) -> Files:
    """Return a Fleet with a cluster for each context."""
    from isthmus.cli import connection

    known = connection.contexts()
    for each in wanted:
        known.get(each)  # refuses an unknown one, naming the near ones
    contexts = list(dict.fromkeys(wanted)) or list(known.names())
    if not contexts:
        raise errors.InputError(
            "the kubeconfig has no context",
            where=", ".join(str(path) for path in known.paths),
            remedy="set KUBECONFIG, start a lab with `isthmus lab up`, or write an example: "
            "`isthmus init --example cassandra`",
        )
    name = _label(directory.resolve().name, 63) or "fleet"
    lines = [
        f"  - {{name: {_quoted(cluster)}, id: {number}, context: {_quoted(context)}, nodes: 3}}\n"
        for number, (cluster, context) in enumerate(zip(_names(contexts), contexts, strict=True), start=1)
    ]
    witness = WITNESS if len(contexts) % 2 == 0 else ""
    return {"fleet.yaml": HEAD % _quoted(name) + witness + CLUSTERS + "".join(lines)}


def _names(contexts: Sequence[str]) -> list[str]:
    """Return a cluster name for each context: what is left of it in the letters that Cilium takes."""
    names: list[str] = []
    for number, context in enumerate(contexts, start=1):
        # A context often is user@cluster, or an ARN that ends with the cluster.
        name = _label(re.split(r"[@/]", context)[-1], 32) or _label(context, 32)
        if not name or name == "default" or name in names:
            name = f"{name[:26].rstrip('-') or 'cluster'}-{number}"
        names.append(name)
    return names


def _label(text: str, longest: int) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[-longest:].strip("-")


def _quoted(text: str) -> str:
    """Return the text as YAML takes it for text: plain when it is a word, else in quotes."""
    from isthmus.model import source

    is_word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.@/-]*", text) and source.scalar(text) == text
    return text if is_word else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _next(directory: Path, *, is_example: bool) -> Iterator[str]:
    """Yield what to do with the folder now."""
    flag = "" if directory == Path() else f" -f {directory}"
    yield ""
    yield "next:"
    if is_example:
        yield "  isthmus lab up   # three clusters on this machine; or put your own contexts into fleet.yaml"
        yield f"  isthmus plan check{flag}"
        yield f"  isthmus deploy diff{flag}"
        yield f"  isthmus deploy up{flag}"
    else:
        yield f"  isthmus plan check{flag}"
        yield "  isthmus init --example cassandra DIR   # to see what an App looks like, then write yours"

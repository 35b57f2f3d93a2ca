"""Mounts the verbs and stands at the border, where failures become sentences and exit codes.

A verb's module is imported when the verb is used and not before, so that `--help` and completion stay quick.
What a verb does is in its own module; how a failure is told is in `border`.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import _completion_classes as completion
from typer import core
from typer import main as typer_main

import isthmus
from isthmus.cli import border, prose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclasses.dataclass(frozen=True)
class Verb:
    """A verb's name, which is also its module's, and its line in `isthmus --help`."""

    name: str
    line: str


VERBS = (
    Verb("init", "Write the folder, from kubeconfig contexts or as an example."),
    Verb("plan", "Check and show addresses before the clusters exist."),
    Verb("connect", "Connect the clusters with Cilium and ClusterMesh."),
    Verb("doctor", "Find what is wrong across the clusters, with the remedy."),
    Verb("access", "Know who may talk to whom, before it is applied."),
    Verb("deploy", "Run an App over all its clusters as one transaction."),
    Verb("lab", "Run real Kubernetes clusters on this machine."),
    Verb("demo", "Tell the story on the lab: a bad upgrade and the way back."),
    Verb("account", "Work in the clusters as an account with few rights."),
    Verb("permissions", "Print the RBAC that a verb needs."),
    Verb("completion", "Print the script that completes isthmus in a shell."),
    Verb("version", "Show the versions of everything."),
)


class Verbs(core.TyperGroup):
    """A group whose members are names until one of them is used."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for verb in present():
            self.add_command(core.TyperCommand(verb.name, help=verb.line, rich_markup_mode=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the real command in place of its name."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is None or name is None:
            return name, command, rest
        return name, load(name), rest


def present() -> Iterator[Verb]:
    """Yield the verbs whose module exists."""
    for verb in VERBS:
        if importlib.util.find_spec(f"isthmus.cli.{verb.name}"):
            yield verb


def load(name: str) -> Any:
    """Import a verb's module and return its command: `app` of a group, or the function named as the verb."""
    module = importlib.import_module(f"isthmus.cli.{name}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False)
        app.command(name)(getattr(module, name))
    app._add_completion = False  # noqa: SLF001  # `isthmus completion` is the one place for it
    app.rich_markup_mode = None  # importing Rich costs every --help more than all the rest
    command = typer_main.get_command(app)
    command.name = name
    return prose.keep_examples(command)


root = typer.Typer(
    cls=Verbs,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"isthmus {isthmus.__version__}")
        raise typer.Exit


@root.callback(context_settings={"help_option_names": ["-h", "--help"]})
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run one distributed application over many Kubernetes clusters as if it were one thing.

    Examples:
        isthmus init --example cassandra shop
        isthmus plan check -f shop
        isthmus deploy up -f shop
        isthmus demo
    """


def main(args: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    completion.completion_init()  # what Typer does for options of its own that guess the shell
    command = prose.keep_examples(typer_main.get_command(root))
    return border.guard(lambda: command.main(list(args), prog_name="isthmus", standalone_mode=False), args)


def run() -> None:
    """Run the command line of this process."""
    sys.exit(main(sys.argv[1:]))

"""`isthmus completion SHELL`: the script that makes a shell complete verbs, options and their values."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from typer import _completion_shared as scripts  # the only place that writes these scripts

PROGRAM = "isthmus"
VARIABLE = "_ISTHMUS_COMPLETE"


class Shell(StrEnum):
    """The shells that a script can be written for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell to write the script for.")],
) -> None:
    """Print the script that completes isthmus in a shell. The shell is named, never guessed.

    Examples:
        source <(isthmus completion bash)
        isthmus completion bash > /etc/bash_completion.d/isthmus
        isthmus completion zsh > ~/.zfunc/_isthmus
        isthmus completion fish > ~/.config/fish/completions/isthmus.fish
    """
    print(scripts.get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value))

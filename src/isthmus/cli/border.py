"""Where failures leave the program: each becomes sentences on standard error and an exit code.

A user never meets a traceback unless `-v` asks for one. This module decides nothing about what failed:
errors of ours bring their own what, where, why, remedy and exit code (`model/errors.py`).
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Any

import typer

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""

INTERRUPTED_TEXT = (
    "interrupted: what was done so far stays; `isthmus deploy status` tells where an operation stands"
)


def guard(work: Callable[[], Any], args: Sequence[str]) -> int:
    """Run the work and return its exit code; tell every failure on standard error."""
    wants_details = not {"-v", "--verbose"}.isdisjoint(args)
    try:
        code = _attempt(work, args, wants_details=wants_details)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away (`isthmus … | head`). Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = errors.Exit.FAILED
    return int(code)


def _attempt(work: Callable[[], Any], args: Sequence[str], *, wants_details: bool) -> int:
    try:
        code = work()
    except errors.IsthmusError as error:
        return _tell(error, wants_details=wants_details)
    except typer.TyperException as error:
        _say(usage(error))
        return errors.Exit.UNREADABLE
    except typer.Abort:
        _say("stopped: it was not confirmed")
        return errors.Exit.FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # the border of the process: a fault of ours becomes one sentence
        ours = [leaf for leaf in _leaves(error) if isinstance(leaf, errors.IsthmusError)]
        if len(ours) == len(_leaves(error)):
            return max(_tell(leaf, wants_details=wants_details) for leaf in ours)
        _say(unexpected(error, args, wants_details=wants_details))
        return errors.Exit.FAILED
    if code == INTERRUPTED:
        _say(INTERRUPTED_TEXT)
    return code if isinstance(code, int) else errors.Exit.DONE


def _tell(error: errors.IsthmusError, *, wants_details: bool) -> int:
    _say(describe(error))
    _say(_details(error) if wants_details else "")
    return error.exit_code


def describe(error: errors.IsthmusError) -> str:
    """Return the sentences for an error of ours: what, where, why, remedy."""
    lines = [f"error: {error.what}"]
    if error.where:
        lines.append(f"  where: {_hang(error.where)}")
    if error.why:
        lines.append(f"  why: {_hang(error.why)}")
    if error.remedy:
        lines.append(f"  → {_hang(error.remedy)}")
    return "\n".join(lines)


def usage(error: typer.TyperException) -> str:
    """Return the sentences for flags that cannot be read."""
    ctx = getattr(error, "ctx", None)
    message = error.format_message()
    if ctx is None or message.startswith("Usage:"):
        return message if message.startswith("Usage:") else f"error: {message}"
    return f"error: {message}\n  → {ctx.get_usage()}\n    `{ctx.command_path} --help` tells more"


def unexpected(error: Exception, args: Sequence[str], *, wants_details: bool) -> str:
    """Return the sentences for a fault of ours, and keep its trace in a file unless it is shown.

    The file holds where it happened and no messages: those may repeat a value that is secret.
    """
    name = ", ".join(sorted({type(leaf).__name__ for leaf in _leaves(error)}))
    if wants_details:
        return "".join(traceback.format_exception(error)) + f"error: a fault in isthmus ({name})"
    again = " ".join(["isthmus", *args[:2], "-v"])
    try:
        path = _write_report(error)
    except OSError as refused:
        kept = f"no report written: {refused.strerror}"
    else:
        kept = f"its trace is in {path}"
    return f"error: a fault in isthmus ({name}); {kept}\n  → repeat it with -v to see it: {again} …"


def _write_report(error: BaseException) -> str:
    handle, path = tempfile.mkstemp(prefix="isthmus-fault-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        for link in _chain(error):
            file.write(f"{type(link).__module__}.{type(link).__qualname__}\n")
            file.writelines(traceback.format_tb(link.__traceback__))
    return path


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return the error, the members of a group, and what led to each."""
    links: list[BaseException] = []
    waiting = [error]
    while waiting:
        link = waiting.pop(0)
        if link is None or link in links:
            continue
        links.append(link)
        waiting += [*getattr(link, "exceptions", ()), link.__cause__ or link.__context__]
    return links


def _leaves(error: BaseException) -> list[BaseException]:
    """Return the errors of a group of tasks, or the error itself."""
    members: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return [leaf for member in members for leaf in _leaves(member)] or [error]


def _details(error: errors.IsthmusError) -> str:
    """Return what led to an error of ours: the chain of causes by name and the place it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    raised = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
    causes = [type(link).__name__ for link in _chain(error)]
    return f"  raised at {raised} ({' from '.join(causes)})"


def _hang(text: str) -> str:
    return text.strip().replace("\n", "\n    ")


def _say(text: str) -> None:
    if text:
        print(text, file=sys.stderr)

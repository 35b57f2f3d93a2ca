"""Composes YAML text into nodes with marks, and says in our words why it cannot.

PyYAML's own constructors are not used: they lose the lines and read `22:22` as a number. What nodes mean
is in `source.py`.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

PLAIN: Final = "plain"
QUOTED: Final = "quoted"
MAX_DEPTH: Final = 60
"""Levels of nesting; Kubernetes objects stay below 20, and both parsers recurse."""


class TooDeepError(yaml.YAMLError):
    """The nesting is deeper than anybody writes."""


class _Tags:
    """Leaves the meaning of scalars to us and bounds the depth."""

    depth = 0

    def resolve(self, kind: type[yaml.Node], _value: str, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return PLAIN if implicit[0] else QUOTED
        return "seq" if kind is yaml.SequenceNode else "map"

    def descend_resolver(self, _node: Any, _index: Any) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooDeepError

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def check_resolver_prefix(self, *_: Any) -> None:
        """Path resolvers are not used."""


if yaml.__with_libyaml__:

    class Loader(_Tags, yaml.cyaml.CParser):  # type: ignore[name-defined,misc]  # the stubs leave it out
        """The composer of libyaml."""

else:  # pragma: no cover - wheels of PyYAML bring libyaml

    class Loader(  # type: ignore[no-redef]  # one of two by what is installed
        _Tags, yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer
    ):
        """The composer in Python."""

        def __init__(self, text: str) -> None:
            yaml.reader.Reader.__init__(self, text)
            yaml.scanner.Scanner.__init__(self)
            yaml.parser.Parser.__init__(self)
            yaml.composer.Composer.__init__(self)


class Broken(Exception):  # noqa: N818  # not a failure of the program: it becomes a finding
    """Text that is no YAML: why, the line counted from 1, and what to do."""

    def __init__(self, why: str, line: int, remedy: str) -> None:
        super().__init__(why)
        self.why = why
        self.line = line
        self.remedy = remedy


def compose(text: str) -> tuple[list[yaml.Node], Broken | None]:
    """Return the nodes of each document up to the first that is no YAML, and what is wrong with that one."""
    nodes: list[yaml.Node] = []
    try:
        loader: Any = Loader(text)
        while loader.check_node():
            nodes.append(loader.get_node())
    except TooDeepError:
        remedy = f"write at most {MAX_DEPTH} levels"
        line = nodes[-1].end_mark.line + 1 if nodes else 1
        return nodes, Broken("nested too deep", line, remedy)
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError) as error:
        return nodes, _explain(error, text)
    return nodes, None


def _explain(error: Exception, text: str) -> Broken:
    lines = text.split("\n")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return Broken(*_unprintable(error, text))
    number = min(mark.line, len(lines) - 1)
    line = lines[number]
    if "\t" in line[: len(line) - len(line.lstrip())] or "\\t" in str(error):
        return Broken("a tab stands where YAML wants spaces", number + 1, "indent with spaces")
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    problem = " ".join(part for part in parts if part)
    return Broken(problem or "this is no YAML", number + 1, _hint(problem, line))


def _hint(problem: str, line: str) -> str:
    if "mapping values are not allowed" in problem:
        return "put text with ': ' in quotes, or check the indentation of this line"
    if "undefined alias" in problem:
        return "define the anchor (&name) before the alias (*name)"
    if "cannot start any token" in problem:
        return "put text that begins with a special character (@, `, %) in quotes"
    if "flow" in problem or "expected ',' or" in problem:
        return "close the bracket or brace, and put commas between the parts"
    if line.count('"') % 2 or line.count("'") % 2:
        return "close the quote"
    return "check the indentation and the brackets of this line and the one above"


def _unprintable(error: Exception, text: str) -> tuple[str, int, str]:
    for number, line in enumerate(text.split("\n"), start=1):
        for char in line:
            if (char < " " and char not in "\t\r") or "\x7f" <= char < "\x85" or "\ud800" <= char <= "\udfff":
                why = f"the character U+{ord(char):04X} is not allowed in YAML"
                return why, number, "write a text file in UTF-8; is this file binary?"
    reason = getattr(error, "reason", "") or "this is no YAML"
    return str(reason), 1, "write a text file in UTF-8"

"""A Corefile with what is ours in it, and without: stub zones in a marked block, and names of the clusterset.

What stands there beside it stays as it is, to the byte. Pure; who writes it is decided elsewhere.
Names: CoreDNS 1.12.2 plugin/kubernetes (`multicluster`) and plugin/forward.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from isthmus.mesh import dns
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

DOMAIN: Final = "clusterset.local"
BEGIN: Final = "# isthmus: stub zones begin"
END: Final = "# isthmus: stub zones end"
MARK: Final = "# isthmus: clusterset"
_BLOCK = re.compile(rf"\n?{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", re.DOTALL)
_KUBERNETES = re.compile(r"^([ \t]*)kubernetes([ \t]+[^{#\n]*?)([ \t]*\{)[ \t]*$", re.MULTILINE)
_TOLD = re.compile(
    rf"^([ \t]*)kubernetes([^{{#\n]*?) {re.escape(DOMAIN)}([ \t]*\{{)[ \t]*\n"
    rf"[ \t]*multicluster {re.escape(DOMAIN)} {MARK}\n",
    re.MULTILINE,
)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+\S*custom/\*\.server[ \t]*$", re.MULTILINE)
_HEAD = re.compile(r"^(\S[^{#\n]*)\{[ \t]*(?:#.*)?$", re.MULTILINE)


def without(text: str) -> str:
    """Return a Corefile as it was before anything of ours."""
    return _TOLD.sub(r"\1kubernetes\2\3\n", _BLOCK.sub("", text))


def is_ours(text: str) -> bool:
    """Say whether anything of ours is in it."""
    return without(text) != text


def with_stubs(text: str, zones: dns.Stubs) -> str:
    """Return a Corefile that forwards these zones, and no other of ours."""
    bare = _BLOCK.sub("", text)
    if not zones:
        return bare
    end = "" if bare.endswith("\n") or not bare else "\n"
    return f"{bare}{end}\n{BEGIN}\n{dns.corefile(zones)}{END}\n"


def with_clusterset(text: str) -> str:
    """Return a Corefile that answers names of the clusterset; one that does already is left alone.

    Raises InputError where the plugin `kubernetes` has no block to write into.
    """
    if re.search(r"^[ \t]*multicluster\b", text, re.MULTILINE):
        return text
    told, count = _KUBERNETES.subn(
        rf"\1kubernetes\2 {DOMAIN}\3\n\1    multicluster {DOMAIN} {MARK}", text, count=1
    )
    if not count:
        raise errors.InputError(
            "names of the clusterset cannot be brought to this CoreDNS",
            why="its Corefile has no `kubernetes ZONES {` to write `multicluster` into",
            remedy="give the plugin a block, or leave out `network.clusterset`",
        )
    return told


def imports(text: str) -> bool:
    """Say whether it reads servers from ConfigMap coredns-custom, as AKS and k3s have it."""
    return bool(_IMPORT.search(text))


def reloads(text: str) -> bool:
    """Say whether CoreDNS reads a changed Corefile by itself."""
    return bool(re.search(r"^[ \t]*reload\b", text, re.MULTILINE))


def zones(text: str) -> Iterator[str]:
    """Yield the zones that its server blocks answer, without ports."""
    for head in _HEAD.findall(text):
        for name in head.split():
            yield name.removeprefix("dns://").rpartition(":")[0] if ":" in name else name

"""Paths as a proxy sees them when it authorizes: normalized, without query, and against templates.

MeshConfig `pathNormalization` (`pilot/pkg/networking/core/listener_builder.go`) sets Envoy's
`normalize_path`, `merge_slashes` and `path_with_escaped_slashes_action`; the first follows Chromium's
canonical paths.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE: Final = "{*}"
ANY: Final = "{**}"
LITERAL: Final = r"a-zA-Z0-9\-._~%!$&'()+,;:@="
"""The characters of a segment (Envoy `uri_template_lib/uri_template_internal.cc`)."""
UNRESERVED: Final = re.compile(r"%(2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])")
"""Escapes that a canonical path writes out: letters, digits, `-`, `.`, `_`, `~`."""
ESCAPED: Final = re.compile(r"[^\x21-\x7e]|[\"<>`{}^|]")
"""Characters that a canonical path escapes (`kPathCharLookup` of googleurl)."""


def normalize(path: str, mode: str) -> str:
    """Return a path without query and fragment, normalized as MeshConfig says (DEFAULT is BASE)."""
    plain = re.split(r"[?#]", path, maxsplit=1)[0]
    if mode == "NONE":
        return plain
    if mode == "DECODE_AND_MERGE_SLASHES":
        plain = re.sub("%2f", "/", plain, flags=re.IGNORECASE)
        plain = re.sub("%5c", r"\\", plain, flags=re.IGNORECASE)
    plain = _canonical(plain)
    if mode in {"MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"}:
        plain = re.sub("/{2,}", "/", plain)
    return plain


def _canonical(path: str) -> str:
    text = UNRESERVED.sub(lambda found: chr(int(found[1], 16)), path.replace("\\", "/"))
    kept: list[str] = []
    segments = text.split("/")[1:] if text.startswith("/") else text.split("/")
    for place, segment in enumerate(segments):
        is_last = place == len(segments) - 1
        if segment == ".." and kept:
            kept.pop()
        if segment in {".", ".."}:
            if is_last:
                kept.append("")
        else:
            kept.append(segment)
    return ESCAPED.sub(_escape, "/" + "/".join(kept))


def _escape(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def is_template(path: str) -> bool:
    """Say whether a path of a policy is a template."""
    return ONE in path or ANY in path


@functools.lru_cache(maxsize=4096)
def template(path: str) -> re.Pattern[str]:
    """Return what a template matches, to be matched in full; it knows nothing but whole segments."""
    known = {ONE: f"[{LITERAL}]+", ANY: f"[{LITERAL}/]*"}
    return re.compile("/".join(known.get(part) or re.escape(part) for part in path.split("/")))


def invalid(path: str) -> Iterator[str]:
    """Yield why a path of a policy is refused (CheckValidPathTemplate)."""
    is_closed = False
    for part in path.strip("/").split("/"):
        if part in {ONE, ANY}:
            if is_closed:
                yield f"'{path}' has an operator after {ANY}"
            is_closed = is_closed or part == ANY
        elif "{" in part or "}" in part:
            yield f"'{path}' has a brace that is neither {ONE} nor {ANY} alone between slashes"
        elif is_template(path) and not re.fullmatch(f"[{LITERAL}]+", part):
            yield f"'{path}' has the segment '{part}', which is no literal of a path"

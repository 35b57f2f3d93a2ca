"""Texts as other tools take them: plain descriptions, parts of identifiers."""

from __future__ import annotations

import functools
import re

PLAIN = re.compile(r"[^\w .,:;/()@+=&{}!$*\[\]-]", re.ASCII)
"""What some cloud refuses in a description; AWS is the strictest (EC2 API reference, IpRange)."""


def plain(text: str, longest: int) -> str:
    """Return a text as every cloud and nftables take it: no quotes, no line breaks, so long at most."""
    return " ".join(PLAIN.sub(" ", text).split())[:longest].rstrip()


@functools.lru_cache(maxsize=256)
def slug(text: str) -> str:
    """Return words as part of an identifier: `API server` is `api_server`."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")

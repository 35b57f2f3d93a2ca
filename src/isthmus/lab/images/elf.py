"""What a program needs beside itself to run: its loader and the libraries that it names.

Reads 64-bit little-endian ELF only, which is what Linux machines of today have; it resolves no path.
"""

from __future__ import annotations

import dataclasses
import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# elf.h: kinds of segments, and tags of the dynamic section
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_END, _NEEDED, _STRINGS, _RUNPATH, _RPATH = 0, 1, 5, 29, 15
_HEADER, _SEGMENT, _TAG = struct.Struct("<32xQ14xHH"), struct.Struct("<II6Q"), struct.Struct("<qQ")


@dataclasses.dataclass(frozen=True)
class Needs:
    """The loader's path or nothing, libraries by name, and where the program itself says they may be."""

    loader: str = ""
    libraries: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


def needs(path: Path) -> Needs | None:
    """Return what a program or library needs; None for a file that is no ELF, nothing for a static one."""
    with path.open("rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _read(data)
            except (struct.error, StopIteration):  # cut short: nothing could run it
                return None


def _read(data: mmap.mmap) -> Needs:
    segments = list(_segments(data))
    loader = next((_text(data, start) for kind, start, _, _ in segments if kind == _INTERPRETER), "")
    tags = [tag for kind, start, _, size in segments if kind == _DYNAMIC for tag in _tags(data, start, size)]
    address = dict(tags).get(_STRINGS)
    if address is None:
        return Needs(loader=loader)
    strings = next(
        address - virtual + start
        for kind, start, virtual, size in segments
        if kind == _LOAD and virtual <= address < virtual + size
    )
    paths = [_text(data, strings + at) for tag, at in tags if tag in {_RUNPATH, _RPATH}]
    return Needs(
        loader=loader,
        libraries=tuple(_text(data, strings + at) for tag, at in tags if tag == _NEEDED),
        search=tuple(part for path in paths for part in path.split(":")),
    )


def _segments(data: mmap.mmap) -> Iterator[tuple[int, int, int, int]]:
    """Yield kind, offset in the file, virtual address and size in the file of each segment."""
    table, size, count = _HEADER.unpack_from(data)
    for number in range(count):
        kind, _, offset, virtual, _, length, _, _ = _SEGMENT.unpack_from(data, table + number * size)
        yield kind, offset, virtual, length


def _tags(data: mmap.mmap, start: int, size: int) -> Iterator[tuple[int, int]]:
    for tag, value in _TAG.iter_unpack(data[start : start + size]):
        if tag == _END:
            return
        yield tag, value


def _text(data: mmap.mmap, start: int) -> str:
    return data[start : data.find(b"\0", start)].decode()

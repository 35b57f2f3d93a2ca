"""Numbers and ranges in the words that a reader expects."""

from __future__ import annotations

from isthmus.model import types


def percent(share: float) -> str:
    """Return a share as text; what is there is never told as nothing, nor what is left as all."""
    if share <= 0:
        return "0 %"
    if share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share * 100:.1f} %".replace(".0 %", " %")


def count(number: int, word: str) -> str:
    """Return a number with its word: `1 cluster`, `1,024 clusters`; IPv6 has more than anybody reads out."""
    plural = word if number == 1 else f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{amount(number)} {plural}"


def amount(number: int) -> str:
    """Return a number of any size."""
    if number < 1 << 40:
        return f"{number:,}"
    return f"2^{number.bit_length() - 1}" if number & (number - 1) == 0 else f"~2^{number.bit_length() - 1}"


def span(low: int, high: int) -> str:
    """Return one number, or the least and the greatest."""
    return str(low) if low == high else f"{low}–{high}"


def latency(found: tuple[float, float] | None) -> str:
    """Return one duration, or the shortest and the longest; nothing where none is stated."""
    if found is None:
        return ""
    low, high = (types.duration_text(each) for each in found)
    return low if low == high else f"{low}–{high}"


def cut(name: str, width: int) -> str:
    """Return a name in so many characters; its middle goes first, since names differ at their ends."""
    if len(name) <= width:
        return name
    head = max(1, (width - 1) // 2)
    tail = max(0, width - 1 - head)
    return f"{name[:head]}…{name[len(name) - tail :]}"

"""Sets of ports as rows that scripts read, and as words that people do."""

from __future__ import annotations

import pytest

from isthmus.policy import ports
from isthmus.render import connections

TCP, UDP, ICMP = ports.Protocol.TCP, ports.Protocol.UDP, ports.Protocol.ICMP
WEB = ports.interval(TCP, 80, 80)
CASES: list[tuple[str, ports.Ports, list[tuple[str, str]], str]] = [
    ("everything", ports.ALL, [("all", "all")], "all"),
    ("nothing", ports.NONE, [], "none"),
    ("a port", WEB, [("tcp", "80")], "TCP 80"),
    (
        "ports and ranges of two protocols",
        ports.union(ports.union(WEB, ports.interval(TCP, 9000, 9100)), ports.interval(UDP, 53, 53)),
        [("tcp", "80,9000-9100"), ("udp", "53")],
        "TCP 80,9000-9100; UDP 53",
    ),
    ("a whole protocol", ports.whole(TCP), [("tcp", "1-65535")], "TCP all"),
    ("types of ICMP", ports.interval(ICMP, 8, 8), [("icmp", "8")], "ICMP 8"),
    (
        "everything but a port",
        ports.difference(ports.ALL, WEB),
        [("tcp", "1-79,81-65535"), ("udp", "1-65535"), ("sctp", "1-65535")],
        "all but TCP 80",
    ),
]


@pytest.mark.parametrize(("held", "rows", "words"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_set_is_rows_for_scripts_and_words_for_people(
    held: ports.Ports, rows: list[tuple[str, str]], words: str
) -> None:
    assert list(connections.spelled(held)) == rows
    assert connections.brief(held) == words

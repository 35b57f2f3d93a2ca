from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import ports

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def reserved() -> Iterator[ports.Reservation]:
    reservation = ports.Reservation()
    yield reservation
    reservation.release()


def _serve(port: int) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Go's net.Listen does
    server.bind((ports.HOST, port))
    server.listen()
    return server


def test_found_ports_lie_below_the_ephemeral_range(reserved: ports.Reservation) -> None:
    found = reserved.find(20, taken=(), seed="a")

    assert len(set(found)) == 20
    assert all(20000 <= port <= 32767 for port in found)


def test_a_server_takes_a_reserved_port(reserved: ports.Reservation) -> None:
    (port,) = reserved.find(1, taken=(), seed="b")

    with _serve(port), socket.create_connection((ports.HOST, port), timeout=2):
        pass


def test_a_second_lab_does_not_find_what_the_first_reserved(reserved: ports.Reservation) -> None:
    first = reserved.find(5, taken=(), seed="c")
    other = ports.Reservation()
    try:
        second = other.find(5, taken=(), seed="c")
    finally:
        other.release()

    assert not set(first) & set(second)


def test_a_port_of_a_stopped_lab_is_not_found(reserved: ports.Reservation) -> None:
    (first,) = reserved.find(1, taken=(), seed="d")
    reserved.release()

    assert reserved.find(1, taken={first}, seed="d") != [first]


def test_a_port_somebody_listens_on_is_not_taken(reserved: ports.Reservation) -> None:
    (port,) = reserved.find(1, taken=(), seed="e")
    reserved.release()

    with _serve(port):
        assert not reserved.take(port)

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.engine import bundle, voters
from isthmus.model import errors
from tests import memory
from tests.engine_journal.test_record import bodies

KEY = "data.app"


def stored(pinned: bundle.Bundle, spoil: str = "") -> tuple[bundle.Bundle, memory.Server]:
    server = memory.Server("west")

    async def story() -> bundle.Bundle:
        api = memory.MemoryApi(server, memory.Process())
        for _ in range(2):  # repeatable
            assert await bundle.store(api, pinned, KEY) == pinned.digest
        if spoil:
            server.objects["secrets", voters.NAMESPACE, spoil]["data"]["piece"] = base64.b64encode(
                b"{}\nx"
            ).decode()
        return await bundle.load(api, pinned.digest, KEY)

    return memory.run(story()), server


@given(st.binary(max_size=64), bodies)
def test_a_bundle_comes_back(archive: bytes, values: dict[str, Any]) -> None:
    pinned = bundle.Bundle(archive=archive, values=values, metadata={"chart": "cassandra"})

    assert stored(pinned)[0] == pinned


@given(bodies, bodies)
def test_the_digest_knows_content_and_not_order(one: dict[str, Any], two: dict[str, Any]) -> None:
    backwards = dict(reversed(one.items()))

    assert bundle.digest(b"chart", one) == bundle.digest(b"chart", backwards)
    assert (bundle.digest(b"chart", one) == bundle.digest(b"chart", two)) == (one == two)
    assert bundle.digest(b"chart", one) != bundle.digest(b"other", one)


def test_a_large_bundle_is_cut_into_immutable_secrets() -> None:
    pinned = bundle.Bundle(archive=bytes(1_300_000), values={"password": "hunter22"})
    found, server = stored(pinned)

    assert found == pinned
    name = f"bundle.{KEY}.{pinned.digest[:12]}"
    assert sorted(label for _, _, label in server.objects) == [name, f"{name}.0", f"{name}.1", f"{name}.2"]
    assert all(body["immutable"] for body in server.objects.values())


def test_a_changed_bundle_is_refused_without_its_values() -> None:
    pinned = bundle.Bundle(archive=b"chart", values={"password": "hunter22"})
    with pytest.raises(errors.ConflictError) as caught:
        stored(pinned, spoil=f"bundle.{KEY}.{pinned.digest[:12]}.0")

    assert caught.value.why == "its content has another digest"
    assert "hunter22" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_neither_values_nor_archive_show() -> None:
    assert repr(bundle.Bundle(archive=b"hunter22", values={"password": "hunter22"})) == "Bundle(metadata={})"


def test_a_deleted_bundle_is_gone_whole() -> None:
    server = memory.Server("west")
    pinned = bundle.Bundle(archive=bytes(600_000), values={})

    async def story() -> None:
        api = memory.MemoryApi(server, memory.Process())
        await bundle.store(api, pinned, KEY)
        assert await bundle.delete(api, pinned.digest, KEY) is True
        assert await bundle.delete(api, pinned.digest, KEY) is False
        with pytest.raises(errors.ConflictError, match="does not exist"):
            await bundle.load(api, pinned.digest, KEY)

    memory.run(story())
    assert server.objects == {}


def test_apps_with_the_same_content_keep_a_bundle_each() -> None:
    server = memory.Server("west")
    pinned = bundle.Bundle(archive=b"chart", values={"a": 1})

    async def story() -> None:
        api = memory.MemoryApi(server, memory.Process())
        for key in (KEY, "data.other"):
            await bundle.store(api, pinned, key)
        assert await bundle.delete(api, pinned.digest, "data.other") is True
        assert await bundle.load(api, pinned.digest, KEY) == pinned

    memory.run(story())


def test_values_that_are_no_json_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        bundle.digest(b"", {"a": float("nan")})

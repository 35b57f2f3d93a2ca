"""A machine that cannot run real nodes is told what it lacks, all of it, before anything starts."""

from __future__ import annotations

import os
import sys

import pytest

from isthmus.lab.network import requirements
from isthmus.model import errors

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the profile network is refused elsewhere")


@pytest.fixture
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_one_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(errors.ToolError) as refused:
        requirements.check()

    assert "you are not root" in refused.value.why
    assert "sudo" in refused.value.remedy


@pytest.mark.usefixtures("_root")
def test_every_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "PATH", "/nowhere")

    with pytest.raises(errors.ToolError) as refused:
        requirements.check()

    assert "ip (iproute2)" in refused.value.why
    assert "unshare (util-linux)" in refused.value.why
    assert "install" in refused.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may try namespaces out")
def test_what_the_kernel_refuses_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path))
    monkeypatch.setattr(
        requirements,
        "TRIALS",
        {"tea (CONFIG_TEA)": "ip link add t0 type tea", "a loopback": "ip link show lo"},
    )

    with pytest.raises(errors.ToolError) as refused:
        requirements.check()

    assert refused.value.why == "the kernel refuses tea (CONFIG_TEA)"
    assert "--profile control" in refused.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may try namespaces out")
def test_a_way_that_the_kernel_refuses_is_not_proved_and_asked_for_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path))
    monkeypatch.setattr(requirements, "TRIALS", {"a loopback": "ip link show lo"})
    tea = ("tea (CONFIG_TEA)", "ip link add t0 type tea")
    monkeypatch.setattr(requirements, "WAYS", {"tea": tea, "plain": ("a loopback", "ip link show lo")})

    requirements.check(["plain"])
    with pytest.raises(errors.ToolError) as refused:
        requirements.check(["plain", "tea"])

    assert refused.value.what == "tea: not proved on this kernel"
    assert "CONFIG_TEA" in refused.value.why

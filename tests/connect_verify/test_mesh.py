"""On a real mesh the matrix is green; what is broken turns the right cell red and names the leg."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from isthmus.cli import permissions
from isthmus.clients import kube, kubeconfig
from isthmus.model import errors
from isthmus.rollout.connect.proof import questions
from tests.connect_verify import meshes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("network"),
]

ELSEWHERE = {
    questions.Leg.NAME,
    questions.Leg.MESHED_LOCAL,
    questions.Leg.MESHED_REMOTE,
    questions.Leg.PLAIN_REFUSED,
}
"""Legs that take a clusterset or Istio: `connect_istio` has both."""
PAIRS = [(one, other) for one in meshes.CLUSTERS for other in meshes.CLUSTERS]
BETWEEN = [("west", "east"), ("east", "west")]
INSIDE = [("west", "west"), ("east", "east")]


def test_a_mesh_that_works_is_green_on_every_leg_and_keeps_nothing(mesh: meshes.Mesh) -> None:
    found = mesh.verify("--throughput", "1")

    assert meshes.states(found) == dict.fromkeys(PAIRS, "ok")
    for leg in set(questions.Leg) - ELSEWHERE:
        pairs = BETWEEN if leg is questions.Leg.PACKET else PAIRS
        assert meshes.states(found, leg.value) == dict.fromkeys(pairs, "ok"), leg
    assert set(meshes.proof(found, "west", "east", "service-local")["answered_by"]) == {"west", "east"}
    assert set(meshes.proof(found, "west", "east", "service-remote")["answered_by"]) == {"east"}
    assert meshes.proof(found, "west", "east", "packet")["figures"] == {"planned": 1350, "largest": 1350}
    assert 0 < meshes.proof(found, "west", "east", "latency")["figures"]["p50_ms"] < 1000
    stream = meshes.proof(found, "west", "east", "throughput")["figures"]
    assert stream["mbit_s"] > 10
    assert stream["processors"] >= 0
    assert stream["headers"] == round(1 - 1350 / 1400, 4)
    assert not any(mesh.has_probes(each) for each in meshes.CLUSTERS)


def test_a_path_that_is_cut_turns_both_ways_red_and_neither_cluster_itself(mesh: meshes.Mesh) -> None:
    with mesh.cut():
        found = mesh.verify(code=1)

    assert meshes.states(found) == dict.fromkeys(BETWEEN, "failed") | dict.fromkeys(INSIDE, "ok")
    for leg in ("pod-tcp", "pod-udp", "service-remote", "service-local", "latency"):
        assert meshes.states(found, leg) == dict.fromkeys(BETWEEN, "failed") | dict.fromkeys(INSIDE, "ok")
    assert {meshes.states(found, "policy")[pair] for pair in BETWEEN} == {"not-proved"}
    assert not any(mesh.has_probes(each) for each in meshes.CLUSTERS)


def test_a_path_that_drops_what_the_plan_lets_through_turns_the_packet_red(mesh: meshes.Mesh) -> None:
    with mesh.narrow(1300):
        found = mesh.verify(code=1)

    # Westward the packets are dropped at the narrow end; eastward the router there cuts the tunnel's own
    # packets, which no pod can see.
    assert meshes.states(found, "packet") == {("west", "east"): "ok", ("east", "west"): "failed"}
    narrow = meshes.proof(found, "east", "west", "packet")
    assert 1200 < narrow["figures"]["largest"] <= 1260
    assert "1350 are planned" in narrow["why"]
    assert meshes.states(found) == dict.fromkeys(PAIRS, "ok") | {("east", "west"): "failed"}


def test_without_the_mesh_s_server_new_backends_are_not_reached_by_name(mesh: meshes.Mesh) -> None:
    with mesh.deaf("east"):
        found = mesh.verify(code=1)

    for leg in ("service-remote", "service-local"):
        assert meshes.states(found, leg) == dict.fromkeys(BETWEEN, "failed") | dict.fromkeys(INSIDE, "ok")
    assert {meshes.states(found, "pod-tcp")[pair] for pair in INSIDE} == {"ok"}


def test_a_cluster_that_does_not_answer_hides_no_other(mesh: meshes.Mesh) -> None:
    found = mesh.verify(code=3, env={"KUBECONFIG": str(mesh.without("east"))})

    assert meshes.states(found, "pod-tcp") == dict.fromkeys(PAIRS, "not-proved") | {("west", "west"): "ok"}
    told = {each["cluster"]: each["error"] for each in found["clusters"]}
    assert told["west"] is None
    assert told["east"]
    assert not mesh.has_probes("west")


def test_an_image_that_nobody_has_is_named_and_nothing_passes(mesh: meshes.Mesh) -> None:
    done = mesh.run("verify", "--image", "127.0.0.1:1/none:v1", code=1)

    assert "127.0.0.1:1/none:v1" in done.said
    assert "not proved" in done.out
    assert " ok" not in done.out
    assert not any(mesh.has_probes(each) for each in meshes.CLUSTERS)


def test_an_interrupted_run_takes_its_probes_away(mesh: meshes.Mesh) -> None:
    process = _started(mesh)

    process.send_signal(signal.SIGINT)
    code = meshes.wait(process, 120)

    assert code == 130
    assert not any(mesh.has_probes(each) for each in meshes.CLUSTERS)


def test_what_a_killed_run_left_is_taken_over_and_goes(mesh: meshes.Mesh) -> None:
    process = _started(mesh)
    process.kill()
    process.wait(10)
    assert all(mesh.has_probes(each) for each in meshes.CLUSTERS)

    found = mesh.verify()

    assert set(meshes.states(found).values()) == {"ok"}
    assert not any(mesh.has_probes(each) for each in meshes.CLUSTERS)


def test_what_permissions_prints_is_enough_and_the_namespace_it_has_stays(mesh: meshes.Mesh) -> None:
    person = mesh.person(
        [
            each
            for each, _ in permissions.build(
                "connect verify", namespace="default", group="system:serviceaccounts:people"
            )
        ]
    )
    try:
        found = mesh.verify(env={"KUBECONFIG": str(person)})
        left = {name: mesh.left_in(name) for name in meshes.CLUSTERS}
    finally:
        for name in meshes.CLUSTERS:
            mesh.lab.api(name).delete(meshes.PROBES)
            mesh.lab.api(name).delete(f"{meshes.PROBES}-mesh")
        meshes.until(lambda: not any(mesh.has_probes(each) for each in meshes.CLUSTERS))

    assert set(meshes.states(found).values()) == {"ok"}
    assert left == {name: [] for name in meshes.CLUSTERS}


def _started(mesh: meshes.Mesh) -> subprocess.Popen[str]:
    """Start a run, and return when its pods are there."""
    process = subprocess.Popen(
        mesh.command("verify"), env=mesh.env, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        # Shells start what runs in the background with Ctrl-C switched off, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )  # fmt: skip

    def has_pods() -> bool:
        pods = [mesh.lab.api(each).get(f"{meshes.PROBES}/pods") or {} for each in meshes.CLUSTERS]
        return all(each.get("items") for each in pods)

    meshes.until(has_pods)
    return process


@contextlib.asynccontextmanager
async def _west(mesh: meshes.Mesh) -> AsyncIterator[tuple[kube.Cluster, str]]:
    """The API server of west, and a pod there that commands run in."""
    contexts = kubeconfig.load([mesh.lab.kubeconfig_path])
    pods = mesh.lab.api("west").get(f"{meshes.PROBES}/pods")["items"]
    ready = [each for each in pods if each["status"].get("phase") == "Running"]
    async with kube.Cluster("west", contexts.get(mesh.lab.clusters["west"].context)) as server:
        yield server, ready[0]["metadata"]["name"]


async def test_a_command_in_a_pod_ends_with_its_output_its_code_or_a_reason(mesh: meshes.Mesh) -> None:
    mesh.verify("--keep")
    try:
        async with _west(mesh) as (server, pod):

            async def run(*words: str, name: str = pod, seconds: float = 20.0) -> tuple[int, bytes, bytes]:
                done = await server.run("isthmus-probe", name, words, container="probe", seconds=seconds)
                return done.code, done.stdout, done.stderr

            assert await run("sh", "-c", "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
            code, out, _ = await run("sh", "-c", "head -c 300000 /dev/zero")
            assert (code, len(out)) == (0, 300_000)
            with pytest.raises(errors.DeadlineError, match="did not end in 1 s"):
                await run("sleep", "30", seconds=1.0)
            with pytest.raises(errors.ToolError, match="no-such-program"):
                await run("no-such-program")
            with pytest.raises(errors.DeniedError):
                await run("true", name="no-such-pod")
            with pytest.raises(errors.UnauthenticatedError):
                await server.as_token("nobody").run(
                    "isthmus-probe", pod, ["true"], container="probe", seconds=10.0
                )
            assert await asyncio.gather(*(run("echo", str(each)) for each in range(20))) == [
                (0, f"{each}\n".encode(), b"") for each in range(20)
            ]
    finally:
        mesh.verify()
    assert not mesh.has_probes("west")

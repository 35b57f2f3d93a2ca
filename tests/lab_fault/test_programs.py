"""Nodes and their programs that are killed, frozen or refused, and how they come back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from isthmus.lab.images import catalog
from isthmus.model import errors
from tests.lab_network import nets

if TYPE_CHECKING:
    from isthmus.lab.faults import making
    from tests.lab_fault.ends import Ends

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("network"),
]


def _runs(faults: making.Faults, program: str) -> bool:
    """Say whether a program runs on a node: a kubelet starts some time after its node."""
    with contextlib.suppress(errors.InputError):
        return bool(faults.killed("west", program))
    return False


def test_a_frozen_kubelet_is_thawed_as_the_same_process(ends: Ends) -> None:
    with ends.faults() as faults:
        nets.until(lambda: _runs(faults, "kubelet"))
        step = faults.frozen("west", "kubelet")
        made = faults.make(step)
        assert faults.state(made) == "in force"

        faults.heal(made)

        assert faults.frozen("west", "kubelet").deed == step.deed


def test_a_killed_kubelet_is_started_again_by_its_node(ends: Ends) -> None:
    with ends.faults() as faults:
        nets.until(lambda: _runs(faults, "kubelet"))
        made = faults.make(faults.killed("west", "kubelet"))
        nets.until(lambda: faults.state(made) == "gone")


def test_a_program_in_a_pod_is_killed_by_its_name_and_started_again_by_the_kubelet(ends: Ends) -> None:
    path, api = "/api/v1/namespaces/default/pods/server", ends.lab.api("west")
    container = {"name": "main", "image": catalog.ref("busybox"), "command": ["probe", "serve"]}
    own = {"containers": [container], "nodeName": ends.here.name, "terminationGracePeriodSeconds": 0}
    nets.until(lambda: api.get("/api/v1/namespaces/default/serviceaccounts/default"))
    # A pod of the node's own network needs no CNI, and this bare lab has none.
    api.create(
        "/api/v1/namespaces/default/pods",
        {
            "metadata": {"name": "server"},
            "spec": {**own, "hostNetwork": True, "tolerations": [{"operator": "Exists"}]},
        },
    )
    try:
        with ends.faults() as faults:
            nets.until(lambda: _runs(faults, "probe"))
            made = faults.make(faults.killed("west", "probe"))
            faults.heal_these([made])
            nets.until(lambda: _restarts(api.get(path)) == 1)
    finally:
        api.delete(f"{path}?gracePeriodSeconds=0")
        nets.until(lambda: api.get(path) is None)


def _restarts(pod: nets.Json) -> int:
    return sum(each["restartCount"] for each in pod["status"].get("containerStatuses", ()))


def test_a_killed_node_is_down_until_it_is_healed(ends: Ends) -> None:
    name = ends.here.name
    with ends.faults() as faults:
        made = faults.make(faults.killed_node("west", name))
        assert faults.state(made) == "in force"
        assert not ends.lab.clusters["west"].processes.get(name)

        faults.heal_these([made])

    assert ends.lab.is_up
    assert ends.ask().answered == 1


def test_a_frozen_node_answers_nothing_until_it_is_thawed(ends: Ends) -> None:
    with ends.faults() as faults:
        made = faults.make(faults.frozen("west", ends.here.name))
        assert ends.lab.clusters["west"].processes[ends.here.name].is_frozen()

        faults.heal(made)

    assert ends.lab.is_up


def test_what_does_not_run_is_refused_with_what_does(ends: Ends) -> None:
    with ends.faults() as faults:
        nets.until(lambda: _runs(faults, "kubelet"))
        with pytest.raises(errors.InputError, match="agent does not run") as refused:
            faults.killed("west", "agent")  # no CNI is in a bare lab

    assert "kubelet" in refused.value.remedy
    assert "etcd" in refused.value.remedy


def test_a_node_that_is_not_there_is_refused(ends: Ends) -> None:
    with ends.faults() as faults, pytest.raises(errors.InputError, match="no node 'x'") as refused:
        faults.killed_node("west", "x")

    assert ends.here.name in refused.value.remedy


def test_a_kubelet_with_an_expired_certificate_is_not_admitted_until_it_is_healed(ends: Ends) -> None:
    beat = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{ends.here.name}"
    api = ends.lab.api("west")
    nets.until(lambda: api.get(beat) is not None)  # a kubelet registers its node first
    with ends.faults() as faults:
        made = faults.make(faults.expired("west", ends.here.name, authority=None))
        log = ends.lab.clusters["west"].folder / "nodes" / ends.here.name / "root/var/log/kubelet.log"
        nets.until(lambda: "Unauthorized" in log.read_text(errors="replace"))
        last = api.get(beat)["spec"]["renewTime"]

        faults.heal(made)

    nets.until(lambda: api.get(beat)["spec"]["renewTime"] > last)

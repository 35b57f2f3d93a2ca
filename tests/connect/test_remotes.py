"""Clusters without an istiod: what they and their primary are told, and what is refused."""

from __future__ import annotations

import base64
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.mesh import cilium, readers, remotes
from isthmus.model import fleet as fleets
from isthmus.rollout import release
from isthmus.rollout.connect import closings, istio, meshstate, system
from tests.connect import test_istio as scenes

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
OURS = remotes.service()


def fleet(*, waves: Sequence[Sequence[str]] | None = None, **primary: str) -> fleets.Fleet:
    """Return a Fleet of north, west and east; `primary` is whose istiod each uses."""
    network: dict[str, Any] = {"cni": "cilium"}
    if waves is not None:
        network["rollout"] = {"waves": waves}
    clusters = [
        {"name": name, "id": number, "nodes": 1, "istio": {"primary": primary.get(name)}}
        for number, name in enumerate(("north", "west", "east"), start=1)
    ]
    stated = {**scenes.STATED, "topology": "primary-remote"}
    spec = {"network": network, "mesh": {"istio": stated}, "clusters": clusters}
    return fleets.Fleet.model_validate({"metadata": {"name": "shop"}, "spec": spec})


@pytest.mark.parametrize(
    ("known", "waves"),
    [
        (fleet(), (("north",), ("west", "east"))),
        (fleet(east="west"), (("west",), ("north",), ("east",))),
        (fleet(north="west", east="west"), (("west",), ("north", "east"))),
    ],
)
def test_without_waves_a_primary_comes_first_and_its_remotes_last(
    known: fleets.Fleet, waves: tuple[tuple[str, ...], ...]
) -> None:
    assert system.default_waves(known) == waves


@pytest.mark.parametrize(
    ("known", "codes"),
    [
        (fleet(east="west"), []),
        (fleet(east="west", waves=[["west", "east"], ["north"]]), ["remote-before-primary"]),
        (fleet(east="west", waves=[["east"], ["west", "north"]]), ["remote-before-primary"]),
        (fleet(east="west", waves=[["west"], ["east", "north"]]), []),
    ],
)
def test_waves_in_which_a_remote_does_not_come_after_its_primary_are_refused(
    known: fleets.Fleet, codes: list[str]
) -> None:
    assert [each.code for each in istio.findings(known)] == codes


def test_a_remote_is_told_the_root_and_its_name_and_gets_no_address() -> None:
    known = fleet(east="west")

    values = istio.values(known, known.cluster("east"), istio.ISTIOD, "", None, ROOT)
    base = istio.values(known, known.cluster("east"), istio.BASE, "", None, ROOT)

    assert values["profile"] == base["profile"] == "remote"
    assert base["defaultRevision"] == ""
    assert values["istiodRemote"]["injectionPath"] == "/inject/cluster/east/net/network1"
    assert base64.b64decode(values["istiodRemote"]["injectionCABundle"]).decode() == ROOT
    assert "remotePilotAddress" not in values["global"]
    assert values["meshConfig"]["trustDomain"] == "shop.local"


def test_a_primary_with_remotes_alone_shares_its_service_and_gives_pods_the_root() -> None:
    known = fleet(east="west")

    found = {
        name: istio.values(known, known.cluster(name), istio.ISTIOD, "mark", None, ROOT)
        for name in ("west", "north")
    }

    assert found["west"]["pilot"]["serviceAnnotations"] == {"service.cilium.io/global": "true"}
    assert "      QUJD\n" in found["west"]["sidecarInjectorWebhook"]["templates"]["isthmus-root"]
    assert "sidecarInjectorWebhook" not in found["north"]
    assert "serviceAnnotations" not in found["north"]["pilot"]


def test_only_the_operator_of_a_remote_writes_endpoint_slices_of_others() -> None:
    known = fleet(east="west")

    def told(each: fleets.Cluster) -> Any:
        return cilium.values(known, each, pods=("10.0.0.0/16",), all_pods=())["clustermesh"]

    key = "enableEndpointSliceSynchronization"
    assert {each.name: told(each).get(key) for each in known.clusters} == {
        "north": None,
        "west": None,
        "east": True,
    }


def test_the_ports_of_the_service_have_the_names_of_istiods_own() -> None:
    known = {each["name"]: (each["port"], each["targetPort"]) for each in OURS["spec"]["ports"]}

    assert known == {
        "grpc-xds": (15010, 15010),
        "https-dns": (15012, 15012),
        "https-webhook": (443, 15017),
        "http-monitoring": (15014, 15014),
    }


def test_a_remote_reads_nobody_and_has_no_policy_of_its_own() -> None:
    known = fleet(north="west", east="west")
    seen = {name: scenes.facts(name, "west") for name in ("north", "west", "east")}
    bare = {name: dataclasses.replace(one, policies=()) for name, one in seen.items()}

    found = closings.of(known, tuple(bare), bare, now=scenes.NOW)

    assert [(each.cluster, each.kind, each.remote) for each in found] == [
        ("west", "Secret", "north"),
        ("west", "Secret", "east"),
        ("west", "PeerAuthentication", None),
    ]
    assert not list(closings.findings(known, tuple(bare), bare))


ISTIOD = {"metadata": {"name": "istiod"}}
RELEASED = {"istiod": release.Release.__new__(release.Release)}


@pytest.mark.parametrize(
    ("east", "west", "chosen", "codes"),
    [
        ({"service": OURS}, {"releases": RELEASED}, ("east",), []),
        ({"service": OURS}, {}, ("east", "west"), []),
        ({"service": OURS}, {}, ("east",), ["no-primary"]),
        ({"deployment": ISTIOD}, {}, ("east", "west"), ["istiod-in-remote"]),
        ({}, {"service": OURS}, ("east", "west"), ["was-remote"]),
    ],
)
def test_a_cluster_does_not_change_sides_in_place_nor_come_without_its_primary(
    east: dict[str, Any], west: dict[str, Any], chosen: tuple[str, ...], codes: list[str]
) -> None:
    seen = {"east": istio.Facts(cluster="east", **east), "west": istio.Facts(cluster="west", **west)}

    assert [each.code for each in istio.changed(fleet(east="west"), seen, chosen)] == codes


@pytest.mark.parametrize(
    ("gone", "codes"),
    [(("west",), ["remotes-left"]), (("east", "west"), []), (("east",), [])],
)
def test_a_primary_does_not_go_before_its_remotes(gone: tuple[str, ...], codes: list[str]) -> None:
    seen = {name: istio.Facts(cluster=name, releases=RELEASED) for name in ("north", "west", "east")}

    assert [each.code for each in istio.orphaned(fleet(east="west"), seen, gone)] == codes


def test_a_root_is_not_replaced_while_pods_of_remotes_hold_the_old_one() -> None:
    assert [each.code for each in istio.rooted(fleet(east="west"))] == ["root-in-pods"]
    assert istio.rooted(fleet()) == ()


@pytest.mark.parametrize(("service", "missing"), [(OURS, False), (None, True)])
def test_a_remote_that_lost_its_way_to_istiod_is_red(service: dict[str, Any] | None, missing: bool) -> None:
    known = fleet(east="west")
    silent = {name: istio.Facts(cluster=name, error="x") for name in ("north", "west")}
    seen = {**silent, "east": dataclasses.replace(scenes.facts("east", "west"), service=service)}

    codes = [each.code for each in meshstate.judge(known, seen, {}, {}, now=scenes.NOW)]

    assert ("istiod-not-reached" in codes) is missing
    assert "remote-not-read" not in codes


def test_a_service_that_is_written_again_has_nothing_of_its_server() -> None:
    live = {**OURS, "metadata": {**OURS["metadata"], "uid": "1"}, "spec": {"clusterIP": "10.0.0.1"}}

    assert remotes.bare(live) == OURS
    assert not remotes.is_ours({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}})
    assert OURS["metadata"]["namespace"] == readers.NAMESPACE

"""Right folders with something changed: findings with a place, and never a traceback or a silent accept.

`ISTHMUS_MUTATIONS=10000` runs as many as that; every run tries some.
"""

from __future__ import annotations

import copy
import ipaddress
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.model import finding, folder
from isthmus.network import plan

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = int(os.environ.get("ISTHMUS_MUTATIONS", "150"))

FLEET = """\
apiVersion: isthmus.dev/v1alpha1
kind: Fleet
metadata: {name: shop}
spec:
  addressing:
    pods: {supernets: [10.0.0.0/10, 'fd00:10::/40'], nodeMask: 24, nodeMaskV6: 64}
    services: {supernets: [10.96.0.0/12, 'fd00:20::/64'], mask: 20, maskV6: 112}
    nodes: {supernets: [10.64.0.0/12]}
    avoid: [172.17.0.0/16, 10.4.0.0/14]
  network: {cni: cilium, version: '1.20', routing: tunnel, encapsulation: vxlan, encryption: wireguard}
  mesh: {istio: {enabled: true, topology: multi-primary, trustDomain: shop.local}}
  paths:
  - {between: [us-west4, us-east1], mtu: 1460, latency: 60ms}
  - {between: [us-west4, eu-central-1], via: aws-vpn}
  witness: {context: ops}
  clusters:
  - {name: west, id: 1, region: us-west4, provider: gcp, account: a, vpc: v, nodes: 30, podsPerNode: 110}
  - {name: east, id: 2, region: us-east1, nodes: 30, growth: 3, pods: '10.8.0.0/16,fd00:10:ff::/48'}
  - {name: eks, id: 3, region: eu-central-1, provider: aws, nodes: 9, network: {ipam: eni, mtu: 9001}}
  - {name: aks, id: 4, provider: azure, nodes: 9, services: 10.100.0.0/20, nodeRange: 10.70.0.0/24, mtu: 1500}
"""

RANGES = [
    "10.0.0.0/8",
    "10.0.0.1/8",
    "10.96.0.0/11",
    "0.0.0.0/0",
    "::/0",
    "fd00::/7",
    "fd00::1/64",
    "fe80::/64",
    "::ffff:10.0.0.0/104",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "172.17.0.0/16",
    "240.240.0.0/24",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0.0/32",
    "10.0.0.0/16,10.1.0.0/16",
    "fd00::/48,10.9.0.0/16",
    "16/10.0.0.0",
    "10.9.0.0-10.8.0.0",
    "10.0.0.0",
    "10.1.0.0/-1",
    "10.1.0.0/255.255.0.0",
    " 10.9.0.0/16 ",
]
ODD: st.SearchStrategy[Any] = (
    st.sampled_from(RANGES)
    | st.integers(-2, 200)
    | st.sampled_from([0, 2**31, 2**200, -(2**70), 1e300, 0.1, 1.5, 65536, 511, 512, 256])
    | st.sampled_from(["none", "cilium", "native", "geneve", "ipv6", "ipsec", "ambient", "ClusterIP", "gke"])
    | st.sampled_from(["vpc-cni", "aks-overlay", "kind", "kubeadm", "1.19", "aws-tgw", "primary-remote"])
    | st.none()
    | st.booleans()
    | st.text(max_size=6)
    | st.lists(st.sampled_from(RANGES), max_size=3)
    | st.sampled_from([{}, [], [[]], {"ipam": "eni"}, {"a": {}}])
)
CHANGES = ["kin", "kin", "kin", "kin", "near", "near", "reverse", "drop", "double", "add", "set"]
WORDS = [
    *("none", "cilium", "native", "tunnel", "geneve", "ipsec", "wireguard", "1.19", "1.20.2", "gcp", "aws"),
    *("azure", "kind", "kubeadm", "gke", "eni", "vpc-cni", "aks-overlay", "us-west4", "us-east1", "x", "v"),
]
RIGHT = [
    *("10.0.0.0/9", "10.64.0.0/10", "10.8.0.0/13", "10.96.0.0/28", "172.17.0.0/16", "240.240.0.0/24"),
    *("fd00:10::/48", "fd00::/8", "fe80::/64", "127.0.0.0/8", "8.0.0.0/8", "10.8.0.0/32", "2001:db8::/128"),
]
EXTRA = st.sampled_from(
    [
        *("pods", "services", "nodeRange", "provider", "network", "nodes", "growth", "podsPerNode", "mtu"),
        *("addressing", "avoid", "supernets", "nodeMask", "nodeMaskV6", "mask", "maskV6", "istio", "vpc"),
        *("paths", "witness", "mesh", "underlay", "exposure", "maxConnectedClusters", "ipam", "version"),
    ]
)


def places(data: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of everything below a value."""
    pairs: list[tuple[str | int, Any]] = []
    if isinstance(data, dict):
        pairs = list(data.items())
    elif isinstance(data, list):
        pairs = list(enumerate(data))
    for key, value in pairs:
        yield (*path, key)
        yield from places(value, (*path, key))


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """Draw the Fleet with one to three places changed, taken out, doubled, moved or added."""
    fleet = yaml.safe_load(FLEET)
    for _ in range(draw(st.integers(1, 3))):
        known = [path for path in places(fleet) if len(path) > 1]
        path = draw(st.sampled_from(known))
        holder: Any = fleet
        for part in path[:-1]:
            holder = holder[part]
        change = draw(st.sampled_from(CHANGES))
        _change(draw, change, holder, path[-1])
    text: str = yaml.safe_dump(fleet, sort_keys=False, allow_unicode=True)
    return text


def _change(draw: st.DrawFn, change: str, holder: Any, key: str | int) -> None:
    value = holder[key]
    if change == "drop":
        del holder[key]
    elif change == "double" and isinstance(holder, list):
        holder.append(copy.deepcopy(value))
    elif change == "reverse" and isinstance(value, list):
        value.reverse()
    elif change == "add" and isinstance(value, dict):
        value[draw(EXTRA)] = copy.deepcopy(draw(ODD))
    elif change == "kin" and isinstance(value, str):
        holder[key] = draw(st.sampled_from(RIGHT if "/" in value else WORDS))
    elif change in {"near", "kin"} and isinstance(value, int) and not isinstance(value, bool):
        holder[key] = value + draw(st.sampled_from([-1, 1, 3, 64, -value, 254, 100_000]))
    elif change == "near" and isinstance(value, str) and "/" in value:
        holder[key] = f"{value.partition('/')[0]}/{draw(st.integers(0, 129))}"
    else:
        holder[key] = copy.deepcopy(draw(ODD))


@pytest.mark.timeout(120 + COUNT)
@settings(
    max_examples=COUNT,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(mutations())
def test_a_changed_fleet_gives_findings_with_a_place_or_a_plan(text: str) -> None:
    parsed = folder.parse([("fleet.yaml", text)])
    findings = list(parsed.findings)
    assert (parsed.folder is None) == finding.has_errors(findings)
    if parsed.folder is not None:
        _look_again(text)
        planned = plan.plan(parsed.folder)
        findings += planned.findings
        names = [each.name for each in parsed.folder.fleet.clusters]
        assert json.dumps(planned.to_json(names))
        assert planned.addresses.room
        assert planned.addresses.headroom_today.keys() == planned.addresses.headroom.keys()
    for each in findings:
        assert each.message
        assert each.remedy
        assert "PydanticUndefined" not in each.message
        assert each.file == "fleet.yaml", each
        assert 1 <= (each.line or 0) <= len(text.splitlines()) + 1, each


def _look_again(text: str) -> None:
    """Look with the standard library at the ranges of a Fleet that was taken."""
    spec = yaml.safe_load(text)["spec"]
    taken: list[object] = [spec["clusters"], spec.get("addressing")]
    fields = {"pods", "services", "nodeRange", "supernets", "avoid"}
    while taken:
        each = taken.pop()
        if isinstance(each, list):
            taken += each
        elif isinstance(each, dict):
            for key, value in each.items():
                if key in fields and isinstance(value, (str, list)):
                    _strict(value)
                else:
                    taken.append(value)


def _strict(value: str | list[str]) -> None:
    for each in value.split(",") if isinstance(value, str) else value:
        assert ipaddress.ip_network(each.strip()).prefixlen > 0

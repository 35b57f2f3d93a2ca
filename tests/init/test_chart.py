"""The chart of the example, rendered by the real helm."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import isthmus
from isthmus.lab import build

CHART = Path(isthmus.__file__).parent / "examples" / "cassandra" / "charts" / "cassandra"

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def helm() -> Path:
    return build.ensure(["helm"])["helm"]


def render(helm: Path, **values: object) -> dict[str, Any]:
    """Return the rendered objects by kind."""
    command = [str(helm), "template", "cassandra", str(CHART), "--values", "-"]
    done = subprocess.run(
        command, check=True, capture_output=True, input=json.dumps(values).encode(), timeout=60
    )
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout) if each}


def test_it_has_the_shape_of_a_ring(helm: Path) -> None:
    objects = render(helm, dc="west", replicas=2)

    assert set(objects) == {"ConfigMap", "Service", "StatefulSet"}
    assert objects["Service"]["spec"]["clusterIP"] == "None"
    assert objects["StatefulSet"]["metadata"]["name"] == "cassandra-west"
    assert objects["StatefulSet"]["spec"]["podManagementPolicy"] == "OrderedReady"
    assert objects["StatefulSet"]["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("values", "annotations"),
    [
        ({}, {}),
        ({"readyAfter": "5s"}, {"lab.isthmus.dev/ready-after": "5s"}),
        ({"broken": True}, {"lab.isthmus.dev/ready": "never"}),
    ],
)
def test_values_steer_when_pods_become_ready(
    helm: Path, values: dict[str, object], annotations: dict[str, str]
) -> None:
    template = render(helm, **values)["StatefulSet"]["spec"]["template"]
    given = {key: value for key, value in template["metadata"]["annotations"].items() if "lab." in key}

    assert given == annotations
    assert template["spec"]["containers"][0]["readinessProbe"]["exec"]["command"] == (
        ["false"] if values.get("broken") else ["true"]
    )


@pytest.mark.parametrize("change", [{"version": "1.1"}, {"settings": {"num_tokens": 8}}, {"dc": "east"}])
def test_what_pods_run_on_restarts_them(helm: Path, change: dict[str, object]) -> None:
    before, after = render(helm, dc="west"), render(helm, **{"dc": "west", **change})

    assert before["StatefulSet"]["spec"]["template"] != after["StatefulSet"]["spec"]["template"]


def test_a_value_of_the_wrong_type_is_refused(helm: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        render(helm, replicas="three")

    assert b"replicas" in refused.value.stderr

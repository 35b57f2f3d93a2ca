from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.lab import binaries, build, place
from isthmus.lab.images import catalog, charts, modules
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on PATH"),
    pytest.mark.timeout(600),  # a module to download, and helm to build
]


@pytest.fixture(scope="session")
def helm() -> Path:
    return build.ensure(["helm"])["helm"]


def _images(helm: Path, chart: str, *values: str) -> set[str]:
    """Return every image that a rendered chart asks for."""
    words = [word for value in values for word in ("--set", value)]
    done = subprocess.run(
        [str(helm), "template", "lab", str(charts.folder(chart)), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(_named(list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))))


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("image"), str):
            yield value["image"]
        for each in value.values():
            yield from _named(each)
    if isinstance(value, list):
        for each in value:
            yield from _named(each)


def test_the_catalogue_has_every_image_that_ciliums_chart_asks_for(helm: Path) -> None:
    on = ("clustermesh.useAPIServer=true", "hubble.relay.enabled=true", "envoy.enabled=false")

    asked = _images(helm, "cilium", "kubeProxyReplacement=true", *on)

    names = ("cilium", "operator-generic", "clustermesh-apiserver", "hubble-relay")
    assert asked == {catalog.ref(name) for name in names}


def test_the_catalogue_has_every_image_that_istiod_asks_for(helm: Path, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(charts.ISTIOD_VALUES))
    done = subprocess.run(
        [str(helm), "template", "lab", str(charts.folder("istiod")), "-f", str(tmp_path / "values.yaml")],
        capture_output=True,
        text=True,
        check=True,
    )
    rendered = list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))

    assert set(_named(rendered)) == {catalog.ref("pilot")}
    injected = next(
        each for each in rendered if each and each["metadata"]["name"] == "istio-sidecar-injector"
    )
    proxy = yaml.safe_load(injected["data"]["values"])["global"]
    hub, _, tag = catalog.ref("proxyv2").replace("/proxyv2", "").rpartition(":")
    assert (proxy["hub"], proxy["tag"], proxy["proxy"]["image"]) == (hub, tag, "proxyv2")


@pytest.mark.parametrize("name", charts.NAMES)
def test_a_chart_is_copied_unchanged_and_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    modules_before = subprocess.run(
        ["go", "env", "GOMODCACHE", "GOCACHE"], capture_output=True, text=True, check=True
    )
    for key, value in zip(("GOMODCACHE", "GOCACHE"), modules_before.stdout.split(), strict=True):
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    copied = charts.folder(name)

    module, inside = charts._CHARTS[name]
    source = modules.folder(module) / inside
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(copied) for path in copied.rglob("*") if path.is_file())
    assert all((source / path).read_bytes() == (copied / path).read_bytes() for path in files)
    (copied / "Chart.yaml").write_text("")
    assert [path.name for path in place.cache("charts").iterdir()] == [copied.name]
    assert charts.folder(name) == copied


def test_the_documents_tell_the_values_that_istiod_needs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "lab.md").read_text(encoding="utf-8")

    (told,) = re.findall(r"```yaml\n(global: .*?)```", text, re.DOTALL)

    assert yaml.safe_load(told) == charts.ISTIOD_VALUES


def test_an_unknown_chart_is_refused_with_those_there_are() -> None:
    with pytest.raises(errors.InputError, match="no chart 'istio'") as caught:
        charts.folder("istio")

    assert "istiod" in caught.value.remedy


def test_a_module_that_cannot_be_had_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("GOPROXY", "off")

    with pytest.raises(errors.ToolError, match="could not download github") as caught:
        modules.folder(modules.CILIUM)

    assert "GOPROXY=off" in caught.value.why


def test_every_program_of_an_image_is_one_that_the_profile_builds() -> None:
    held = {name for recipe in catalog.RECIPES for name in recipe.programs.values()}

    assert held - {"envoy"} <= set(binaries.NETWORK)

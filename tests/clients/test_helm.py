"""The real helm on a real API server."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from isthmus.clients import files, helm, kinds, kube, kubeconfig, process, redactor, releases
from isthmus.model import errors
from tests.clients.conftest import CHART, config_of, issue, write_chart
from tests.clients.test_files import small_disk  # noqa: F401 - a fixture
from tests.clients.test_process import until_gone

if TYPE_CHECKING:
    from isthmus.lab import labs

SECRET = "s3cret-value-of-the-user"


async def render(binary: helm.Helm, archive: bytes, **values: Any) -> helm.Rendered:
    return await binary.render(
        archive,
        release="shop",
        namespace="data",
        values=values,
        kube_version="v1.36.3",
        api_versions=("v1", "apps/v1"),
    )


async def upgrade(
    binary: helm.Helm,
    access: helm.Access,
    archive: bytes,
    namespace: str,
    *,
    values: Any = None,
    **options: Any,
) -> None:
    await binary.upgrade(
        access,
        release="shop",
        namespace=namespace,
        archive=archive,
        values=values or {},
        **{"deadline": 60.0, **options},
    )


@pytest.fixture
async def archive(binary: helm.Helm, chart: Path) -> bytes:
    return await binary.package(chart)


# --- the binary ---------------------------------------------------------------------------------


async def test_the_version_is_asked(binary: helm.Helm) -> None:
    assert binary.major in {3, 4}
    assert (await helm.find(env={"ISTHMUS_HELM": str(binary.path), "PATH": ""})).version == binary.version
    assert (await helm.find(env={"PATH": ""}, cache=binary.path.parent)).path == binary.path


async def test_a_missing_helm_is_told_with_the_way_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(errors.ToolError, match="helm is missing") as caught:
        await helm.find(env={"PATH": str(tmp_path)})
    with pytest.raises(errors.ToolError, match="is missing"):
        await helm.find(tmp_path / "helm", env={"PATH": ""})

    assert "isthmus lab build helm" in caught.value.remedy


async def test_another_program_is_not_taken_for_helm() -> None:
    with pytest.raises(errors.ToolError, match="is no helm"):
        await helm.find(Path("/bin/false"))


# --- charts -------------------------------------------------------------------------------------


async def test_one_chart_is_always_one_archive(binary: helm.Helm, chart: Path) -> None:
    first = await binary.package(chart)
    os.utime(chart / "Chart.yaml", (1, 1))

    assert await binary.package(chart) == first


async def test_an_archive_is_taken_as_it_is(binary: helm.Helm, archive: bytes, tmp_path: Path) -> None:
    (tmp_path / "small.tgz").write_bytes(archive)

    assert await binary.package(tmp_path / "small.tgz") == archive


@pytest.mark.parametrize("exists", [False, True])
async def test_a_folder_without_a_chart_is_refused(binary: helm.Helm, tmp_path: Path, exists: bool) -> None:
    path = tmp_path if exists else tmp_path / "none"

    with pytest.raises(errors.InputError, match="not a chart") as caught:
        await binary.package(path)

    assert caught.value.where == str(path)


async def test_a_dependency_that_is_not_vendored_is_told(binary: helm.Helm, tmp_path: Path) -> None:
    wanted = "dependencies: [{name: x, version: 1.0.0, repository: ''}]"
    needy = f"{{apiVersion: v2, name: small, version: 1.2.3, {wanted}}}"
    chart = write_chart(tmp_path / "needy", {**CHART, "Chart.yaml": needy})

    with pytest.raises(errors.InputError, match="missing in charts") as caught:
        await binary.package(chart)

    assert "helm dependency build" in caught.value.remedy


async def test_a_chart_is_rendered_with_its_hooks_apart(binary: helm.Helm, archive: bytes) -> None:
    rendered = await render(binary, archive, color="blue", hook="yes")

    assert 'color: "blue"' in rendered.manifest
    assert "kind: Deployment" in rendered.manifest
    assert "kind: Job" not in rendered.manifest
    assert [hook.count("kind: Job") for hook in rendered.hooks] == [1]


async def test_many_api_groups_fit(binary: helm.Helm, tmp_path: Path) -> None:
    text = '{{ if .Capabilities.APIVersions.Has "g999.dev/v1/Kind" }}kind: Seen{{ end }}'
    chart = write_chart(tmp_path / "asking", {**CHART, "templates/ask.yaml": text})
    archive = await binary.package(chart)

    rendered = await binary.render(
        archive,
        release="shop",
        namespace="data",
        values={},
        kube_version="v1.36.3-gke.100",
        api_versions=tuple(f"g{n}.dev/v1/Kind" for n in range(1000)),
    )

    assert "kind: Seen" in rendered.manifest


async def test_a_value_of_the_wrong_type_is_refused_in_helms_words(binary: helm.Helm, archive: bytes) -> None:
    with pytest.raises(errors.InputError, match="replicas") as caught:
        await render(binary, archive, replicas="many")

    assert "schema" in caught.value.remedy


async def test_a_broken_template_shows_no_secret(binary: helm.Helm, tmp_path: Path) -> None:
    chart = write_chart(tmp_path / "broken", {**CHART, "templates/x.yaml": "{{ fail .Values.secret }}"})
    archive = await binary.package(chart)

    with pytest.raises(errors.InputError, match=r"\*\*\*") as caught:
        await binary.render(
            archive,
            release="shop",
            namespace="data",
            values={"secret": SECRET},
            kube_version="",
            api_versions=(),
            redactor=redactor.Redactor.of([SECRET]),
        )

    assert SECRET not in str(caught.value)


async def test_a_full_disk_is_told(
    binary: helm.Helm,
    chart: Path,
    small_disk: Path,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    write_chart(chart, {"files/noise.txt": os.urandom(120_000).hex()})

    with pytest.raises(errors.DiskError, match="No space left") as caught:
        await binary.package(chart)

    assert str(small_disk) in caught.value.where


async def test_a_chart_that_cannot_be_pulled_is_told(binary: helm.Helm) -> None:
    with pytest.raises(errors.ToolError, match="could not pull the chart"):
        await binary.pull("http://127.0.0.1:1", "small", "1.2.3")


# --- releases -----------------------------------------------------------------------------------


@pytest.mark.lab
async def test_an_upgrade_leaves_a_release_as_helm_records_it(
    binary: helm.Helm, access: helm.Access, archive: bytes, west: kube.Cluster, namespace: str
) -> None:
    labels = {"isthmus.dev/operation": "op-1"}
    begin = time.monotonic()
    await upgrade(
        binary, access, archive, namespace, labels=labels, description="first", values={"color": "blue"}
    )
    waited = time.monotonic() - begin
    await upgrade(binary, access, archive, namespace, description="second")

    first, second = await releases.history(west, "shop", namespace)

    assert waited < 20, "helm must not wait for the pod, which never starts"
    assert (first.revision, first.status, first.description, first.labels) == (
        1,
        "superseded",
        "first",
        labels,
    )
    assert (first.chart, first.chart_version, first.app_version) == ("small", "1.2.3", "9")
    assert (second.revision, second.status, second.config) == (2, "deployed", {})
    assert 'color: "red"' in second.manifest, "values left out are the chart's, not the last release's"
    assert second == await releases.latest(west, "shop", namespace)


@pytest.mark.lab
async def test_a_rollback_takes_back_what_somebody_else_changed(
    binary: helm.Helm, access: helm.Access, archive: bytes, west: kube.Cluster, namespace: str
) -> None:
    await upgrade(binary, access, archive, namespace, values={"color": "one"})
    await upgrade(binary, access, archive, namespace, values={"color": "two"})
    meta = {"name": "shop", "namespace": namespace}
    await west.apply(kinds.CONFIG_MAP, {"metadata": meta, "data": {"color": "edited"}}, manager="somebody")

    await binary.rollback(access, release="shop", namespace=namespace, revision=1, deadline=60)

    found = await west.get(kinds.CONFIG_MAP, "shop", namespace)
    latest = await releases.latest(west, "shop", namespace)
    assert found is not None
    assert latest is not None
    assert found["data"] == {"color": "one"}
    assert (latest.revision, latest.status, latest.description) == (3, "deployed", "Rollback to 1")


@pytest.mark.lab
async def test_an_upgrade_takes_back_what_somebody_else_changed(
    binary: helm.Helm, access: helm.Access, archive: bytes, west: kube.Cluster, namespace: str
) -> None:
    await upgrade(binary, access, archive, namespace)
    meta = {"name": "shop", "namespace": namespace}
    await west.apply(kinds.CONFIG_MAP, {"metadata": meta, "data": {"color": "edited"}}, manager="somebody")

    await upgrade(binary, access, archive, namespace, values={"color": "new"})

    found = await west.get(kinds.CONFIG_MAP, "shop", namespace)
    assert found is not None
    assert found["data"] == {"color": "new"}


@pytest.mark.lab
async def test_an_uninstall_is_done_once_and_may_be_asked_again(
    binary: helm.Helm, access: helm.Access, archive: bytes, west: kube.Cluster, namespace: str
) -> None:
    async def uninstall(*, keep_history: bool) -> None:
        await binary.uninstall(
            access, release="shop", namespace=namespace, keep_history=keep_history, deadline=60
        )

    await upgrade(binary, access, archive, namespace)
    await uninstall(keep_history=True)
    kept = await releases.latest(west, "shop", namespace)
    await upgrade(binary, access, archive, namespace)
    await uninstall(keep_history=False)
    await uninstall(keep_history=False)

    assert kept is not None
    assert kept.status == "uninstalled"
    assert await releases.history(west, "shop", namespace) == ()
    assert await west.get(kinds.DEPLOYMENT, "shop", namespace) is None


@pytest.mark.lab
async def test_neither_values_nor_credentials_are_on_a_command_line_or_a_disk(
    binary: helm.Helm,
    lab: labs.Lab,
    archive: bytes,
    west: kube.Cluster,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    token = await issue(west, namespace)
    lent = helm.Access(cluster="west", kubeconfig=kubeconfig.for_token(config_of(lab), token))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[str] = []

    def look(started: process.Started) -> None:
        seen.append("\0".join(psutil.Process(started.pid).cmdline()))
        seen.append("\0".join(psutil.Process(started.pid).environ().values()))
        found = [path for path in tmp_path.rglob("*") if path.is_file()]
        seen.extend(path.read_bytes().decode(errors="replace") for path in found)

    with pytest.raises(errors.DeniedError) as caught:
        await upgrade(binary, lent, archive, namespace, values={"secret": SECRET}, on_start=look)

    assert len(seen) > 2
    assert SECRET not in "".join(seen)
    assert token not in "".join(seen) + str(caught.value) + repr(lent)


@pytest.mark.lab
async def test_a_bad_credential_is_told_as_such(
    binary: helm.Helm, lab: labs.Lab, archive: bytes, namespace: str
) -> None:
    lent = helm.Access(cluster="west", kubeconfig=kubeconfig.for_token(config_of(lab), "expired"))

    with pytest.raises(errors.UnauthenticatedError) as caught:
        await upgrade(binary, lent, archive, namespace)

    assert caught.value.where == "west"


@pytest.mark.lab
async def test_a_missing_namespace_is_told(binary: helm.Helm, access: helm.Access, archive: bytes) -> None:
    with pytest.raises(errors.ToolError, match=r'namespaces "none-such" not found'):
        await upgrade(binary, access, archive, "none-such")


async def test_an_unreachable_cluster_is_told(binary: helm.Helm, archive: bytes) -> None:
    document = {
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x"}}],
        "current-context": "x",
    }

    with pytest.raises(errors.UnreachableError, match="refused"):
        await upgrade(binary, helm.Access(cluster="x", kubeconfig=document), archive, "data")


@pytest.mark.lab
async def test_a_hook_that_does_not_end_fails_by_helms_own_clock_and_is_recorded(
    binary: helm.Helm, access: helm.Access, archive: bytes, west: kube.Cluster, namespace: str
) -> None:
    with pytest.raises(errors.IsthmusError) as caught:
        await upgrade(binary, access, archive, namespace, values={"hook": "yes"}, deadline=5.0)

    latest = await releases.latest(west, "shop", namespace)
    assert "pre-install" in caught.value.why
    assert latest is not None
    assert latest.status == "failed"
    assert [hook.kind for hook in latest.hooks] == ["Job"]


@pytest.mark.lab
async def test_a_cancelled_upgrade_leaves_no_helm_and_a_record_that_can_be_cleared(
    binary: helm.Helm, access: helm.Access, archive: bytes, west: kube.Cluster, namespace: str
) -> None:
    pids: list[int] = []
    running = asyncio.create_task(
        upgrade(
            binary,
            access,
            archive,
            namespace,
            values={"hook": "yes"},
            on_start=lambda started: pids.append(started.pid),
        )
    )
    async with asyncio.timeout(30):
        while (latest := await releases.latest(west, "shop", namespace)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # a pending release tells nobody
    assert latest.is_pending

    psutil.Process(pids[0]).kill()  # what a crash of the machine leaves
    with pytest.raises(errors.ToolError, match="signal 9"):
        await running
    await until_gone(pids[0])
    with pytest.raises(errors.ConflictError, match="in progress"):
        await upgrade(binary, access, archive, namespace)
    assert await releases.delete_record(west, "shop", namespace, 1)
    await upgrade(binary, access, archive, namespace)

    latest = await releases.latest(west, "shop", namespace)
    assert latest is not None
    assert latest.is_deployed


async def test_nothing_is_left_in_the_temporary_folder(
    binary: helm.Helm, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    await render(binary, archive)

    assert files.read_folder(folder) == []
    assert list(folder.iterdir()) == []

"""Where the lab's programs come from: an explicit folder, the cache, PATH, else `build`.

A program from PATH is taken only in a version that the lab was proved with, and not at all where no version
is listed here. Nothing is downloaded as a binary.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.lab import place
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Version = tuple[int, ...]

ENVIRONMENT = "ISTHMUS_LAB_BIN"
_ASK = 20.0  # seconds for a program to tell its version, on a busy machine


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """A pinned Go module and the programs it builds."""

    name: str
    packages: dict[str, str]
    stamps: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    static: bool = False
    """Without C, so that a program runs in a container that holds nothing else."""
    minutes: float
    """Of two cores, when nothing is in Go's own cache."""

    @property
    def pins(self) -> Path:
        """The folder with go.mod and go.sum."""
        return pins() / self.name

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of `go build`."""
        stamps = "".join(f" -X {stamp}" for stamp in self.stamps)
        tags = ("-tags", ",".join(self.tags)) if self.tags else ()
        return ("-mod=readonly", "-buildvcs=false", "-trimpath", *tags, "-ldflags", f"-s -w{stamps}")

    @property
    def settings(self) -> dict[str, str]:
        """The environment of `go build`."""
        return {"CGO_ENABLED": "0"} if self.static else {}

    @property
    def folder(self) -> Path:
        """The cache folder of exactly these pins, sources of ours, flags and settings."""
        digest = hashlib.sha256()
        files = [path.read_bytes() for path in self._sources()]
        settings = [f"{name}={value}" for name, value in self.settings.items()]
        for part in (*files, *(word.encode() for word in (*self.flags, *settings))):
            digest.update(part + b"\0")
        return place.cache() / f"{self.name}-{digest.hexdigest()[:16]}"

    def _sources(self) -> list[Path]:
        names = ("*.mod", "*.sum", "*.go")
        return sorted(path for name in names for path in self.pins.rglob(name))


_KUBERNETES = "v1.36.3"
_KUBERNETES_STAMPS = (
    f"k8s.io/component-base/version.gitVersion={_KUBERNETES}",
    "k8s.io/component-base/version.gitMajor=1",
    "k8s.io/component-base/version.gitMinor=36",
)
_CILIUM = "1.20.2"
_ISTIO = "1.31-eed52ebb66ad"  # of the branch, as Istio names what is no release
FAMILIES = (
    Family(name="etcd", packages={"etcd": "go.etcd.io/etcd/server/v3"}, minutes=1),
    Family(
        name="kubernetes",
        packages={
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        },
        stamps=_KUBERNETES_STAMPS,
        minutes=7,
    ),
    Family(name="kwok", packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, minutes=2),
    Family(
        name="helm",
        packages={"helm": "helm.sh/helm/v4/cmd/helm"},
        stamps=("helm.sh/helm/v4/internal/version.version=v4.3.1",),
        minutes=2,
    ),
    Family(name="helmfile", packages={"helmfile": "github.com/helmfile/helmfile"}, minutes=5),
    # The node's programs run on the machine itself; what runs in containers has no C library around it.
    Family(
        name="kubelet",
        packages={"kubelet": "k8s.io/kubernetes/cmd/kubelet"},
        stamps=_KUBERNETES_STAMPS,
        static=True,
        minutes=2,
    ),
    Family(
        name="containerd",
        packages={
            name: f"github.com/containerd/containerd/v2/cmd/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        },
        stamps=("github.com/containerd/containerd/v2/version.Version=v2.4.2",),
        static=True,
        minutes=2,
    ),
    Family(  # without the tag seccomp: it would link libseccomp, and the lab's pods are its own
        name="runc",
        packages={"runc": "github.com/opencontainers/runc"},
        stamps=("main.version=1.5.2",),
        minutes=1,
    ),
    Family(
        name="cni",
        packages={"loopback": "github.com/containernetworking/plugins/plugins/main/loopback"},
        static=True,
        minutes=1,
    ),
    Family(
        name="pods",
        packages={name: f"isthmus.dev/lab/pods/{name}" for name in ("pause", "probe")},
        static=True,
        minutes=1,
    ),
    Family(name="wire", packages={"wire": "isthmus.dev/lab/wire"}, static=True, minutes=1),
    Family(
        name="coredns",
        packages={"coredns": "github.com/coredns/coredns"},
        static=True,
        minutes=2,
    ),
    Family(  # no profile has it: what runs it builds it
        name="certmanager",
        packages={"cert-manager": "isthmus.dev/lab/certmanager"},
        static=True,
        minutes=2,
    ),
    Family(
        name="cilium",
        packages={
            name: f"github.com/cilium/cilium/{package}"
            for name, package in (
                ("cilium-agent", "daemon"),
                ("cilium-operator-generic", "operator"),
                ("clustermesh-apiserver", "clustermesh-apiserver"),
                ("hubble-relay", "hubble-relay"),
                ("hubble", "hubble"),
                ("cilium-dbg", "cilium-dbg"),
                ("cilium-cni", "plugins/cilium-cni"),
                ("cilium-health", "cilium-health"),
                ("cilium-health-responder", "cilium-health/responder"),
                ("cilium-mount", "tools/mount"),
                ("cilium-sysctlfix", "tools/sysctlfix"),
            )
        },
        stamps=(f"github.com/cilium/cilium/pkg/version.ciliumVersion={_CILIUM}",),
        tags=("ipam_provider_operator", "osusergo"),
        static=True,
        minutes=6,
    ),
    Family(
        name="istio",
        packages={
            "pilot-discovery": "istio.io/istio/pilot/cmd/pilot-discovery",
            "pilot-agent": "istio.io/istio/pilot/cmd/pilot-agent",
            "istioctl": "istio.io/istio/istioctl/cmd/istioctl",
        },
        stamps=(f"istio.io/istio/pkg/version.buildVersion={_ISTIO}",),
        tags=("disable_pgv",),
        static=True,
        minutes=6,
    ),
)

CONTROL = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
DEFAULT = (*CONTROL, "helm")
NODE = ("kubelet", "containerd", "containerd-shim-runc-v2", "ctr", "runc", "loopback")
PODS = (
    "pause",
    "probe",
    "coredns",
    "cilium-agent",
    "cilium-operator-generic",
    "clustermesh-apiserver",
    "hubble-relay",
    "cilium-dbg",
    "cilium-cni",
    "cilium-health",
    "cilium-health-responder",
    "cilium-mount",
    "cilium-sysctlfix",
    "pilot-discovery",
    "pilot-agent",
)
WIRE = "wire"
"""A path that is worse than a link: only faults run it, and build it where it is not there yet."""
NETWORK = (*CONTROL[:-1], *NODE, *PODS, WIRE, "hubble", "helm")
PROFILES = {"control": DEFAULT, "network": NETWORK}

# What each program must answer: its arguments, and whether that version will do.
_VERSIONS: dict[str, tuple[tuple[str, ...], Callable[[Version], bool], str]] = {
    "etcd": (("--version",), lambda found: found >= (3, 4), "3.4 or later"),
    "kwok": (("--version",), lambda found: found >= (0, 8), "0.8 or later"),
    "helm": (("version", "--short"), lambda found: found[0] in {3, 4}, "3 or 4"),
    "helmfile": (("--version",), lambda found: found >= (1,), "1 or later"),
} | {
    name: (("--version",), lambda found: found[:2] == (1, 36), "1.36")
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
}


def pins() -> Path:
    """Return the folder of Go modules: inside the installed package, else in the source tree."""
    shipped = Path(__file__).parent / "pins"
    return shipped if shipped.is_dir() else Path(__file__).parents[3] / "lab"


def family(program: str) -> Family:
    """Return the family that builds a program."""
    for each in FAMILIES:
        if program in each.packages:
            return each
    known = sorted(name for each in FAMILIES for name in each.packages)
    raise errors.InputError(f"the lab builds no {program!r}", remedy=f"name one of {', '.join(known)}")


def profile(name: str) -> tuple[str, ...]:
    """Return the programs of a profile, with those that its users need beside it."""
    if name in PROFILES:
        return PROFILES[name]
    raise errors.InputError(
        f"profile {name!r} does not exist", remedy=f"use --profile {' or --profile '.join(PROFILES)}"
    )


def cached(program: str) -> Path | None:
    """Return the program that was built from the present pins, if it was."""
    path = family(program).folder / program
    return path if os.access(path, os.X_OK) else None


def find(program: str, folder: Path | None = None) -> Path | None:
    """Return a program: from the explicit folder alone when one is named, else cache, then PATH."""
    explicit = folder or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if explicit is not None:
        path = explicit / program
        if os.access(path, os.X_OK):
            return path.resolve()
        raise errors.ToolError(
            f"{program} is not in {explicit}",
            why=f"--bin or {ENVIRONMENT} names that folder",
            remedy="put it there, or name no folder and let the lab build it",
        )
    found = cached(program)
    if found is not None:
        return found
    on_path = shutil.which(program) if program in _VERSIONS else None
    if on_path is not None and _will_do(program, Path(on_path)):
        return Path(on_path).resolve()
    return None


def missing(programs: Iterable[str], folder: Path | None = None) -> tuple[str, ...]:
    """Return the programs that must be built."""
    return tuple(name for name in programs if find(name, folder) is None)


def version(program: str, path: Path) -> Version:
    """Return the version that a program tells, () when it tells none."""
    arguments = _VERSIONS[program][0]
    try:
        done = subprocess.run(
            [str(path), *arguments],
            capture_output=True,
            text=True,
            timeout=_ASK,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"v?(\d+)\.(\d+)(?:\.(\d+))?", done.stdout or done.stderr)
    return tuple(int(part) for part in match.groups() if part) if match else ()


def _will_do(program: str, path: Path) -> bool:
    found = version(program, path)
    return bool(found) and _VERSIONS[program][1](found)

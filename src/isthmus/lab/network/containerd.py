"""How a node's containerd is called and configured; pure.

The configuration is of version 2, which containerd 1.6 to 2 read alike.
"""

from __future__ import annotations

from typing import Final

SOCKET: Final = "/run/containerd/containerd.sock"

# What no lab uses: other snapshotters, tracing, and plug-ins that wait for programs of theirs.
_OFF: Final = (
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.nri.v1.nri",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.internal.v1.tracing",
)


def arguments(configuration: str) -> list[str]:
    """Return the words of the program."""
    return ["containerd", "--config", configuration, "--log-level", "warn"]


def configuration(*, pause: str, runtime: str) -> str:
    """Return the configuration; `pause` is the image of a pod's sandbox, `runtime` what starts containers."""
    off = ", ".join(f'"{each}"' for each in _OFF)
    # Not every root may lower a process's OOM score; the kubelet's wish is then left.
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [{off}]

[grpc]
address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{runtime}"
SystemdCgroup = false
"""

"""What the profile `network` asks of a machine, tried out in namespaces that vanish with the trial."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from typing import TYPE_CHECKING, Final

import psutil

from isthmus.lab import place
from isthmus.lab.network import groups, tools
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_TOOLS: Final = {
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "util-linux",
    "umount": "util-linux",
    "pivot_root": "util-linux",
    "hostname": "hostname",
    "mknod": "coreutils",
}
_STRANGE: Final = ",:\\"
GIB: Final = 2**30
MEMORY: Final = int(1.3 * GIB)
"""Bytes for a cluster of one node with Cilium and ClusterMesh: 0.9 GiB measured, the rest for pods."""
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What is tried, in the words of a user, and how. Modules that are not loaded yet are loaded by the kernel.
TRIALS: Final = {
    "bridges (CONFIG_BRIDGE)": "ip link add b0 type bridge",
    "pairs of interfaces (CONFIG_VETH)": "ip link add v0 type veth peer name v1",
    "VXLAN (CONFIG_VXLAN)": "ip link add x0 type vxlan id 1 dstport 8472 dev lo",
    "a file system for eBPF (CONFIG_BPF_SYSCALL)": 'mkdir -p "$1/bpf" && mount -t bpf bpf "$1/bpf"',
    "overlays (CONFIG_OVERLAY_FS) on the file system of ISTHMUS_HOME": (
        'mkdir -p "$1/u" "$1/w" "$1/o" && mount -t overlay -o "lowerdir=/etc,upperdir=$1/u,workdir=$1/w"'
        ' overlay "$1/o"'
    ),
    "device files": 'mkdir -p "$1/d" && mount -t tmpfs tmpfs "$1/d" && mknod "$1/d/null" c 1 3',
}
_KEY: Final = "0x" + "1" * 40
# What a Fleet may ask of the kernel beyond that, by its own words for it.
WAYS: Final = {
    "geneve": ("Geneve (CONFIG_GENEVE)", "ip link add g0 type geneve id 1 remote 127.0.0.1"),
    "wireguard": ("WireGuard (CONFIG_WIREGUARD)", "ip link add w0 type wireguard"),
    "ipsec": (
        "IPsec with AES-GCM (CONFIG_INET_ESP, CONFIG_CRYPTO_GCM)",
        f"ip xfrm state add src 127.0.0.1 dst 127.0.0.2 proto esp spi 1 aead 'rfc4106(gcm(aes))' {_KEY} 128",
    ),
}


def check(ways: Collection[str] = ()) -> None:
    """Refuse to start, naming everything that is missing and the way out; `ways` are of WAYS."""
    if sys.platform != "linux":
        raise _lacking(f"it is {sys.platform}, not Linux", "use --profile control here")
    if os.geteuid() != 0:
        raise _lacking("you are not root", "run isthmus as root (sudo -E isthmus lab up ...)")
    missing = sorted({f"{name} ({package})" for name, package in _TOOLS.items() if not _which(name)})
    if missing:
        raise _lacking(f"no {', '.join(missing)}", "install these packages")
    if not groups.hierarchies():
        raise _lacking("nothing is mounted below /sys/fs/cgroup", "mount cgroup v2 there, or cgroup v1")
    strange = set(str(place.home())) & set(_STRANGE)
    if strange:
        raise _lacking(
            f"{place.home()} has {' '.join(sorted(strange))} in it, which `mount` takes for something else",
            "set ISTHMUS_HOME to another folder",
        )
    failed = _failed({**TRIALS, **dict(WAYS[each] for each in ways)})
    unproved = [each for each in ways if WAYS[each][0] in failed]
    if unproved and len(unproved) == len(failed):
        raise errors.ToolError(
            f"{' and '.join(unproved)}: not proved on this kernel",
            why=f"it refuses {'; '.join(failed)}, so no packet would pass",
            remedy="run the lab on a kernel that has it, or let the lab's Fleet do without",
        )
    if failed:
        raise _lacking(
            f"the kernel refuses {'; '.join(failed)}",
            "load or build what is named, give the container that this runs in the rights to it, or use "
            "--profile control",
        )


def check_memory(clusters: int) -> None:
    """Refuse where so many clusters of one node, with Cilium and ClusterMesh, would not fit."""
    wanted = clusters * MEMORY
    free = psutil.virtual_memory().available
    if free < wanted:
        raise _lacking(
            f"{free / GIB:.1f} GiB of memory are free, {clusters} clusters take up to {wanted / GIB:.1f}",
            "end other programs, or use --profile control",
        )


def _failed(trials: Mapping[str, str]) -> list[str]:
    """Return what of them cannot be done here; the script removes its folder, whatever becomes of us."""
    with place.writing(place.home()):
        place.home().mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = "\n".join(
        f"({trial}) >/dev/null 2>&1 || echo {shlex.quote(what)}" for what, trial in trials.items()
    )
    script = f"""set -- "$(mktemp -d "$1/.trial-XXXXXX")" && echo in
{lines}
cd "$1" && umount -l bpf o d 2>/dev/null
rm -rf --one-file-system "$1"
"""
    inside = ["unshare", "--mount", "--net", "--pid", "--fork", "--cgroup", "--uts", "--ipc"]
    words = [*inside, "/bin/sh", "-c", script, "sh", str(place.home())]
    with place.trying() as lock:
        done = tools.Tools(lock).run(words, must=False)
    first, *failed = done.splitlines() or [""]
    return failed if first == "in" else ["new namespaces (CAP_SYS_ADMIN)"]


def _which(name: str) -> str | None:
    return shutil.which(name, path=PATH)


def _lacking(why: str, remedy: str) -> errors.ToolError:
    return errors.ToolError("the lab's profile `network` cannot run here", why=why, remedy=remedy)

"""A node's machine: scripts that give a process namespaces, a root of its own, and containerd and kubelet.

The root is a folder of the node. The host's programs lie over it as overlays, so that a pod that writes to
its node, or a chart that installs something there, changes nothing of the host; what the kernel sets for the
whole host is masked. When the first process of the machine ends, all others do and its mounts go, so a
machine that was killed is started as after a power cut: disk kept, everything else new.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from isthmus.lab.network import groups, tools

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from isthmus.lab.network import layout

STATE: Final = "var/lib/isthmus"
"""Below a node's root: what its programs read, written from outside."""
READY: Final = f"{STATE}/api-server-is-ready"
"""The file that lets the kubelet start; before, it would only wait longer and longer."""
RUN: Final = f"{STATE}/run"
PROGRAMS: Final = "opt/isthmus/bin"
"""Real files: runc runs itself through an overlay of its folder, where no mount on it shows."""
RUNTIME: Final = "isthmus-runc"
PLUGINS: Final = "opt/cni/bin"
CONTAINERD: Final = "var/lib/containerd"
LOGS: Final = "var/log"

# Of the host, lent to the node by overlays. Where one is a link into /usr, the link is copied.
_SYSTEM: Final = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc")
_FOLDERS: Final = ("dev", "proc", "sys", "run", "tmp", "root", "home", "mnt", "opt", "srv", "var", "old")
_DEVICES: Final = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
    "kmsg": (1, 11),
    "net/tun": (10, 200),
    "fuse": (10, 229),
}
# Settings of the whole host that a kubelet (1.36 setupKernelTunables) or Cilium's agent would write, and what
# they want to find. They read and write a file of the node's own instead.
_MASKED: Final = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/unprivileged_bpf_disabled": "1",
    "kernel/timer_migration": "0",
}
_ENVIRONMENT: Final = {
    "PATH": f"/{PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": f"/{STATE}",
    "GOGC": "50",  # memory is scarcer than work is heavy, as for the control plane
}


def start(node: layout.Node, folder: Path, cgroups: Sequence[Path]) -> str:
    """Return the script of the machine's first process: it enters cgroups and namespaces, and ends with them.

    Written to be recorded: every step keeps the process id.
    """
    # Its parent stays behind to be signalled, and takes it along.
    new = "unshare --mount --uts --ipc --pid --cgroup --fork --kill-child /bin/sh -e"
    lines = [
        *(f"echo $$ > {_quoted(each)}/cgroup.procs" for each in cgroups),
        f"exec {shlex.join(tools.enter(node.namespace))} {new} {_quoted(folder / 'init')}",
    ]
    return "".join(f"{line}\n" for line in lines)


def init(
    node: layout.Node,
    folder: Path,
    *,
    hosts: Mapping[str, str],
    hierarchies: Sequence[groups.Hierarchy],
) -> str:
    """Return the script that builds the root and runs the node's programs; `hosts` are names, addresses."""
    root = folder / "root"
    lines = [
        f"root={_quoted(root)}",
        f"upper={_quoted(folder / 'upper')}",
        'mount --bind "$root" "$root"',
        'cd "$root"',
        f"mkdir -p {' '.join(_FOLDERS)} {STATE} {CONTAINERD} {LOGS} var/tmp",
        "ln -sfn ../run var/run",
        *_system(),
        "mount -t proc proc proc",
        "mount -t sysfs sysfs sys",
        "mount -t bpf bpf sys/fs/bpf",
        *_cgroups(hierarchies),
        "mount -t tmpfs -o mode=755,size=64m tmpfs dev",
        *_devices(),
        "mount -t tmpfs -o mode=755 tmpfs run",
        "mount -t tmpfs -o mode=1777 tmpfs tmp",
        *_masks(),
        f"echo {node.name} > etc/hostname",
        f"hostname {node.name}",
        # No name server: nothing beyond the lab can be reached.
        "rm -f etc/resolv.conf && echo '# the lab reaches no name server' > etc/resolv.conf",
        f"printf '%s\\n' {shlex.join(f'{address} {name}' for name, address in hosts.items())} > etc/hosts",
        "rm -f etc/machine-id && tr -d - < proc/sys/kernel/random/uuid > etc/machine-id",
        "pivot_root . old",
        "cd /",
        "umount -l /old",
        "mount --make-rshared /",
        f"exec /bin/sh /{RUN}",
        "",
    ]
    return "\n".join(lines)


def run(*, containerd: Sequence[str], kubelet: Sequence[str]) -> str:
    """Return the script that keeps both programs running and takes in what they leave: the machine's init."""
    settings = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in _ENVIRONMENT.items())
    return f"""{settings}
if [ -e /sys/fs/cgroup/cgroup.subtree_control ]; then
    mkdir -p /sys/fs/cgroup/init
    for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" > /sys/fs/cgroup/init/cgroup.procs; done
    for name in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$name" > /sys/fs/cgroup/cgroup.subtree_control || true
    done
fi
keep() {{ while :; do "$@"; sleep 1; done; }}
keep {shlex.join(containerd)} >> /{LOGS}/containerd.log 2>&1 &
(
    while [ ! -e /{READY} ] || [ ! -S /run/containerd/containerd.sock ]; do sleep 0.1; done
    keep {shlex.join(kubelet)}
) >> /{LOGS}/kubelet.log 2>&1 &
while :; do wait; sleep 1; done
"""


def _system() -> list[str]:
    """Lay the host's folders over the root, writable for the node alone."""
    return [
        f"for name in {' '.join(_SYSTEM)}; do",
        '    if [ -L "/$name" ]; then ln -sfn "$(readlink "/$name")" "$name"; continue; fi',
        '    [ -d "/$name" ] || continue',
        '    mkdir -p "$name" "$upper/$name" "$upper/.work/$name"',
        '    chmod 755 "$upper/$name"',
        '    layers="lowerdir=/$name,upperdir=$upper/$name,workdir=$upper/.work/$name"',
        '    mount -t overlay -o "$layers" overlay "$name"',
        "done",
    ]


def _cgroups(hierarchies: Sequence[groups.Hierarchy]) -> list[str]:
    """Mount the hierarchies where the host has them; their roots are the node's own folders."""
    top = groups.ROOT.relative_to("/")
    if [each.path for each in hierarchies] == [groups.ROOT]:
        return [f"mount -t cgroup2 cgroup2 {top}"]
    lines = [f"mount -t tmpfs -o mode=755 tmpfs {top}"]
    for each in hierarchies:
        where = each.path.relative_to("/")
        kind = "cgroup2 cgroup2" if each.is_v2 else f"cgroup -o {each.options} cgroup"
        lines += [f"mkdir -p {where}", f"mount -t {kind} {where}"]
    return lines


def _devices() -> list[str]:
    lines = ["mkdir dev/net dev/pts dev/shm dev/mqueue"]
    for name, (major, minor) in _DEVICES.items():
        lines += [f"mknod -m 666 dev/{name} c {major} {minor}"]
    return [
        *lines,
        "mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts",
        "mount -t tmpfs -o mode=1777 tmpfs dev/shm",
        "mount -t mqueue mqueue dev/mqueue",
        "ln -s pts/ptmx dev/ptmx",
        "ln -s /proc/self/fd dev/fd",
        "ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr",
    ]


def _masks() -> list[str]:
    lines = ["mkdir -p run/isthmus"]
    for name, value in _MASKED.items():
        mask = f"run/isthmus/{name.replace('/', '.')}"
        lines.append(
            f"[ ! -e proc/sys/{name} ] || {{ echo {value} > {mask}; mount --bind {mask} proc/sys/{name}; }}"
        )
    return lines


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))

"""The OCI runtime that containerd calls: runc, after a script took out what this machine cannot give.

A pod that asks for a capability which root does not have here would not start. The lab's runc is built
without libseccomp, so a pod's seccomp profile is left out too: its system calls are not filtered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

# By bit (linux/capability.h of 6.18).
_CAPABILITIES: Final = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)


def lacking(bounding: int) -> list[str]:
    """Return the capabilities that a bounding set (of /proc/PID/status, CapBnd) leaves out."""
    return [f"CAP_{name}" for bit, name in enumerate(_CAPABILITIES) if not bounding >> bit & 1]


def bounding() -> int:
    """Return our own bounding set, which nodes inherit."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    return (1 << len(_CAPABILITIES)) - 1


def script(without: list[str]) -> str:
    """Return the script; `without` are capabilities to take out of a container's or a command's settings.

    Those files are JSON on one line. A key that runc does not know is a key that it leaves alone.
    """
    edits = ['s/"seccomp":{/"isthmus.dev-seccomp":{/']
    edits += [f's/"{name}",\\{{0,1\\}}//g' for name in without]
    edits += ["s/,]/]/g"] if without else []
    words = " ".join(f"-e '{edit}'" for edit in edits)
    return f"""#!/bin/sh
before=
for word do
    case "$before" in
        --bundle | -b) sed -i {words} "$word/config.json" ;;
        --process | -p) sed -i {words} "$word" ;;
    esac
    before="$word"
done
exec runc "$@"
"""

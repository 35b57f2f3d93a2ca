"""What the lab's images are called and what they hold.

Images that a chart asks for have the names that its values give by default; ours have names under which
nobody serves images. Nothing here reads a file of an image.
"""

from __future__ import annotations

import dataclasses

from isthmus.lab.images import charts, modules
from isthmus.lab.images.layout import Run
from isthmus.lab.images.tree import Folder, Link, Text, Tree
from isthmus.model import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """An image: what goes where, and how it runs.

    `programs` are the lab's own by path, `tools` patterns of files in the Debian packages, `sources` files
    and folders of `module` by path; libraries are found by themselves. `keys` say where the values of
    Cilium's chart name the image; without them it is ours.
    """

    name: str
    keys: tuple[str, ...] = ()
    variant: str = ""
    programs: dict[str, str]
    tools: tuple[str, ...] = ()
    module: str = modules.CILIUM
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    extra: Tree = dataclasses.field(default_factory=dict)
    run: Run = dataclasses.field(default_factory=Run)

    @property
    def reference(self) -> str:
        """The image's name and tag."""
        if not self.keys:
            return f"{charts.HUB}/{self.name}:{charts.TAG}"
        return charts.image("cilium", *self.keys, variant=self.variant)


_BASE: Tree = {
    "etc/passwd": Text(
        "root:x:0:0:root:/:/bin/sh\nnonroot:x:65532:65532::/tmp:/bin/false\n"
        "istio-proxy:x:1337:1337::/tmp:/bin/false\n"
    ),
    "etc/group": Text("root:x:0:\nnonroot:x:65532:\nistio-proxy:x:1337:\n"),
    "etc/nsswitch.conf": Text("hosts: files dns\n"),
    "run": Folder(),
    "tmp": Folder(0o1777),
    "var/run": Link("/run"),
}

_IPTABLES_TOOLS = (
    "etc/protocols",
    "etc/services",
    "usr/sbin/ip*tables-legacy*",
    "usr/sbin/ip*tables-nft*",
    "usr/lib/*/xtables/*.so",
)
_IPTABLES: Tree = {
    f"usr/sbin/{name}{verb}": Link(f"{name}-nft{verb}")  # what Debian's alternatives choose
    for name in ("iptables", "ip6tables")
    for verb in ("", "-save", "-restore")
}

_APPLETS = (
    *("ash", "awk", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du"),
    *("echo", "env", "expr", "false", "find", "free", "grep", "head", "hostname", "httpd", "id", "ifconfig"),
    *(
        "ip",
        "kill",
        "less",
        "ln",
        "ls",
        "md5sum",
        "mkdir",
        "mount",
        "mv",
        "nc",
        "netstat",
        "nslookup",
        "ping",
    ),
    *("ping6", "printf", "ps", "pwd", "readlink", "rm", "rmdir", "route", "sed", "seq", "sh", "sha256sum"),
    *("sleep", "sort", "stat", "sync", "tail", "tar", "tee", "telnet", "test", "time", "timeout", "top"),
    *("touch", "tr", "traceroute", "true", "umount", "uname", "uniq", "vi", "wc", "which", "xargs", "yes"),
)

_CILIUM = Recipe(
    name="cilium",
    keys=("image",),
    programs={
        "usr/bin/cilium-agent": "cilium-agent",
        "usr/bin/cilium-dbg": "cilium-dbg",
        "usr/bin/cilium-health": "cilium-health",
        "usr/bin/cilium-health-responder": "cilium-health-responder",
        "usr/bin/cilium-mount": "cilium-mount",
        "usr/bin/cilium-sysctlfix": "cilium-sysctlfix",
        "opt/cni/bin/cilium-cni": "cilium-cni",
        "cni/loopback": "loopback",
    },
    tools=(
        "bin/bash",
        "bin/sh",
        *(f"bin/{name}" for name in ("cat", "cp", "grep", "kmod", "ls", "mkdir", "mount", "mv", "rm", "sed")),
        *(f"bin/{name}" for name in ("sleep", "true", "umount")),
        *(f"usr/bin/{name}" for name in ("basename", "clang-19", "env", "find", "nsenter", "test")),
        "bin/ip",
        "sbin/modprobe",
        "sbin/tc",
        "usr/sbin/ipset",
        *_IPTABLES_TOOLS,
    ),
    sources={
        "init-container.sh": "images/cilium/init-container.sh",
        "install-plugin.sh": "plugins/cilium-cni/install-plugin.sh",
        "cni-uninstall.sh": "plugins/cilium-cni/cni-uninstall.sh",
        "var/lib/cilium/bpf": "bpf",
    },
    extra={
        **_BASE,
        **_IPTABLES,
        "usr/bin/cilium": Link("cilium-dbg"),
        "usr/bin/clang": Link("clang-19"),
    },
    run=Run(
        command=("/usr/bin/cilium-dbg",),
        environment=(*Run().environment, "HUBBLE_SERVER=unix:///var/run/cilium/hubble.sock"),
    ),
)

RECIPES = (
    Recipe(
        name="pause",
        programs={"pause": "pause"},
        run=Run(entrypoint=("/pause",), user="65532:65532"),
    ),
    Recipe(
        name="coredns",
        programs={"coredns": "coredns"},
        extra=_BASE,
        run=Run(entrypoint=("/coredns",)),
    ),
    Recipe(
        name="busybox",
        programs={"usr/bin/probe": "probe"},
        tools=("bin/busybox",),
        extra={**_BASE, **{f"bin/{name}": Link("busybox") for name in _APPLETS}},
        run=Run(command=("sh",)),
    ),
    Recipe(
        name="operator-generic",
        keys=("operator", "image"),
        variant="-generic",
        programs={"usr/bin/cilium-operator-generic": "cilium-operator-generic"},
        extra=_BASE,
        run=Run(environment=(*Run().environment, "GOPS_CONFIG_DIR=/tmp/gops")),
    ),
    Recipe(
        name="clustermesh-apiserver",
        keys=("clustermesh", "apiserver", "image"),
        programs={"usr/bin/clustermesh-apiserver": "clustermesh-apiserver", "usr/bin/etcd": "etcd"},
        sources={"var/lib/cilium/etcd-config.yaml": "clustermesh-apiserver/etcd-config.yaml"},
        extra={**_BASE, "run/cilium": Folder(0o777)},
        run=Run(
            entrypoint=("/usr/bin/clustermesh-apiserver",),
            environment=(*Run().environment, "GOPS_CONFIG_DIR=/tmp/gops"),
        ),
    ),
    Recipe(
        name="hubble-relay",
        keys=("hubble", "relay", "image"),
        programs={"usr/bin/hubble-relay": "hubble-relay"},
        extra=_BASE,
        run=Run(
            entrypoint=("/usr/bin/hubble-relay",),
            command=("serve",),
            environment=(*Run().environment, "GOPS_CONFIG_DIR=/tmp"),
            folder="/tmp",  # noqa: S108  # a path inside the image
            user="65532:65532",
        ),
    ),
    _CILIUM,
    Recipe(
        name="pilot",
        programs={"usr/local/bin/pilot-discovery": "pilot-discovery"},
        extra=_BASE,
        run=Run(entrypoint=("/usr/local/bin/pilot-discovery",), user="1337:1337"),
    ),
    Recipe(
        name="proxyv2",
        programs={"usr/local/bin/pilot-agent": "pilot-agent", "usr/local/bin/envoy": "envoy"},
        tools=_IPTABLES_TOOLS,
        module=modules.ISTIO,
        sources={
            "var/lib/istio/envoy/envoy_bootstrap_tmpl.json": "tools/packaging/common/envoy_bootstrap.json"
        },
        extra={**_BASE, **_IPTABLES},
        run=Run(entrypoint=("/usr/local/bin/pilot-agent",)),
    ),
)


NAMES = tuple(recipe.name for recipe in RECIPES)


def ref(name: str) -> str:
    """Return the reference of an image: `pause`, `coredns`, `busybox` and so on."""
    return recipe(name).reference


def recipe(name: str) -> Recipe:
    """Return what an image holds."""
    for each in RECIPES:
        if each.name == name:
            return each
    raise errors.InputError(f"the lab has no image {name!r}", remedy=f"name one of {', '.join(NAMES)}")

"""A fleet with teams that sign, on disk, and the command line over it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from isthmus.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FLEET = """\
apiVersion: isthmus.dev/v1alpha1
kind: Fleet
metadata: {name: shop}
spec:
  addressing:
    pods: {supernets: [10.0.0.0/10], nodeMask: 24}
    services: {supernets: [10.96.0.0/12]}
    nodes: {supernets: [10.64.0.0/12]}
  network: {routing: tunnel, encapsulation: vxlan}
  mesh: {istio: {trustDomain: shop.local}}
  teams:
TEAMS
  clusters:
  - {name: west, id: 1, nodes: 3}
  - {name: east, id: 2, nodes: 3}
  - {name: ops, id: 3, nodes: 3}
"""
OWNERS = {"network": "addressing, datapath, firewall", "mesh": "mesh", "cloud": "clusters, quotas"}


def key(name: str) -> ed25519.Ed25519PrivateKey:
    """Return the key of that name, the same in each run."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public(name: str) -> str:
    """Return its line of authorized_keys."""
    raw = (
        key(name)
        .public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    )
    return raw.decode()


@dataclasses.dataclass
class Shop:
    """A folder with a Fleet whose teams have keys named after them, unless `keys` says otherwise."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    owners: dict[str, str]
    keys: dict[str, list[str]]
    fleet: str = FLEET

    def write(self) -> None:
        """Write the Fleet as it is stated now."""
        lines = [
            f"  - {{name: {name}, owns: [{owns}], keys: [{', '.join(map(public, self.keys[name]))}]}}"
            for name, owns in self.owners.items()
        ]
        text = self.fleet.replace("TEAMS", "\n".join(lines))
        (self.folder / "fleet.yaml").write_text(text.replace("  teams:\n\n", ""), encoding="utf-8")

    def change(self, before: str, after: str) -> None:
        """Change the Fleet."""
        assert before in self.fleet
        self.fleet = self.fleet.replace(before, after)
        self.write()

    def key_file(self, name: str) -> Path:
        """Return an OpenSSH file with that private key."""
        path = self.folder.parent / f"key-{name}"
        text = key(name).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        path.write_bytes(text)
        path.chmod(0o600)
        return path

    def sign(self, team: str, *args: str, key: str = "") -> int:
        """Sign as a team, with its own key unless another is named."""
        words = ["plan", "sign", "-f", str(self.folder), "--team", team]
        return main.main([*words, "--key", str(self.key_file(key or team)), "--yes", *args])

    def sign_all(self) -> None:
        """Let every team sign everything."""
        for name in self.owners:
            assert self.sign(name) == 0
        self.capsys.readouterr()

    def check(self, *args: str) -> tuple[int, list[dict[str, Any]]]:
        """Return the exit code of `plan check` and what it says of signatures and records."""
        self.capsys.readouterr()
        code = main.main(["plan", "check", "-f", str(self.folder), "-o", "json", *args])
        told = json.loads(self.capsys.readouterr().out)["findings"]
        return code, [each for each in told if each["code"].startswith(OURS)]

    def required(self, *args: str) -> list[tuple[str, str]]:
        """Return the errors of `plan check --require-signatures`: code, and whose."""
        code, told = self.check("--require-signatures", *args)
        errors = [each for each in told if each["severity"] == "error"]
        assert code == bool(errors)
        return sorted((each["code"], each["message"]) for each in errors)

    def codes(self, *args: str) -> list[str]:
        """Return the codes alone."""
        return [code for code, _ in self.required(*args)]

    @property
    def signatures(self) -> Path:
        """The folder of signatures."""
        return self.folder / "signatures"


OURS = ("signature-", "team", "no-teams", "part-", "range-moved", "cluster-", "key-of", "duplicate-team")

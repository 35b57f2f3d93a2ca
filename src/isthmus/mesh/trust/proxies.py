"""What a proxy of Istio holds: the certificate that it presents, and the roots that it trusts.

Both are said by Envoy itself, whose admin page is asked through pilot-agent in the pod. Private keys are
redacted there. Pure: the answer comes in.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from isthmus.mesh.trust import authority as authorities
from isthmus.mesh.trust import judge as judges

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

CONTAINER: Final = "istio-proxy"
LABEL: Final = "service.istio.io/canonical-name"
"""What every injected pod has, sidecars and gateways alike (Istio files/injection-template.yaml,
files/gateway-injection-template.yaml)."""
REQUEST: Final = ("pilot-agent", "request", "GET", "config_dump?resource=dynamic_active_secrets")
"""The command in a pod whose answer `parse` takes."""
CERTIFICATE, ROOTS = "default", "ROOTCA"
"""Names under which a proxy asks its agent (Istio pkg/security/security.go)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """What one proxy holds: its certificate with those above it as far as it sends them, and its roots."""

    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]

    def trusts(self, root: x509.Certificate) -> bool:
        """Say whether it takes certificates below a root."""
        return authorities.key_id(root) in {authorities.key_id(each) for each in self.roots}

    def is_below(self, root: x509.Certificate) -> bool:
        """Say whether what it presents was signed below a root; roots may stand at the end of the chain."""
        for number, each in enumerate(self.chain):
            if judges.is_signed_by(each, root):
                return number > 0
            if not any(judges.is_signed_by(each, above) for above in self.chain[number + 1 : number + 2]):
                return False
        return False


def runs(pod: Mapping[str, Any]) -> bool:
    """Say whether a proxy runs in a pod that stays; an init container may be one (a native sidecar)."""
    status = pod.get("status") or {}
    seen = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    running = [each for each in seen if each["name"] == CONTAINER and "running" in (each.get("state") or {})]
    return bool(running) and "deletionTimestamp" not in pod["metadata"]


def parse(text: str) -> Held:
    """Return what a proxy holds, from its answer; ValueError where that says something else.

    Lines of pilot-agent's own log may stand before the JSON.
    """
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("{")), None)
    if first is None:
        raise ValueError(lines[-1][:200] if lines else "it says nothing")
    try:
        dump = json.loads("\n".join(lines[first:]))
        found = {str(each["name"]): each["secret"] for each in dump.get("configs") or ()}
        own = found.get(CERTIFICATE, {}).get("tls_certificate")
        trusted = found.get(ROOTS, {}).get("validation_context")
        if own is None or trusted is None:
            raise ValueError("it has no certificate or no root yet")
        chain = _certificates(own["certificate_chain"])
        return Held(chain=tuple(chain), roots=tuple(_certificates(trusted["trusted_ca"])))
    except (KeyError, TypeError, AttributeError, binascii.Error, json.JSONDecodeError) as error:
        raise ValueError(f"no list of secrets: {type(error).__name__}") from None


def _certificates(source: Json) -> list[x509.Certificate]:
    text = base64.b64decode(source["inline_bytes"], validate=True)
    return x509.load_pem_x509_certificates(text)

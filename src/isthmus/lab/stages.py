"""What kwok does to fake nodes, pods and volumes: our Stage objects.

kwok does nothing by itself; each Stage says which objects it takes, after what delay, and what becomes of
them. Two annotations of a pod steer it: `lab.isthmus.dev/ready-after: 5s` delays readiness, and
`lab.isthmus.dev/ready: never` keeps it running and not ready. The texts below are Go templates that give
YAML.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

READY = "lab.isthmus.dev/ready"
READY_AFTER = "lab.isthmus.dev/ready-after"
COMPLETE_AFTER = "lab.isthmus.dev/complete-after"
PROVISIONER = "lab.isthmus.dev/volume"

_START = 100  # milliseconds from bound to running: image pulls do not exist here
_BECOME_READY = 200  # milliseconds from running to ready, unless annotated
_STOP = 200  # milliseconds from deletion to gone: a program that obeys SIGTERM
# Milliseconds between signs of life in a node's status: the controller manager misses them after 50 s. A
# kubelet renews a lease instead. kwok with leases leaves nodes alone until the leases of the kwok before it
# run out, and may overlook the pods that it finds there.
_HEARTBEAT = 15_000

_READY_STATUS = '.status.conditions.[] | select( .type == "Ready" ) | .status'


def documents() -> list[Json]:
    """Return every Stage."""
    return [
        *_nodes(),
        *_pods(),
        *_volumes(),
    ]


def _nodes() -> list[Json]:
    report = """
{{ $now := Now }}
{{ $since := or .metadata.creationTimestamp $now }}
phase: Running
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $since | Quote }}
{{ end }}
"""
    return [
        _stage("node-initialize", "Node", [_not_in(_READY_STATUS, "True")], status=report),
        _stage("node-heartbeat", "Node", [_in(_READY_STATUS, "True")], status=report, delay=_HEARTBEAT),
    ]


def _pods() -> list[Json]:
    living = _absent(".metadata.deletionTimestamp")
    running = _in(".status.phase", "Running")
    never = f'.metadata.annotations["{READY}"]'
    return [
        _stage("pod-start", "Pod", [living, _absent(".status.podIP")], status=_started(), delay=_START),
        _stage(
            "pod-ready",
            "Pod",
            [living, running, _not_in(_READY_STATUS, "True"), _not_in(never, "never")],
            status=_running(ready=True),
            delay=_BECOME_READY,
            delay_from=READY_AFTER,
        ),
        _stage(
            "pod-unready",
            "Pod",
            [living, running, _in(_READY_STATUS, "True"), _in(never, "never")],
            status=_running(ready=False),
        ),
        _stage(
            "pod-complete",
            "Pod",
            [living, running, _in(_READY_STATUS, "True"), _in(".metadata.ownerReferences.[].kind", "Job")],
            status=_completed(),
            delay=_BECOME_READY,
            delay_from=COMPLETE_AFTER,
        ),
        _stage(
            "pod-delete",
            "Pod",
            [_present(".metadata.deletionTimestamp"), _absent(".metadata.finalizers")],
            delay=_STOP,
            then={"delete": True},
        ),
    ]


def _volumes() -> list[Json]:
    """Provision claims of our class; the controller manager does the binding.

    The path of a volume exists nowhere: no container runs that could open it.
    """
    volume = """
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pvc-{{ .metadata.uid }}
  annotations:
    pv.kubernetes.io/provisioned-by: PROVISIONER
spec:
  accessModes:
  {{ YAML .spec.accessModes 1 }}
  capacity:
    storage: {{ .spec.resources.requests.storage | Quote }}
  persistentVolumeReclaimPolicy: Delete
  storageClassName: {{ .spec.storageClassName | Quote }}
  claimRef:
    apiVersion: v1
    kind: PersistentVolumeClaim
    name: {{ .metadata.name | Quote }}
    namespace: {{ .metadata.namespace | Quote }}
    uid: {{ .metadata.uid | Quote }}
  hostPath:
    path: /lab/pvc-{{ .metadata.uid }}
""".replace("PROVISIONER", PROVISIONER)
    ours = '.metadata.annotations["volume.kubernetes.io/storage-provisioner"]'
    from_us = '.metadata.annotations["pv.kubernetes.io/provisioned-by"]'
    return [
        _stage(
            "claim-provision",
            "PersistentVolumeClaim",
            [_absent(".metadata.deletionTimestamp"), _in(ours, PROVISIONER), _in(".status.phase", "Pending")],
            steps=[{"apply": {"template": volume}}],
        ),
        _stage(
            "volume-delete",
            "PersistentVolume",
            [
                _absent(".metadata.deletionTimestamp"),
                _in(from_us, PROVISIONER),
                _in(".status.phase", "Released"),
            ],
            then={"delete": True},
        ),
    ]


def _started() -> str:
    """Return the status of a pod whose containers run and are not yet ready."""
    return (
        """
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
startTime: {{ Now | Quote }}
{{ if .spec.initContainers }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  state:
    terminated: {exitCode: 0, reason: Completed, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}
{{ end }}
{{ end }}
"""  # noqa: E501 - one call of a template function is one line
        + _running(ready=False, initialized=True)
    )


def _running(*, ready: bool, initialized: bool = False) -> str:
    status = '"True"' if ready else '"False"'
    reason, message = ("null", "null") if ready else ("ContainersNotReady", "the lab holds readiness back")
    conditions = [
        f"- type: {kind}\n  status: {status}\n  reason: {reason}\n  message: {message}"
        for kind in ("ContainersReady", "Ready")
    ]
    if initialized:
        conditions.append('- type: Initialized\n  status: "True"')
    stamp = "\n  lastTransitionTime: {{ $now | Quote }}"
    stamped = "\n".join(condition + stamp for condition in conditions)
    return f"""
{{{{ $now := Now }}}}
{{{{ $start := or .status.startTime $now }}}}
phase: Running
conditions:
{stamped}
containerStatuses:
{{{{ range .spec.containers }}}}
- name: {{{{ .name | Quote }}}}
  image: {{{{ .image | Quote }}}}
  imageID: ""
  ready: {str(ready).lower()}
  started: true
  restartCount: 0
  state:
    running: {{startedAt: {{{{ $start | Quote }}}}}}
{{{{ end }}}}
"""


def _completed() -> str:
    return """
{{ $now := Now }}
{{ $start := or .status.startTime $now }}
phase: Succeeded
conditions:
- type: ContainersReady
  status: "False"
  reason: PodCompleted
  lastTransitionTime: {{ $now | Quote }}
- type: Ready
  status: "False"
  reason: PodCompleted
  lastTransitionTime: {{ $now | Quote }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $start | Quote }}
      finishedAt: {{ $now | Quote }}
{{ end }}
"""


def _stage(
    name: str,
    kind: str,
    matches: list[Json],
    *,
    status: str = "",
    delay: int = 0,
    delay_from: str = "",
    then: Json | None = None,
    steps: list[Json] | None = None,
) -> Json:
    wait: Json = {"durationMilliseconds": delay}
    if delay_from:
        wait["durationFrom"] = {"expressionFrom": f'.metadata.annotations["{delay_from}"]'}
    outcome: Json = {"steps": steps} if steps else {"next": then or {"statusTemplate": status}}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": matches},
            "delay": wait,
            **outcome,
        },
    }


def _in(key: str, *values: str) -> Json:
    return {"key": key, "operator": "In", "values": list(values)}


def _not_in(key: str, *values: str) -> Json:
    return {"key": key, "operator": "NotIn", "values": list(values)}


def _absent(key: str) -> Json:
    return {"key": key, "operator": "DoesNotExist"}


def _present(key: str) -> Json:
    return {"key": key, "operator": "Exists"}

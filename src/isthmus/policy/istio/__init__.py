"""What Istio says of a connection or request: AuthorizationPolicy, RequestAuthentication, PeerAuthentication.

Facts of the semantics are of istio.io/istio at the pin of `lab/istio` (1.31) and ztunnel's `src/rbac.rs`;
comments name the place. Who enforces differs, and so does what the same YAML does: a sidecar, ztunnel, a
waypoint, a gateway.
"""

"""Real Kubernetes on one machine: what `isthmus lab` starts, and tests and the demo run on.

Everything else in Isthmus sees only kubeconfig contexts and cannot tell a lab from production, so nothing
but `cli` imports this room. `labs` is the way in; the other modules are its parts.
"""

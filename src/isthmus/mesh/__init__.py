"""Facts of Cilium, Istio and DNS with their sources; compilers from a Fleet to their configuration.

Whether a Fleet fits them is judged in `network`; nothing here reads or writes.
"""

"""What Cilium, Istio and DNS need: facts with their sources, and pure compilers from a Fleet to configuration.

Facts and compilers only: whether a Fleet fits them is judged in `network`, and nothing here reads or writes.
"""

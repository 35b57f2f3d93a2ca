"""Cilium of a Fleet as an App: values, peers and findings for each cluster.

Pure: what the clusters say comes in as facts.
"""

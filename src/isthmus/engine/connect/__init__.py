"""Connects the clusters of a Fleet: asks them, drafts Cilium with its certificates, reads its state.

The draft runs as any other operation does; nothing is changed here.
"""

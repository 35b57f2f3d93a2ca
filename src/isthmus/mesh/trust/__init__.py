"""Certificates of ClusterMesh and Hubble: who gets which, how they are made, and whether they are good.

Pure: clock and randomness come in, nothing is read or written here. Keys stay out of every repr.
"""

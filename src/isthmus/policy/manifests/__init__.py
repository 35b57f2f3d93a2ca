"""Kubernetes objects as they are written or as a cluster gives them, read into a world."""

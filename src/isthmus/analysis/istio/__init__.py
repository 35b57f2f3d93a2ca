"""Checks of Istio over several clusters: how each reads the others, and whether they trust one another."""

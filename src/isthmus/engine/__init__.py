"""Runs a plan as an operation: the only room that changes a cluster."""

"""Prefixes as sets of intervals: algebra, allocation, headroom; nothing here knows a cluster."""

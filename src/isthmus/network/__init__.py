"""The plan's judgements, before a cluster exists: now addresses and votes."""

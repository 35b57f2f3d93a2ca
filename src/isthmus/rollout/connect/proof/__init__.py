"""What `connect verify` asks, and what the answers prove.

Pure: it asks nobody. Objects of the probes, questions and judgements are values.
"""

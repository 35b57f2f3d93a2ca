"""The plan's judgements, before a cluster exists; `plan.py` puts them together.

`ipam` gives ranges, `paths` says what packets fit, `mesh` holds limits, `needs` is what others must open and
grant, `consent` what teams sign, `changes` what moved since; `imports` makes a Fleet of clusters that exist.
"""

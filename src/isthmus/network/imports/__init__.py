"""Readers of what exists: objects of a cluster, Terraform, kind and Cluster API; and the Fleet they make.

All are pure: objects and texts come in, `imported.Live` goes out, with findings for what could not be read.
"""

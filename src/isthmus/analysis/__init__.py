"""Checks over what one or many clusters are configured to be and say they are: what `doctor` reports.

Pure: a snapshot comes in, what is wrong and what could not be looked at goes out.
"""

"""Looks at every cluster through `clients`, and lets `analysis` say what is wrong; it changes nothing."""

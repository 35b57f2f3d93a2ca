"""A package, so that its lab ends with its last test: no two labs of real nodes stand side by side."""

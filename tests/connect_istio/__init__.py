"""A package, so that its lab ends with its last test: all files of it share the mesh."""

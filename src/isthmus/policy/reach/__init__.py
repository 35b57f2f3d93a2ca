"""Who reaches whom, for all at once: classes of endpoints, the matrix of connections, what changes it."""

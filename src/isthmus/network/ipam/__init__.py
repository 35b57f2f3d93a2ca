"""Which ranges clusters get, whether they fit, and what to do when they do not."""

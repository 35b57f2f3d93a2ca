"""From an App and the observed releases to a plan: pure decisions, no input or output."""

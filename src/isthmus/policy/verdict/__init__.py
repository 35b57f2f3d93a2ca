"""One question: what it names, the hops of the call, what every layer says, and why in sentences."""

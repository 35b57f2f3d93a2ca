"""Intents to objects: what each layer of each cluster is given so that an Access holds, and what does not."""

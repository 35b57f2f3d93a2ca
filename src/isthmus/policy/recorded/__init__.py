"""Recorded flows: replayed against policies, and the intents that cover them."""

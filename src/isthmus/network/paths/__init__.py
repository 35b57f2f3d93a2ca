"""What pods can send between clusters, and whether clusters wrap packets alike."""

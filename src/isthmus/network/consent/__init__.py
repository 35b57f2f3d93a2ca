"""What teams sign, and whether it still holds."""

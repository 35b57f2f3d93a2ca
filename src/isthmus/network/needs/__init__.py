"""What the fleet needs from others: open flows and quotas."""

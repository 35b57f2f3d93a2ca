"""What has changed since the plan was applied, and how to get there."""

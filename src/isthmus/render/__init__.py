"""From values to text and tables; prints nothing."""

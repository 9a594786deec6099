"""What was published, and what has changed since."""

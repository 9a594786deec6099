"""What waits between the stores and what could not be carried over, for people to look at and decide."""

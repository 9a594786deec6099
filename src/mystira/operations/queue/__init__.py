"""What waits between the stores: keys that are tried again, and letters that wait for a person."""

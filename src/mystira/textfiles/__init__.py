"""Reads YAML and JSON that strangers wrote, keeping every line and column; knows nothing of what they mean."""

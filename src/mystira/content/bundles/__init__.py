"""Bundles: stories that are offered together, free or for a price."""

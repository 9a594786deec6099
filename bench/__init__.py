"""Measurements against named peers: ratios, in one run, on one machine."""

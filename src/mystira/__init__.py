"""Mystira: interactive stories for children, on data that moves live between two databases."""

"""Mystira: interactive stories for children, on data that moves live between two databases."""

__version__ = "0.1.0"

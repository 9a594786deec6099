"""Uploads that a program may send again: under its own key, everything in them is taken in once."""

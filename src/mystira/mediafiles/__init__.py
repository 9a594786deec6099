"""Reads pictures, sounds and films of strangers in processes apart, cleans them, and keeps them as blobs."""

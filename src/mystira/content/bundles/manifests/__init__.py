"""Bundles as files: the manifest of an archive, read with every finding, and written so that it reads as the same."""

"""Backups of both stores at one instant; docs/backups.md tells the format and why nothing is lost."""
